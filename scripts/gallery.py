"""Pages to listen and to look: originals, our models, and the codecs that people use at the same size.

    python scripts/gallery.py [--out docs/gallery] [--speech FOLDER] [--image FOLDER]
    python scripts/gallery.py --audio FOLDER [-m MODEL]    # music.html alone

Writes `listen.html` and `look.html`, the reports of an evaluation: self-contained pages with players, spectrograms and
sliders. By default of the recording and the photos that the tests have, and kept in the checkout; a page says at its
end which weights it was made with, so that `scripts/docs.py --check` can tell when it is stale. `music.html` needs a
folder of recordings, for the tests have no music, and a model of any sound: a released one, or one that is named.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from vpcodec.errors import DependencyError, ModelError
from vpcodec.evaluation.candidates import ModelCandidate
from vpcodec.evaluation.datasets import Dataset, Item, open_dataset
from vpcodec.evaluation.evaluate import Outputs, run_evaluation
from vpcodec.evaluation.rivals import parse_rival
from vpcodec.registry import ModelFolder, find_model

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.pictures import identity, released  # noqa: E402

MEDIA = ROOT / "tests" / "media"
FOLDER = ROOT / "docs" / "gallery"
PAGES = {"speech": "listen.html", "image": "look.html", "audio": "music.html"}
BUNDLED = {"speech": ["speech.flac"], "image": ["cat.png", "coffee.jpg"]}
SHOWN = (256, 1024, 4096, 16384, "2x1024", "2x16384")
RIVALS = {
    "speech": ("opus:6", "codec2:3200"),
    "image": ("avif", "webp", "jpeg"),  # as large as our files, as all without a number
    "audio": ("opus", "opus:24"),  # every player more is a tenth of the page; `vpcodec evaluate` compares with all
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    for kind in PAGES:
        parser.add_argument(f"--{kind}", type=Path, metavar="FOLDER", help="media to show instead")
    parser.add_argument("-m", "--model", action="append", help="instead of the released models")
    options = parser.parse_args()
    models = [find_model(name) for name in options.model] if options.model else released()
    folders = {kind: getattr(options, kind) for kind in PAGES if getattr(options, kind)}
    for kind, folder in (folders or dict.fromkeys(BUNDLED)).items():
        dataset = open_dataset(str(folder)).seen_as(kind) if folder else bundled(kind)
        page = options.out / PAGES[kind]
        write_page(page, kind, dataset, models)
        print(f"{page}: {page.stat().st_size:,} bytes")


def write_page(page: Path, kind: str, dataset: Dataset, models: Sequence[ModelFolder] | None = None) -> None:
    """Evaluate the models of a kind, the released ones by default, at some of their rates; write the report."""
    models = [model for model in models or released() if model.facts.kind == kind]
    if not models:
        raise ModelError(f"no model of {kind}", hint="name one with -m")
    candidates = [ModelCandidate(model, codebook) for model in models for codebook in shown(model)]
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, page.name)
        run_evaluation(dataset, candidates, installed(RIVALS[kind], kind), Outputs(report=report))
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(report.read_text(encoding="utf-8") + mark(models), encoding="utf-8")


def shown(model: ModelFolder) -> list[int | str]:
    """Some of a model's codebooks, far enough apart to hear or see a difference; all of a model with few.

    Of one of any sound the largest, whose size Opus is to have, and the smallest: music makes large pages.
    """
    if model.facts.kind == "audio":
        return [model.codebooks[-1], *model.codebooks[:-1][:1]]
    if len(model.codebooks) <= len(SHOWN):
        return list(model.codebooks)
    return [codebook for codebook in model.codebooks if codebook in SHOWN]


def bundled(kind: str) -> Dataset:
    """The tests' own media of a kind."""
    return Dataset("bundled", kind, tuple(Item(name, MEDIA / name) for name in BUNDLED[kind]))


def installed(names: Iterable[str], kind: str) -> list[str]:
    """The rivals that can run here."""
    found = []
    for name in names:
        try:
            parse_rival(name, kind)
            found.append(name)
        except DependencyError as error:
            print(f"left out: {error.what}")
    return found


def mark(models: Sequence[ModelFolder]) -> str:
    """What a page says about the models that made it."""
    return f"<!-- made by scripts/gallery.py with {', '.join(map(identity, models))} -->\n"


def made() -> dict[Path, tuple[str, Callable[[], None]]]:
    """Each page of bundled media, with what it says of its models, and what writes it."""
    pages = {kind: FOLDER / PAGES[kind] for kind in BUNDLED}
    marks = {kind: mark([model for model in released() if model.facts.kind == kind]) for kind in BUNDLED}
    return {page: (marks[kind], partial(write_page, page, kind, bundled(kind))) for kind, page in pages.items()}


if __name__ == "__main__":
    main()

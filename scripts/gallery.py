"""Pages to listen and to look: originals, our models, and the codecs that people use at the same size.

    python scripts/gallery.py [--out docs/gallery] [--speech FOLDER] [--images FOLDER]

Writes `listen.html` and `look.html`, the reports of an evaluation: self-contained pages with players, spectrograms and
sliders. By default of the recording and the photos that the tests have.
"""

import argparse
import tempfile
from pathlib import Path

from vpcodec.errors import DependencyError
from vpcodec.evaluation.datasets import Dataset, Item, open_dataset
from vpcodec.evaluation.models import ModelCandidate
from vpcodec.evaluation.rivals import parse_rival
from vpcodec.evaluation.run import Outputs, run_evaluation
from vpcodec.registry import list_models

ROOT = Path(__file__).resolve().parents[1]
MEDIA = ROOT / "tests" / "media"
PAGES = {"speech": "listen.html", "image": "look.html"}
RIVALS = {"speech": ("opus:6", "codec2:3200"), "image": ("avif", "webp", "jpeg")}  # images: as large as our files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "gallery")
    parser.add_argument("--speech", type=Path, help="folder of recordings")
    parser.add_argument("--images", type=Path, help="folder of photos")
    options = parser.parse_args()
    for kind, folder in (("speech", options.speech), ("image", options.images)):
        dataset = open_dataset(str(folder)) if folder else bundled(kind)
        models = [
            ModelCandidate(model, rate)
            for model in list_models()
            if model.facts.kind == kind
            for rate in model.facts.rates
        ]
        page = options.out / PAGES[kind]
        with tempfile.TemporaryDirectory() as scratch:
            run_evaluation(dataset, models, installed(kind), Outputs(report=Path(scratch, page.name)))
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_bytes(Path(scratch, page.name).read_bytes())
        print(f"{page}: {page.stat().st_size:,} bytes")


def bundled(kind: str) -> Dataset:
    """The tests' own media of a kind."""
    names = {"speech": ["speech.flac"], "image": ["cat.png", "coffee.jpg"]}[kind]
    return Dataset("bundled", kind, tuple(Item(name, MEDIA / name) for name in names))


def installed(kind: str) -> list[str]:
    """The rivals that can run here."""
    found = []
    for name in RIVALS[kind]:
        try:
            parse_rival(name, kind)
            found.append(name)
        except DependencyError as error:
            print(f"left out: {error.what}")
    return found


if __name__ == "__main__":
    main()

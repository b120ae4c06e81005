"""What each choice in the recipes is worth: a choice changed, and a network trained from nothing for as long.

    python benchmarks/search.py --out FOLDER --speech TRAIN VALID --images TRAIN VALID [--minutes 8] [--only TRIAL ...]
    python benchmarks/search.py --out FOLDER --collect          tables and JSON from what is there

All trials have the same time, not the same number of steps: what makes a step slower must earn that. Use one process
a core, each with one thread. K is 1024 and the method FSP, which needs no time to fit codes; the bake-off compares
methods. A trial that has a result is skipped. Scores are those of whole token files of the validation split.
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from figures import COMPARED, ROOT, markdown, put_table

from vpcodec.evaluation.candidates import ModelCandidate
from vpcodec.evaluation.datasets import open_dataset
from vpcodec.evaluation.evaluate import run_evaluation
from vpcodec.recipe import Recipe, override
from vpcodec.registry import ModelFolder
from vpcodec.training.loop import Run, train
from vpcodec.training.recipes import find_recipe

RESULTS = ROOT / "docs" / "results" / "search.json"
PAGE = ROOT / "docs" / "experiments.md"
QUANTIZER = {"method": "fsp", "rates": [1024]}
EARLIER = {  # options with which the search began, where the released recipe has others since
    "speech": (),
    "image": ("data.batch=4", "data.crop=24", "training.decay=0.9"),
}
ITEMS = 15  # of the validation split
SHARED = {  # by name, what a trial changes
    "unchanged": (),
    "another seed": ("training.seed=1",),
    "a third seed": ("training.seed=2",),
    "deep and narrow": ("network.width=192", "network.encoder_blocks=7", "network.decoder_blocks=14"),
    "shallow and wide": ("network.width=352", "network.encoder_blocks=2", "network.decoder_blocks=4"),
    "even blocks": ("network.encoder_blocks=6", "network.decoder_blocks=6"),
    "kernel 3": ("network.kernel=3",),
    "kernel 11": ("network.kernel=11",),
    "rates of 0.004 and 0.002": ("training.matrix_rate=0.004", "training.rate=0.002"),
    "rates of 0.016 and 0.008": ("training.matrix_rate=0.016", "training.rate=0.008"),
    "a quarter of decay": ("training.decay=0.25",),
    "average of 0.95": ("training.average=0.95",),
    "no variation": ("data.augment=false",),
    "rounded alone": ("quantizer.quantize_share=1.0",),
    "moved alone": ("quantizer.quantize_share=0.0",),
}
TRIALS: dict[str, dict[str, tuple[str, ...]]] = {
    "speech": {
        **SHARED,
        "8 crops of 1 s": ("data.batch=8", "data.crop=168"),
        "1 crop of 8 s": ("data.batch=1", "data.crop=1344"),
        "no loudness": ("speech_loss.loudness=0",),
        "no envelopes": ("speech_loss.envelopes=0",),
        "no phase": ("speech_loss.complex_spectrum=0", "speech_loss.waveform=0"),
        "no mel": ("speech_loss.mel=0",),
    },
    "image": {
        **SHARED,
        "9 crops of 128": ("data.batch=9", "data.crop=16"),
        "2 crops of 272": ("data.batch=2", "data.crop=34"),
        "no LPIPS": ("image_loss.lpips=0",),
        "no SSIM": ("image_loss.structure=0",),
        "no squares": ("image_loss.squared=0",),
        "no absolute": ("image_loss.absolute=0",),
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of trials")
    parser.add_argument("--speech", type=Path, nargs=2, metavar="FOLDER", help="training and validation set")
    parser.add_argument("--images", type=Path, nargs=2, metavar="FOLDER", help="training and validation set")
    parser.add_argument("--minutes", type=float, default=8, help="of every training")
    parser.add_argument("--only", nargs="+", metavar="TRIAL", help="these trials")
    parser.add_argument("--collect", action="store_true", help="train nothing; put what is there into the page")
    options = parser.parse_args()
    if options.collect:
        collect(options.out)
        return
    for kind, folders in (("speech", options.speech), ("image", options.images)):
        for name in options.only or TRIALS[kind] if folders else ():
            result = options.out / kind / f"{name}.json"
            if not result.exists():
                facts = run_trial(kind, name, options.out / "run" / kind, folders, options.minutes)
                result.parent.mkdir(parents=True, exist_ok=True)
                result.write_text(json.dumps(facts, indent=1) + "\n")
                print(kind, name, facts, flush=True)


def recipe_of(kind: str, name: str) -> Recipe:
    """The recipe of the released model with one choice changed, for a short run from nothing."""
    released = replace(find_recipe(f"{kind}-vp"), quantizer=QUANTIZER)
    short = ("training.average=0.995", "training.validate_minutes=1000", "training.checkpoint_minutes=1000")
    return override(released, [*short, *EARLIER[kind], *TRIALS[kind][name]])


def run_trial(kind: str, name: str, folder: Path, folders: list[Path], minutes: float) -> dict[str, Any]:
    """Train and score; the model itself is not kept."""
    shutil.rmtree(folder, ignore_errors=True)
    train(recipe_of(kind, name), Run(data=folders[0], out=folder, minutes=minutes))
    model = ModelFolder(folder)
    dataset = open_dataset(str(folders[1])).sample(ITEMS)
    candidate = ModelCandidate(model, QUANTIZER["rates"][0])
    (found,) = run_evaluation(dataset, [candidate], metrics=list(COMPARED[kind])).summary.candidates
    figures = {name: found.metrics[name].mean for name in COMPARED[kind]}
    return {"minutes": minutes, "steps": model.facts.steps, **figures}


def collect(out: Path) -> None:
    """All trials in one JSON file, and a table for each kind in the page."""
    found = {
        kind: {name: json.loads(path.read_text()) for name in names if (path := out / kind / f"{name}.json").exists()}
        for kind, names in TRIALS.items()
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    for kind, trials in found.items():
        put_table(PAGE, f"{kind} search", table(kind, trials))


def table(kind: str, trials: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, facts in trials.items():
        changed = ", ".join(f"`{setting}`" for setting in TRIALS[kind][name])
        rows.append((name, changed, facts["steps"], *(each.shown(facts[key]) for key, each in COMPARED[kind].items())))
    return markdown(("trial", "changed", "steps", *(metric.label for metric in COMPARED[kind].values())), rows, 2)


if __name__ == "__main__":
    main()

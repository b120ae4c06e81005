"""What a GPU makes of training, of the codec and of an evaluation, in under ten minutes.

    python benchmarks/gpu.py --data PHOTOS_AND_RECORDINGS [--json FILE] [--device cuda]

`--data` is a folder with photos and recordings. Training: milliseconds a step, as it is and with torch.compile, and how
long a step waits for its crops. Codec: windows or photos a second in the torch engine. Evaluation: the whole command.
`--device cpu` tries the program where there is no GPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from throughput import measure

from vpcodec.devices import choose_device
from vpcodec.recipe import override
from vpcodec.registry import list_models
from vpcodec.training.loop import Run, Trainer
from vpcodec.training.recipes import find_recipe

RECIPES = ("speech-fsp-1024", "image-fsp-1024", "speech-vp-free")
WARMING = 5  # steps before the clock starts; compiling falls into the first
LONGEST = 20.0  # seconds of steps that are timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--recipe", nargs="+", default=RECIPES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    device = choose_device(options.device)
    name = torch.cuda.get_device_name() if device.startswith("cuda") else device
    results: dict[str, Any] = {"device": name, "torch": torch.__version__}
    results["steps"] = [steps(options, recipe, compiled) for recipe in options.recipe for compiled in (False, True)]
    coding = argparse.Namespace(seconds=60, images=64, device=device)
    results["codec"] = [measure(model, model.facts.rates[-1], "torch", coding) for model in list_models()]
    results["evaluation"] = [evaluation(options, model.name) for model in list_models()]
    text = json.dumps(results, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


def steps(options: argparse.Namespace, name: str, compiled: bool) -> dict[str, Any]:
    """How long a step of a recipe takes, and how much of it is waiting for crops."""
    recipe = override(find_recipe(name), ["image_loss.lpips=0"])
    with tempfile.TemporaryDirectory() as folder:
        run = Run(data=options.data, out=Path(folder), device=options.device, compile=compiled)
        trainer = Trainer(recipe, run)
        waited, count = 0.0, 0
        with closing(trainer.batches()) as ahead:
            for _ in range(WARMING):
                trainer.advance(next(ahead).to(trainer.device), 0.5)
            began = time.perf_counter()
            while time.perf_counter() - began < LONGEST:
                asked = time.perf_counter()
                crops = next(ahead)
                waited += time.perf_counter() - asked
                trainer.advance(crops.to(trainer.device, non_blocking=True), 0.5)  # reads its loss: it has ended
                count += 1
            taken = time.perf_counter() - began
    return {
        "recipe": name,
        "compiled": compiled,
        "batch": recipe.data.batch,
        "readers": trainer.readers,
        "milliseconds a step": round(1e3 * taken / count, 2),
        "waited for crops": round(1e3 * waited / count, 2),
    }


def evaluation(options: argparse.Namespace, model: str) -> dict[str, Any]:
    """Seconds of `vpcodec evaluate` on the data, and its exit code."""
    command = [sys.executable, "-m", "vpcodec", "evaluate", "--dataset", str(options.data), "--model", model]
    began = time.perf_counter()
    done = subprocess.run([*command, "--device", options.device], capture_output=True, text=True, timeout=200)
    return {"model": model, "seconds": round(time.perf_counter() - began, 1), "exit code": done.returncode}


if __name__ == "__main__":
    main()

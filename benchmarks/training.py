"""What training takes from a machine: memory over time on much data, reading speed, and a run among bad files.

    python benchmarks/training.py --photos SHARDS --json docs/results/training.json
    python benchmarks/training.py --json docs/results/training.json --plot docs/pictures/memory.svg   # draws it

Photos are scaled to 12 megapixels; sound is generated. Each run lasts `--seconds`, in a process of its own without a
terminal; memory is the resident set of the process and its readers, once a second.
"""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from figures import resident
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from vpcodec.data.crops import ImageCrops
from vpcodec.data.media import list_media
from vpcodec.recipe import Data
from vpcodec.training.readers import batches

PHOTOS, DIFFERENT = 200, 20  # the others are links to the first ones: other files to a reader, no more disk
HOURS, PART = 20, 600  # of sound; seconds a file
BAD_SHARE = 0.05
MEMORY = "0.25"  # GB; little, so that a short run shows where it stays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, help="measure; folder or shard of photos to scale up")
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--plot", type=Path, help="SVG file for the curves of memory in --json")
    options = parser.parse_args()
    if options.photos:
        measure(options)
    if options.plot:
        draw(json.loads(options.json.read_text(encoding="utf-8")), options.plot)


def measure(options: argparse.Namespace) -> None:
    """Do all runs and write what they showed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_photos(folder / "photos", options.photos)
        make_sound(folder / "sound")
        results: dict[str, Any] = {"readers": [read_with(folder / "photos", readers) for readers in (0, 1, 2)]}
        results["bad files"] = run_among_bad(folder, options.seconds)
        for kind in ("photos", "sound"):
            results[kind] = run(folder, kind, options.seconds)
    options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def draw(results: dict[str, Any], path: Path) -> None:
    """Plot the resident memory of both runs over time, the same bytes for the same numbers."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot(xlabel="seconds", ylabel="MB")
    for kind, color in (("photos", "tab:blue"), ("sound", "tab:orange")):
        axes.plot(results[kind]["megabytes"], color=color, label=kind)
    axes.set_ylim(bottom=0)
    axes.legend()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "vpcodec"}):
        figure.savefig(path, metadata={"Date": None})


def make_photos(folder: Path, source: Path) -> None:
    """JPEG files of 4000 x 3000 pixels."""
    folder.mkdir()
    for index, media in enumerate(islice(list_media(source, "image"), DIFFERENT)):
        photo = Image.open(io.BytesIO(media.read())).convert("RGB")
        photo.resize((4000, 3000), Image.Resampling.BILINEAR).save(folder / f"{index:03}.jpg", quality=85)
    for index in range(DIFFERENT, PHOTOS):
        os.link(folder / f"{index % DIFFERENT:03}.jpg", folder / f"{index:03}.jpg")


def make_sound(folder: Path) -> None:
    """FLAC files of noise whose level rises and falls, as speech does."""
    folder.mkdir()
    time_ = np.arange(PART * 16_000) / 16_000
    noise = np.random.default_rng(0).normal(0, 0.05, len(time_)) * (1 + np.sin(2 * np.pi * 3 * time_))
    soundfile.write(folder / "000.flac", noise.clip(-1, 1), 16_000)
    for index in range(1, HOURS * 3600 // PART):
        os.link(folder / "000.flac", folder / f"{index:03}.flac")


def read_with(folder: Path, readers: int) -> dict[str, float]:
    """Crops a second out of photos of 12 megapixels, most of which must be decoded first."""
    crops = ImageCrops(folder, Data(batch=4, crop=24), 8, seed=0, memory=1 << 28)
    with closing(batches(crops, 0, readers)) as ahead:
        next(ahead)
        began = time.monotonic()
        count = sum(len(batch) for batch in islice(ahead, 8))
    return {"readers": readers, "crops a second": round(count / (time.monotonic() - began), 2)}


def start(folder: Path, kind: str, out: str, *further: str) -> "subprocess.Popen[str]":
    recipe = (
        ("--recipe", "image-fsp-tiny" if kind != "sound" else "speech-fsp-tiny") if "--resume" not in further else ()
    )
    command = [sys.executable, "-m", "vpcodec", "train", *recipe, "--data", str(folder / kind), "-o", str(folder / out)]
    return subprocess.Popen(
        [*command, "--device", "cpu", "--memory", MEMORY, "--set", "training.steps=1000000", *further],
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, kind: str, seconds: float) -> dict[str, Any]:
    """Resident memory of a run, second by second, and what it said."""
    began = time.monotonic()
    process = start(folder, kind, f"{kind}-run")
    megabytes = []
    while time.monotonic() - began < seconds and process.poll() is None:
        megabytes.append(round(resident(process.pid)))
        time.sleep(1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1].splitlines()
    return {
        "seconds": round(seconds),
        "megabytes": megabytes,
        "largest": max(megabytes),
        "said": [line.replace(f"{folder}/", "") for line in said],
    }


def run_among_bad(folder: Path, seconds: float) -> dict[str, Any]:
    """A run with cut files, killed and resumed."""
    (folder / "bad").mkdir()
    bad = round(BAD_SHARE * PHOTOS)
    for index, photo in enumerate(sorted((folder / "photos").iterdir())):
        target = folder / "bad" / photo.name
        if index < bad:
            target.write_bytes(photo.read_bytes()[:50_000])
        else:
            os.link(photo, target)
    process = start(folder, "bad", "bad-run", "--set", "training.checkpoint_minutes=0.1")
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    process = start(folder, "bad", "bad-run", "--resume", "--minutes", str(2 * seconds / 60))
    said = process.communicate()[1].splitlines()
    record = Path(folder, "bad-run", "skipped.csv")
    skipped = record.read_text(encoding="utf-8").splitlines()[1:] if record.exists() else []
    lines = [line.replace(f"{folder}/", "") for line in said]
    return {"bad": bad, "skipped": len(skipped), "exit code": process.returncode, "said": lines}


if __name__ == "__main__":
    main()

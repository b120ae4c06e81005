"""How fast the released models encode and decode on this machine.

    python benchmarks/throughput.py [--seconds 60] [--images 16] [--engine torch onnx] [--json FILE]

Speech is counted in multiples of real time, images in 256x256 pictures a second.
Absolute figures belong to the machine and the moment; compare figures of one run.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from vpcodec.codec.engines import open_engine
from vpcodec.codec.windows import CORES
from vpcodec.networks.speech import SAMPLE_RATE
from vpcodec.registry import find_model

MEDIA = Path(__file__).resolve().parents[1] / "tests" / "media"
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="length of the speech that is coded")
    parser.add_argument("--images", type=int, default=16, help="number of 256x256 pictures that are coded")
    parser.add_argument("--engine", nargs="+", default=["torch", "onnx"])
    parser.add_argument("--model", nargs="+", default=["speech-fsp-1024", "image-fsp-1024"])
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    rows = [measure(model, engine, options) for model in options.model for engine in options.engine]
    figures = {"help_seconds": help_seconds(), "rows": rows}
    print(f"vpcodec --help: {figures['help_seconds']} s")
    print(f"{'model':18} {'engine':18} {'encode':>9} {'decode':>9} {'both':>9}  unit")
    for row in rows:
        print(
            f"{row['model']:18} {row['engine']:18} {row['encode']:9.1f} {row['decode']:9.1f} {row['both']:9.1f}  "
            f"{row['unit']}"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def measure(model: str, engine_name: str, options: argparse.Namespace) -> dict[str, object]:
    """One row: the engine's calls alone, side by side, as the codec makes them for many windows or photos."""
    folder = find_model(model)
    engine, facts = open_engine(folder, engine_name), folder.facts
    rate = facts.rates[-1]
    member, members = engine.crew()
    signals = (
        speech_windows(options.seconds, facts.hop, members) if facts.kind == "speech" else [picture()] * options.images
    )
    with ThreadPoolExecutor(members) as pool:
        tokens = list(pool.map(lambda signal: member.encode(signal, rate), signals))
        encode = fastest(lambda: list(pool.map(lambda signal: member.encode(signal, rate), signals)))
        decode = fastest(lambda: list(pool.map(lambda token: member.decode(token, rate), tokens)))
    amount = sum(map(len, signals)) / SAMPLE_RATE if facts.kind == "speech" else len(signals)
    return {
        "model": model,
        "engine": engine.name,
        "encode": amount / encode,
        "decode": amount / decode,
        "both": amount / (encode + decode),
        "unit": "x real time" if facts.kind == "speech" else "images/s",
    }


def speech_windows(seconds: float, hop: int, members: int) -> list[np.ndarray]:
    """The bundled recording, repeated, in windows of the codec's size, as many for each member of the crew."""
    samples, _ = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    size = CORES["speech"] * hop
    count = members * max(1, round(seconds * SAMPLE_RATE / size / members))
    return list(np.resize(samples, (count, size)))


def picture() -> np.ndarray:
    """[256, 256, 3] of the bundled photo."""
    photo = Image.open(MEDIA / "coffee.jpg").convert("RGB").crop((100, 50, 356, 306))
    return np.asarray(photo, np.float32) / 127.5 - 1


def fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def help_seconds() -> float:
    """Wall time of `vpcodec --help`, the least of a few."""
    command = [Path(sys.executable).with_name("vpcodec"), "--help"]
    return round(fastest(lambda: subprocess.run(command, check=True, capture_output=True)), 3)


if __name__ == "__main__":
    main()

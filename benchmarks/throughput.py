"""How fast the released models encode and decode on this machine.

    python benchmarks/throughput.py [--seconds 60] [--images 16] [--engine onnx torch] [--json FILE]
                                    [--markdown FILE]

Every rate of a model is measured: the more codes there are, the longer it takes to find the nearest.
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
from typing import Any

import numpy as np
import soundfile
from PIL import Image
from tables import put_table

from vpcodec.codec.engines import open_engine
from vpcodec.codec.windows import CORES
from vpcodec.registry import ModelFolder, find_model, list_models

MEDIA = Path(__file__).resolve().parents[1] / "tests" / "media"
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="length of the speech that is coded")
    parser.add_argument("--images", type=int, default=16, help="number of 256x256 pictures that are coded")
    parser.add_argument("--engine", nargs="+", default=["onnx", "onnx-8-bits"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", nargs="+", default=[model.name for model in list_models()])
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--markdown", type=Path, help="put the table into this page")
    options = parser.parse_args()
    rows = [
        measure(folder, rate, engine, options)
        for folder in map(find_model, options.model)
        for engine in options.engine
        for rate in folder.facts.rates
    ]
    figures = {"help_seconds": help_seconds(), "rows": rows}
    print(f"vpcodec --help: {figures['help_seconds']} s")
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        put_table(options.markdown, "throughput", table(rows))


def measure(folder: ModelFolder, rate: int, engine_name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row: the engine's calls alone, side by side, as the codec makes them for many windows or photos."""
    engine, facts = open_engine(folder, engine_name, options.device), folder.facts
    worker, count = engine.workers()
    signals = (
        speech_windows(options.seconds, facts.hop, count) if facts.kind == "speech" else [picture()] * options.images
    )
    with ThreadPoolExecutor(count) as pool:
        tokens = list(pool.map(lambda signal: worker.encode(signal, rate), signals))
        encode = fastest(lambda: list(pool.map(lambda signal: worker.encode(signal, rate), signals)))
        decode = fastest(lambda: list(pool.map(lambda token: worker.decode(token, rate), tokens)))
    amount = sum(map(len, signals)) / 16_000 if facts.kind == "speech" else len(signals)
    return {
        "model": folder.name,
        "rate": rate,
        "engine": engine.name,
        "encode": amount / encode,
        "decode": amount / decode,
        "both": amount / (encode + decode),
        "unit": "x real time" if facts.kind == "speech" else "images/s",
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| model | K | engine | encode | decode | both | |", "|---|---:|---|---:|---:|---:|---|"]
    lines += [
        f"| {row['model']} | {row['rate']:,} | {row['engine']} | {row['encode']:.1f} | {row['decode']:.1f} "
        f"| {row['both']:.1f} | {row['unit']} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def speech_windows(seconds: float, hop: int, count: int) -> list[np.ndarray]:
    """The bundled recording, repeated, in windows of the codec's size, as many for each worker."""
    samples, _ = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    size = CORES["speech"] * hop
    number = count * max(1, round(seconds * 16_000 / size / count))
    return list(np.resize(samples, (number, size)))


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

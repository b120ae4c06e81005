"""How fast the released models encode and decode on this machine.

    python benchmarks/throughput.py [--seconds 60] [--images 16] [--engine onnx torch] [--json FILE]
                                    [--markdown FILE]
    python benchmarks/throughput.py --batch 8 [--json FILE]

Every rate of a model is measured: the more codes there are, the longer it takes to find the nearest.
Speech is counted in multiples of real time, images in 256x256 pictures a second.
With a batch, it measures `encode_tokens` and `decode_tokens` of torch tensors instead: together, and one by one.
Absolute figures belong to the machine and the moment; compare figures of one run.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from figures import MEDIA, deliver, markdown, parser_of
from PIL import Image

from vpcodec import Codec, load
from vpcodec.codec.engines import open_engine
from vpcodec.codec.token_files import SIGNALS
from vpcodec.codec.windows import CORES
from vpcodec.registry import ModelFacts, ModelFolder, find_model, list_models

ROUNDS = 3
SPEEDS = ("encode", "decode", "both")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="length of the speech that is coded")
    parser.add_argument("--images", type=int, default=16, help="number of 256x256 pictures that are coded")
    parser.add_argument("--engine", nargs="+", default=["onnx", "onnx-8-bits"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", nargs="+", default=[model.name for model in list_models()])
    parser.add_argument("--batch", type=int, help="signals that are computed together: 2 s of speech, a picture")
    options = parser.parse_args()
    if options.batch:
        figures = [batches(load(name, engine="torch", device=options.device), options.batch) for name in options.model]
        print("\n".join(map(str, figures)))
        deliver(options, figures, {})
        return
    rows = [
        measure(folder, rate, engine, options)
        for folder in map(find_model, options.model)
        for engine in options.engine
        for rate in folder.facts.rates
    ]
    figures = {"help_seconds": help_seconds(), "rows": rows}
    print(f"vpcodec --help: {figures['help_seconds']} s")
    deliver(options, figures, {"throughput": table(rows)})


def measure(folder: ModelFolder, rate: int, engine_name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row: the engine's calls alone, side by side, as the codec makes them for many windows or photos."""
    engine, facts = open_engine(folder, engine_name, options.device), folder.facts
    worker, count = engine.workers()
    sound = SIGNALS[facts.kind].streams
    signals = sound_windows(options.seconds, facts, count) if sound else [picture()] * options.images
    with ThreadPoolExecutor(count) as pool:
        tokens = list(pool.map(lambda signal: worker.encode(signal[None], rate), signals))
        encode = fastest(lambda: list(pool.map(lambda signal: worker.encode(signal[None], rate), signals)))
        decode = fastest(lambda: list(pool.map(lambda token: worker.decode(token, rate), tokens)))
    amount = sum(map(len, signals)) / facts.sample_rate if sound else len(signals)
    return {
        "model": folder.name,
        "rate": rate,
        "engine": engine.name,
        "encode": amount / encode,
        "decode": amount / decode,
        "both": amount / (encode + decode),
        "unit": "x real time" if sound else "images/s",
    }


def batches(codec: Codec, count: int) -> dict[str, Any]:
    """Signals a second, of one core on a CPU, one by one and together."""
    clock = time.process_time if codec.device == "cpu" else time.perf_counter
    sound, facts = codec.signal.streams, codec.model.facts
    pixels = ((picture() + 1) * 127.5).astype(np.uint8)
    one = sound_windows(12, facts, 1)[0][: 2 * facts.sample_rate] if sound else pixels
    rate = {"sample_rate": facts.sample_rate} if sound else {}
    batch = torch.from_numpy(np.stack([one] * count))
    ids = codec.encode_tokens(batch, **rate).ids
    calls = {
        "encode": (lambda: codec.encode_tokens(batch, **rate), lambda: [codec.encode_tokens(x, **rate) for x in batch]),
        "decode": (lambda: codec.decode_tokens(ids), lambda: [codec.decode_tokens(x) for x in ids]),
    }
    row: dict[str, Any] = {"model": codec.name, "batch": count}
    for name, (together, singly) in calls.items():
        times = [fastest(work, clock) for work in (together, singly)]
        row[f"{name}_together"], row[f"{name}_one_by_one"] = (round(count / each, 2) for each in times)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    rows = [
        (row["model"], f"{row['rate']:,}", row["engine"], *(f"{row[name]:.1f}" for name in SPEEDS), row["unit"])
        for row in rows
    ]
    return markdown(("model", "K", "engine", *SPEEDS, ""), rows)


def sound_windows(seconds: float, facts: ModelFacts, count: int) -> list[np.ndarray]:
    """The bundled recording, repeated, in windows of the codec's size, as many for each worker."""
    samples, _ = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    size = CORES[facts.kind] * facts.hop
    number = count * max(1, round(seconds * facts.sample_rate / size / count))
    shape = (number, size) if facts.network.channels == 1 else (number, size, facts.network.channels)
    return list(np.resize(samples, shape))


def picture() -> np.ndarray:
    """[256, 256, 3] of the bundled photo."""
    photo = Image.open(MEDIA / "coffee.jpg").convert("RGB").crop((100, 50, 356, 306))
    return np.asarray(photo, np.float32) / 127.5 - 1


def fastest(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    times = []
    for _ in range(ROUNDS):
        began = clock()
        work()
        times.append(clock() - began)
    return min(times)


def help_seconds() -> float:
    """Wall time of `vpcodec --help`, the least of a few."""
    command = [Path(sys.executable).with_name("vpcodec"), "--help"]
    return round(fastest(lambda: subprocess.run(command, check=True, capture_output=True)), 3)


if __name__ == "__main__":
    main()

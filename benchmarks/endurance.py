"""Long recordings, large pictures, many files: memory over time, and what the network alone would have taken.

    python benchmarks/endurance.py speech --hours 10        through a pipe of two commands
    python benchmarks/endurance.py image --megapixels 200
    python benchmarks/endurance.py corpus --clips 1000      10 s each

Each files what it measured in docs/results/endurance.json under its name, with the size of the input, and in the
table of docs/endurance.md. `--engine` is handed to the commands. Memory is the largest resident set of all processes
that the command needs, sampled twice a second; it is read from /proc, so this runs on Linux.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from figures import MEDIA, ROOT, add_result, markdown, put_table, resident
from PIL import Image

RESULTS = ROOT / "docs" / "results" / "endurance.json"
PAGE = ROOT / "docs" / "endurance.md"
COMMAND = (sys.executable, "-m", "vpcodec")
RATE = 16_000  # Hz
PERIOD = 0.5  # seconds between two looks at the memory
POINTS = 100  # of a curve that are kept
CLIP_SECONDS = 10


class Watch:
    """Samples the memory of processes until they end.

    Attributes:
        seconds: When each sample was taken.
        megabytes: For each, what all processes held together.
    """

    def __init__(self, *processes: "subprocess.Popen[bytes]") -> None:
        self.processes = processes
        self.seconds: list[float] = []
        self.megabytes: list[float] = []
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self) -> None:
        while any(process.poll() is None for process in self.processes):
            self.megabytes.append(sum(resident(process.pid) for process in self.processes) / 1.048576)
            self.seconds.append(time.monotonic() - self.began)
            time.sleep(PERIOD)

    def finish(self) -> dict[str, Any]:
        """What was measured, once all processes have ended. Exits if one of them failed."""
        for process in self.processes:
            if process.wait():
                sys.exit(f"{' '.join(process.args[2:])} ended with {process.returncode}")  # type: ignore[arg-type, index]
        self.thread.join()
        step = -(-len(self.seconds) // POINTS)
        curve = [
            [round(second, 1), round(max(self.megabytes[at : at + step]))]
            for at, second in list(enumerate(self.seconds))[::step]
        ]
        seconds = time.monotonic() - self.began
        return {"seconds": round(seconds, 1), "peak_megabytes": round(max(self.megabytes)), "curve": curve}


def start(*arguments: str, **pipes: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*COMMAND, *arguments], **pipes)


def speech(hours: float, engine: str) -> dict[str, Any]:
    """A recording that never lies anywhere as a whole: raw samples in, raw samples out, two commands between."""
    samples, rate = soundfile.read(MEDIA / "speech.flac", dtype="int16")
    assert rate == RATE
    total = int(hours * 3600 * RATE)
    raw = ("--raw", "--sample-rate", str(RATE))
    encode = start("encode", "-", *raw, "-o", "-", "--engine", engine, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    decode = start(
        "decode", "-", "--format", "raw", "-o", "-", "--engine", engine, stdin=encode.stdout, stdout=subprocess.PIPE
    )
    assert encode.stdin
    assert encode.stdout
    assert decode.stdout
    encode.stdout.close()
    watch = Watch(encode, decode)
    given = 0
    first: dict[str, float] = {}

    def give() -> None:
        nonlocal given
        while given < total:
            block = samples[: total - given]
            encode.stdin.write(block.tobytes())  # type: ignore[union-attr]
            given += len(block)
        encode.stdin.close()  # type: ignore[union-attr]

    giver = threading.Thread(target=give)
    giver.start()
    received = 0
    while part := decode.stdout.read1(1 << 16):
        first.setdefault("given_before_first_output", given / RATE)
        received += len(part) // 2
    giver.join()
    if received != total:
        sys.exit(f"{received:,} samples came back of {total:,}")
    return {"hours": hours, **watch.finish(), **first}


def image(megapixels: float, engine: str) -> dict[str, Any]:
    """A picture made of many copies of a small one."""
    with Image.open(MEDIA / "coffee.jpg") as photo:
        tile = np.asarray(photo.convert("RGB"))
    side = int((megapixels * 1e6) ** 0.5)
    copies = (-(-side // tile.shape[0]), -(-side // tile.shape[1]), 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.png"
        Image.fromarray(np.tile(tile, copies)[:side, :side]).save(path, compress_level=1)
        tokens = path.with_suffix(".tok")
        encode = Watch(start("encode", str(path), "-q", "--engine", engine)).finish()
        decode = Watch(start("decode", str(tokens), "--format", "png", "-q", "--engine", engine)).finish()
    return {"megapixels": side * side / 1e6, "encode": encode, "decode": decode}


def corpus(clips: int, engine: str) -> dict[str, Any]:
    """A folder of clips, and the share of its time that the network took."""
    samples, _ = soundfile.read(MEDIA / "speech.flac", dtype="int16")
    long = np.tile(samples, CLIP_SECONDS * RATE // len(samples) + 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for number in range(clips):
            begin = number * 997 % len(samples)
            clip = long[begin : begin + CLIP_SECONDS * RATE]
            soundfile.write(folder / "in" / f"{number:05}.wav", clip, RATE, "PCM_16")
        manifest = folder / "manifest.jsonl"
        where = (str(folder / "in"), "--output-dir", str(folder / "out"), "--manifest", str(manifest))
        measured = Watch(start("encode", "-q", "--engine", engine, "-r", *where)).finish()
        rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    network = sum(row.get("network_seconds", 0.0) for row in rows)
    return {
        "clips": clips,
        **measured,
        "network_seconds": round(network, 1),
        "times_network": round(measured["seconds"] / network, 2),
    }


def table(results: dict[str, Any]) -> str:
    """A row for every command: how long it took, and its memory on the way."""
    shares = (0.1, 0.5, 0.9)
    rows = []
    for title, found, engine in runs(results):
        curve = found["curve"]
        on_the_way = [f"{curve[int(share * (len(curve) - 1))][1]:,}" for share in shares]
        rows.append((title, engine, f"{found['seconds'] / 60:.1f}", *on_the_way, f"{found['peak_megabytes']:,}"))
    heads = ("what", "engine", "minutes", *(f"MiB at {share:.0%}" for share in shares), "MiB at most")
    return markdown(heads, rows, 2)


def runs(results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Title, figures and engine of every run."""
    if found := results.get("speech"):
        first = found["given_before_first_output"]
        title = f"{found['hours']:g} hours of speech, encoded and decoded in a pipe; sound came out after {first:.0f} s"
        yield title, found, found["engine"]
    if found := results.get("image"):
        for verb in ("encode", "decode"):
            yield f"{verb} a picture of {found['megapixels']:.0f} megapixels", found[verb], found["engine"]
    if found := results.get("corpus"):
        title = f"encode {found['clips']:,} clips of {CLIP_SECONDS} s; {found['times_network']:.2f} times the network"
        yield title, found, found["engine"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speech", "image", "corpus"))
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--megapixels", type=float, default=200.0)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--engine", default="onnx")
    parser.add_argument("--no-file", action="store_true", help="print only")
    options = parser.parse_args()
    how_much = {"speech": options.hours, "image": options.megapixels, "corpus": options.clips}[options.what]
    measured = {"speech": speech, "image": image, "corpus": corpus}[options.what](how_much, options.engine)
    print({key: value for key, value in measured.items() if key != "curve"})
    if not options.no_file:
        results = add_result(RESULTS, options.what, {**measured, "engine": options.engine})
        put_table(PAGE, "endurance", table(results))


if __name__ == "__main__":
    main()

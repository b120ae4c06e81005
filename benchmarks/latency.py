"""How late speech is that goes through the codec while it is spoken, and how much of a core that takes.

    python benchmarks/latency.py [--latency 0.3 0.5] [--seconds 20] [--json FILE]
    python benchmarks/latency.py --recordings DIR [--codebook 1024 16384]
    python benchmarks/latency.py --block 1 2 4 8 [--seconds 20]

A recording is pushed at the pace at which it would be spoken, in blocks of ten milliseconds: through
`vpcodec encode | vpcodec decode`, and through `Codec.encoder` and `Codec.decoder`. The delay of a block is the time
from when its last sample was spoken to when it came out. On one core: `taskset -c 0 python benchmarks/latency.py`.

With recordings, it measures what a latency costs instead: bytes and PESQ-WB against long windows. With blocks, it
pushes ids one by one, at the pace of speech, through `Codec.token_decoder`.
"""

import argparse
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from figures import MEDIA, deliver, markdown, parser_of
from numpy.typing import NDArray

from vpcodec import load
from vpcodec.codec.signals import Reading, Wanted

RATE = 16_000  # Hz
BLOCK = RATE // 100  # samples pushed at a time

Delays = list[float]


def paced(blocks: list[bytes], push: Callable[[bytes], None]) -> float:
    """Push blocks as they would be spoken; returns when the first one began."""
    began = time.perf_counter()
    for number, block in enumerate(blocks, 1):
        time.sleep(max(0.0, began + number * BLOCK / RATE - time.perf_counter()))
        push(block)
    return began


def delays_of(arrivals: list[tuple[float, int]], began: float) -> Delays:
    """Seconds by which each block was late, from when how many samples had come out."""
    delays, done = [], 0
    for moment, samples in arrivals:
        while done + BLOCK <= samples:
            done += BLOCK
            delays.append(moment - began - done / RATE)
    return delays


def through_pipe(samples: NDArray[np.int16], latency: float) -> tuple[Delays, float]:
    """Delays through the two commands, and the share of a core that they took, without their start."""
    vpcodec = [sys.executable, "-m", "vpcodec"]
    raw = ["--raw", "--sample-rate", str(RATE), "--latency", str(latency), "-m", "speech-vp", "-o", "-"]
    encode = subprocess.Popen([*vpcodec, "encode", "-", *raw], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    decode = subprocess.Popen(
        [*vpcodec, "decode", "-", "--format", "raw", "-o", "-"], stdin=encode.stdout, stdout=subprocess.PIPE
    )
    assert encode.stdin
    assert decode.stdout
    arrivals: list[tuple[float, int]] = []

    def listen() -> None:
        received = 0
        while content := os.read(decode.stdout.fileno(), 1 << 16):  # type: ignore[union-attr]
            received += len(content) // 2
            arrivals.append((time.perf_counter(), received))

    listener = threading.Thread(target=listen)
    listener.start()
    warm = np.zeros(2 * RATE, np.int16).tobytes()  # both commands have started when the first sound comes out
    encode.stdin.write(warm)
    encode.stdin.flush()
    while not arrivals:
        time.sleep(0.01)
    time.sleep(1)
    before = [core_seconds(process.pid) for process in (encode, decode)]
    skipped = len(warm) // 2

    def push(block: bytes) -> None:
        encode.stdin.write(block)  # type: ignore[union-attr]
        encode.stdin.flush()  # type: ignore[union-attr]

    began = paced([block.tobytes() for block in np.split(samples, len(samples) // BLOCK)], push)
    spent = sum(core_seconds(process.pid) for process in (encode, decode)) - sum(before)
    encode.stdin.close()
    listener.join()
    heard = [(moment, received - skipped) for moment, received in arrivals if received > skipped]
    return delays_of(heard, began), spent / (len(samples) / RATE)


def core_seconds(process: int) -> float:
    """Processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def through_library(samples: NDArray[np.int16], latency: float) -> tuple[Delays, float]:
    """Delays through `Codec.encoder` and `Codec.decoder`, and the share of a core that they took."""
    codec = load("speech-vp", threads=1)
    encoder, decoder = codec.encoder(RATE, dtype=np.int16, latency=latency), codec.decoder()
    for _ in range(100):  # the graphs are loaded and warm
        decoder.push(encoder.push(samples[:BLOCK]).content)
    arrivals: list[tuple[float, int]] = []
    encoder.reset()
    decoder.reset()
    received = 0

    def push(block: bytes) -> None:
        nonlocal received
        received += sum(map(len, decoder.push(encoder.push(np.frombuffer(block, np.int16)).content)))
        arrivals.append((time.perf_counter(), received))

    spent = time.process_time()
    began = paced([block.tobytes() for block in np.split(samples, len(samples) // BLOCK)], push)
    return delays_of(arrivals, began), (time.process_time() - spent) / (len(samples) / RATE)


def through_token_decoder(samples: NDArray[np.int16], block: int) -> dict[str, object]:
    """Seconds from the first id to the first sound, the share of a core, and how many times real time it could be."""
    codec = load("speech-vp", threads=1)
    ids = codec.encode_tokens(samples, sample_rate=RATE).ids[0]
    decoder = codec.token_decoder(block=block)
    decoder.push(ids[:200])  # the graph is loaded and warm
    decoder.reset()
    first, spent, began = 0.0, time.process_time(), time.perf_counter()
    for number, each in enumerate(ids, 1):
        time.sleep(max(0.0, began + number / codec.token_rate - time.perf_counter()))
        if len(decoder.push(each)) and not first:
            first = time.perf_counter() - began
    share = (time.process_time() - spent) / (len(ids) / codec.token_rate)
    needs = (codec.model.facts.decoder_reach + block) / codec.token_rate
    return {"block": block, "ids": round(needs, 3), "first_sound": round(first, 3), "core_share": round(share, 3)}


def costs(recordings: list[Path], latencies: list[float], codebooks: list[str]) -> Iterator[dict[str, object]]:
    """Bytes of all recordings and their mean PESQ-WB, at each latency and with long windows (latency None)."""
    from vpcodec.metrics.speech import pesq_wb

    codec = load("speech-vp", threads=1)
    for codebook in codebooks:
        for latency in (None, *latencies):
            size, scores = 0, []
            for path in recordings:
                content = io.BytesIO()
                codec.encode_to(path, content, wanted=Wanted(codebook=codebook), reading=Reading(latency=latency))
                samples, _rate = soundfile.read(path, dtype="float32")
                decoded = codec.decode_recording(content.getvalue()).samples[:, 0]
                size += len(content.getvalue())
                scores.append(pesq_wb(decoded, samples))
            yield {"codebook": codebook, "latency": latency, "bytes": size, "pesq_wb": round(float(np.mean(scores)), 3)}


def rows_of(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """What the options ask for, row by row."""
    speech, _ = soundfile.read(MEDIA / "speech.flac", dtype="int16")
    samples = np.resize(speech, options.seconds * RATE)
    if options.recordings:
        yield from costs(sorted(options.recordings.glob("*.flac")), options.latency, options.codebook)
    elif options.block:
        yield from (through_token_decoder(samples, block) for block in options.block)
    else:
        for latency in options.latency:
            for way, measure in (("pipe", through_pipe), ("library", through_library)):
                delays, share = measure(samples, latency)
                figures = {"median": float(np.median(delays)), "worst": max(delays), "core_share": share}
                yield {"latency": latency, "through": way, **{name: round(each, 3) for name, each in figures.items()}}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.3, 0.4, 0.5, 1.0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--recordings", type=Path, help="folder of mono recordings at 16 kHz")
    parser.add_argument("--codebook", nargs="+", default=["1024", "16384"])
    parser.add_argument("--block", type=int, nargs="+", default=[], help="ids that are decoded at a time")
    options = parser.parse_args()
    rows = []
    for row in rows_of(options):
        rows.append(row)
        print(row, flush=True)
    heads = [name.replace("_", " ") for name in rows[0]]
    cells = [["-" if value is None else value for value in row.values()] for row in rows]  # long windows: no latency
    name = "costs" if options.recordings else "blocks" if options.block else "latency"
    deliver(options, rows, {name: markdown(heads, cells, 0)})


if __name__ == "__main__":
    main()

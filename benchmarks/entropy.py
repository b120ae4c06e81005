"""Size and speed of the token codings on real tokens: `python benchmarks/entropy.py TOKENS.npz [--prior PRIOR]`.

TOKENS.npz holds one array of tokens a clip or tile ([T] or [H, W] int64) and `levels`. With `--train TRAIN.npz` the
prior is made from other tokens first. Each clip is a file of one frame; the long file has many; live files have frames
of 0.3 s, every seventh of which stands alone. Bits per token count every byte, header and footer included. Speeds are
tokens per second of processor time, in a program that has the prior at hand; what opening it takes, once a program, is
part of the row of the first clip. With `--name` the figures go into docs/results/entropy.json and the table of
docs/coding.md under that name.
"""

import argparse
import io
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from figures import ROOT, add_result, markdown, put_table
from numpy.typing import NDArray

from vpcodec.container import Frame, Header, ImageFacts, Reader, SoundFacts, Writer, prior_identity, tabled
from vpcodec.training.prior import train_prior

RESULTS = ROOT / "docs" / "results" / "entropy.json"
PAGE = ROOT / "docs" / "coding.md"
SECONDS_TOKENS = 1667  # of a clip of 10 s
LONG = 256  # frames of the long file: 43 minutes of speech
LIVE, GROUP = 50, 7  # tokens of a live frame, frames from one that stands alone to the next
PLAIN = 12  # clips that plain Python codes

Tokens = NDArray[np.int64]


def load(path: Path) -> tuple[list[Tokens], tuple[int, ...]]:
    """Frames [rows, columns] and levels."""
    with np.load(path) as arrays:
        frames = [np.atleast_2d(arrays[name]).astype(np.int64) for name in arrays.files if name != "levels"]
        return frames, tuple(int(level) for level in arrays["levels"])


def order_0(frames: list[Tokens], vocabulary: int) -> float:
    """Bits per token of the tokens' own histogram, which no file could have for free."""
    counts = np.bincount(np.concatenate([frame.reshape(-1) for frame in frames]), minlength=vocabulary)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def write(header: Header, frames: list[Tokens], prior: bytes | None) -> bytes:
    if header.columns:
        frames = [frame[:, at : at + LIVE] for frame in frames for at in range(0, frame.shape[1], LIVE)]
    stream = io.BytesIO()
    writer = Writer(stream, header, prior)
    for frame in frames:
        writer.write(Frame(frame, bytes(len(frame)) if header.kind == "speech" else b""))
    writer.close(sum(frame.shape[1] for frame in frames) * 96 if header.kind == "speech" else 0)
    return stream.getvalue()


def read(content: bytes, prior: bytes | None) -> list[Tokens]:
    return [frame.tokens for frame in Reader(io.BytesIO(content)).frames(prior)]


def measure(
    name: str, files: list[list[Tokens]], header: Header, prior: bytes | None, nominal: float
) -> dict[str, float]:
    """Print one row: files written and read back whole. Returns its figures."""
    count = sum(frame.size for frames in files for frame in frames)
    start = time.process_time()
    contents = [write(header, frames, prior) for frames in files]
    wrote = time.process_time() - start
    start = time.process_time()
    for frames, content in zip(files, contents, strict=True):
        found = np.concatenate([tokens.reshape(-1) for tokens in read(content, prior)])
        assert (found == np.concatenate([frame.reshape(-1) for frame in frames])).all()
    took = time.process_time() - start
    bits = 8 * sum(map(len, contents)) / count
    print(f"{name:34} {bits:8.3f} {100 * bits / nominal:9.1f} % {count / wrote:14,.0f} {count / took:14,.0f}")
    return {
        "bits_per_token": round(bits, 3),
        "share_of_nominal": round(bits / nominal, 4),
        "written_per_second": round(count / wrote),
        "read_per_second": round(count / took),
    }


def table(results: dict[str, Any]) -> str:
    """A row for every set of tokens."""
    bits = {
        "flat": "flat, a file a clip",
        "prior": "with the prior, a file a clip",
        "long": "with the prior, one long file",
        "live": "with the prior, live",
    }
    speeds = {
        "clip": "with the prior, a file a clip",
        "first": "with the prior, the first clip",
        "plain Python": "with the prior, plain Python",
    }
    rows = []
    for name, codings in results.items():
        figures = [f"{codings[coding]['bits_per_token']:.2f}" if coding in codings else "" for coding in bits.values()]
        for coding in speeds.values():
            found = codings.get(coding)
            both = [found[f"{way}_per_second"] / 1e6 for way in ("written", "read")] if found else []
            figures.append(" / ".join(f"{speed:.2f}" for speed in both))
        rows.append((name, *figures))
    return markdown(("tokens", *bits, *(f"{name}, M/s" for name in speeds)), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("--prior", type=Path, help="a prior made before")
    parser.add_argument("--train", type=Path, help="tokens to make a prior from")
    parser.add_argument("--save", type=Path, help="where to put that prior")
    parser.add_argument("--name", help="what to call these tokens in the table")
    options = parser.parse_args()

    frames, levels = load(options.tokens)
    kind = "speech" if len(frames[0]) == 1 else "image"
    vocabulary = math.prod(levels)
    rate = 1 << (vocabulary - 1).bit_length()
    nominal = math.log2(rate)
    prior = options.prior.read_bytes() if options.prior else None
    if options.train:
        start = time.process_time()
        prior = train_prior(load(options.train)[0], levels, kind)
        print(f"prior: {len(prior):,} bytes, made in {time.process_time() - start:.0f} s of processor time")
        if options.save:
            options.save.write_bytes(prior)
    facts = SoundFacts(16_000) if kind == "speech" else ImageFacts(256, 256)
    header = Header(f"{kind}-fsp-{rate}", bytes(8), rate, levels, facts)
    named = replace(header, prior=prior_identity(prior))

    clips = [[frame[:, :SECONDS_TOKENS]] for frame in frames] if kind == "speech" else [[frame] for frame in frames]
    largest = max(frame.shape for frame in frames)
    whole = [([frame for frame in frames if frame.shape == largest] * LONG)[:LONG]]
    print(f"{len(clips)} clips, {sum(clip[0].size for clip in clips):,} {kind} tokens below {vocabulary}\n")
    print(f"{'coding':34} {'bits/token':>8} {'of nominal':>10} {'write/s':>14} {'read/s':>14}")
    print(f"{'nominal rate':34} {nominal:8.3f} {100:9.1f} %")
    print(f"{'log2 of the vocabulary':34} {math.log2(vocabulary):8.3f} {100 * math.log2(vocabulary) / nominal:9.1f} %")
    entropy = order_0(frames, vocabulary)
    print(f"{'order-0 entropy':34} {entropy:8.3f} {100 * entropy / nominal:9.1f} %")
    runs = [("flat, a file a clip", clips, header, None), ("flat, one long file", whole, header, None)]
    if prior is not None:
        runs += [
            ("with the prior, the first clip", clips[:1], named, prior),
            ("with the prior, a file a clip", clips, named, prior),
            ("with the prior, one long file", whole, named, prior),
        ]
        if kind == "speech":
            runs.append(("with the prior, live", clips, replace(named, columns=LIVE, group=GROUP), prior))
    found = {run[0]: measure(*run, nominal) for run in runs}
    if prior is not None and tabled.native is not None:
        tabled.native = None
        found["with the prior, plain Python"] = measure("plain Python", clips[:PLAIN], named, prior, nominal)
    if options.name:
        put_table(PAGE, "codings", table(add_result(RESULTS, options.name, found)))


if __name__ == "__main__":
    main()

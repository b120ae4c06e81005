"""The golden token files: what each holds, by arithmetic that will never change, and the bytes it must have.

Files of format version 1 must decode for ever. `python -m tests.container.golden_files` writes those that are
missing and leaves the others alone. Their priors were made once, by a training that may have changed since.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.container.conftest import written
from vpcodec.container import AudioFacts, Frame, Header, ImageFacts, SoundFacts, prior_identity

FOLDER = Path(__file__).resolve().parents[1] / "golden"
LEVELS = (8, 5, 5, 5)
WEIGHTS = bytes.fromhex("0123456789abcdef")


def walk(rows: int, columns: int, levels: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """[rows, columns] tokens whose digits move by one or stay, drawn by a linear congruential generator."""
    state = seed
    tokens = []
    for _ in range(rows):
        digits = [level // 2 for level in levels]
        for _ in range(columns):
            for place, level in enumerate(levels):
                state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                digits[place] = min(max(digits[place] + (state >> 33) % 3 - 1, 0), level - 1)
            tokens.append(sum(digit * int(np.prod(levels[:place])) for place, digit in enumerate(digits)))
    return np.array(tokens, np.int64).reshape(rows, columns)


def pairs(columns: int, seed: int) -> NDArray[np.int64]:
    """[1, columns] tokens of two codes below 40 and 50, the second of which follows the first."""
    first, step = np.divmod(walk(1, columns, (40, 5), seed), 40)[::-1]
    return (first * 7 + 3) % 40 + 40 * ((first + step) * 11 % 50)


@dataclass(frozen=True)
class Golden:
    """One golden file.

    Attributes:
        header: Its header, but for the prior.
        frames: Its frames.
        length: What the footer says.
        prior: Name of a prior among the golden files, or empty.
    """

    header: Header
    frames: tuple[Frame, ...]
    length: int = 0
    prior: str = ""

    def read_prior(self) -> bytes | None:
        if not self.prior:
            return None
        content = (FOLDER / f"{self.prior}.prior").read_bytes()
        return content[:4] + b"\2" + content[5:] if self.header.kind == "audio" else content  # of the same tables

    def to_bytes(self) -> bytes:
        prior = self.read_prior()
        return written(replace(self.header, prior=prior_identity(prior)), list(self.frames), prior, self.length)


SPEECH = Header("speech-fsp-1024", WEIGHTS, 1024, LEVELS, SoundFacts(16_000))
STEREO = replace(
    SPEECH,
    signal=SoundFacts(44_100, 2, 32, floating=True),
    metadata=(("title", "Grüße".encode()), ("date", b"2026")),
)
IMAGE = Header("image-fsp-1024", WEIGHTS, 1024, LEVELS, ImageFacts(250, 120, 3, 8), (("icc", bytes(range(40))),))
CODEBOOK = Header("speech-vq-16384", WEIGHTS, 16384, (16384,), SoundFacts(8000, bit_depth=8))
PAIRS = Header("speech-vq-2x16384", WEIGHTS, 1 << 28, (16384, 16384), SoundFacts(16_000))
LIVE = replace(SPEECH, columns=20, group=4)
AUDIO = Header("audio-fsp-1024", WEIGHTS, 1024, LEVELS, AudioFacts(96_000, 3, 24), columns=40, group=2)
ODD = Header("speech-vq-81", WEIGHTS, 81, (81,), SoundFacts(48_000, bit_depth=24))

GOLDEN = {
    "empty": Golden(SPEECH, ()),
    "speech-flat": Golden(
        STEREO, (Frame(walk(2, 300, LEVELS, 1), b"\x80\x7f"), Frame(walk(2, 7, LEVELS, 2), b"\0\xff"))
    ),
    "image-flat": Golden(IMAGE, (Frame(walk(15, 32, LEVELS, 4)),)),
    "codebook-flat": Golden(CODEBOOK, (Frame(walk(1, 333, (128, 128), 7), b"\x01"),), 15_984),
    "speech-tabled": Golden(
        SPEECH, tuple(Frame(walk(1, 220 - 60 * n, LEVELS, n), bytes([n])) for n in range(3)), 28_800, "speech-tables"
    ),
    "stereo-tabled": Golden(STEREO, (Frame(walk(2, 90, LEVELS, 3), b"ab"),), 23_814, "speech-tables"),
    "silence-tabled": Golden(SPEECH, (Frame(np.zeros((1, 1280), np.int64), b"\0"),), 122_880, "speech-tables"),
    "image-tabled": Golden(IMAGE, (Frame(walk(9, 16, LEVELS, 5)), Frame(walk(6, 1, LEVELS, 6))), 0, "image-tables"),
    "pairs-flat": Golden(PAIRS, (Frame(walk(1, 333, (128, 128, 128, 128), 9), b"\x01"),), 31_968),
    "pairs-tabled": Golden(
        replace(PAIRS, rate=2000, levels=(40, 50)),
        (Frame(pairs(150, 10), b"\x01"), Frame(pairs(70, 11), b"\x03")),
        21_120,
        "pairs-tables",
    ),
    "live": Golden(
        LIVE,
        tuple(Frame(walk(1, 20 if n < 9 else 3, LEVELS, 12 + n), bytes([80 + n])) for n in range(10)),
        17_568,
        "speech-tables",
    ),
    "live-flat": Golden(LIVE, tuple(Frame(walk(1, 20, LEVELS, 50 + n), b"\x50") for n in range(2)), 3840),
    "live-steps": Golden(
        replace(LIVE, group=8),
        tuple(Frame(walk(1, 20, LEVELS, 60 + n), bytes([side])) for n, side in enumerate((7, 255, 0, 90, 98, 97))),
        11_520,
        "speech-tables",
    ),
    "live-stereo": Golden(
        replace(LIVE, signal=STEREO.signal, columns=64, group=3),
        tuple(Frame(walk(2, 64, LEVELS, 22 + n), bytes([80, 70 + n])) for n in range(4)),
        70_560,
        "speech-tables",
    ),
    "audio": Golden(
        AUDIO,
        tuple(Frame(walk(2, 40, LEVELS, 40 + n), bytes([200, 90 + n])) for n in range(3)),
        69_120,
        "speech-tables",
    ),
    "live-pairs": Golden(
        replace(PAIRS, rate=2000, levels=(40, 50), columns=50, group=8),
        tuple(Frame(pairs(50, 30 + n)) for n in range(5)),
        24_000,
        "pairs-tables",
    ),
    "codebook-tabled": Golden(
        ODD, (Frame((walk(1, 200, (5, 4, 4), 8) * 37 + 5) % 81, b"\x02"),), 57_600, "codebook-tables"
    ),
}


def main() -> None:
    """Write the files that are missing."""
    FOLDER.mkdir(exist_ok=True)
    for name, golden in GOLDEN.items():
        path = FOLDER / f"{name}.tok"
        if not path.exists():
            path.write_bytes(golden.to_bytes())
            print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

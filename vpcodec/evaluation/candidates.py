"""What is evaluated: anything that turns a signal into bytes and bytes into a signal.

Speech is a mono recording [N] float32 at 16 kHz, full scale at 1. An image is [H, W, 3] uint8, RGB.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz, of all speech that is evaluated

Signal = NDArray[Any]


@dataclass(frozen=True)
class Facts:
    """What a candidate may know about a signal besides the signal itself.

    Attributes:
        kind: "speech" or "image".
        name: The item's name in its data set.
        budget: Bytes that the first candidate needed for this item, where the candidate is matched to it.
    """

    kind: str
    name: str
    budget: int | None = None


class Candidate(Protocol):
    """A codec at one setting. Subclass it for the defaults, or bring every attribute.

    Attributes:
        name: Unique in a run: "speech-fsp-1024", "opus:6".
        kind: "speech" or "image".
        family: Settings of one codec share it; plots join them with a line.
        identity: Changes whenever results may: checksums of a model's files, the engine and its device, the version
            of a program. Results of an interrupted run are taken up only where it is the same.
        ours: Whether it is one of this package's models.
        codebook: Nominal codebook size K, and
        vocabulary: number of ids that can occur; None without tokens.
        nominal_rate: Bits per second or per pixel asked for, where tokens do not tell; None for neither.
        matched: Whether it is to be given the first candidate's size for each item.
        parameters: Number of weights; None for a codec without.
        multiplications: Multiply-adds per second of speech or per pixel, encoding and decoding together.
    """

    name: str
    kind: str
    family: str
    identity: str
    ours: bool = False
    codebook: int | None = None
    vocabulary: int | None = None
    nominal_rate: float | None = None
    matched: bool = False
    parameters: int | None = None
    multiplications: float | None = None

    def encode(self, signal: Signal, facts: Facts) -> bytes:
        """The file that this signal becomes. Raises VpcodecError where it cannot be encoded."""

    def decode(self, content: bytes) -> Signal:
        """The signal of a file, of the shape of the one encoded; speech may be up to 0.1 s longer or shorter.

        Raises VpcodecError for a broken file.
        """

    def tokens(self, content: bytes) -> NDArray[Any] | None:
        """Integer ids in a file, of any shape, without padding; None for a codec without tokens."""
        return None

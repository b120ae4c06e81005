"""What is evaluated: anything that turns a signal into bytes and bytes into a signal, such as this package's models."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from vpcodec.codec.pipeline import Codec
from vpcodec.codec.token_files import SIGNALS as CODED
from vpcodec.container import prior_identity
from vpcodec.evaluation.signals import SIGNALS
from vpcodec.metrics.table import Signal
from vpcodec.registry import ModelFacts, ModelFolder


class Candidate(Protocol):
    """A codec at one setting. Subclass it for the defaults, or bring every attribute.

    Attributes:
        name: Unique in a run: "speech-fsp-1024", "opus:6".
        kind: "speech", "audio" or "image".
        family: Settings of one codec share it; plots join them with a line.
        identity: Changes whenever results may: checksums of a model's files, the engine and its device, the version
            of a program. Results of an interrupted run are taken up only where it is the same.
        ours: Whether it is one of this package's models.
        codebook: Nominal codebook size K, and
        vocabulary: number of ids that can occur; None without tokens.
        nominal_rate: Bits per second or per pixel asked for, where tokens do not tell; None for neither.
        matched: Whether it is to be given the first candidate's size for each item.
        parameters: Number of weights; None for a codec without.
        multiplications: Multiply-adds per second of sound or per pixel, encoding and decoding together.
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

    def encode(self, signal: Signal, budget: int | None = None) -> bytes:
        """The file that a signal becomes. Raises VpcodecError where it cannot be encoded.

        Args:
            signal: As `evaluation.signals` prepares it.
            budget: Bytes that the first candidate needed for it, where this one is matched to that.
        """

    def decode(self, content: bytes) -> Signal:
        """The signal of a file, of the shape of the one encoded; sound may be up to 0.1 s longer or shorter.

        Raises VpcodecError for a broken file.
        """

    def tokens(self, content: bytes) -> NDArray[Any] | None:
        """Integer ids in a file, of any shape, without padding; None for a codec without tokens."""
        return None


def largest_within(write: Callable[[int], bytes], settings: Sequence[int], budget: int) -> bytes:
    """The file of the highest setting that is at most `budget` bytes; of the lowest where none is.

    Args:
        write: Makes the file of a setting; higher ones give larger files.
        settings: In ascending order.
        budget: Bytes.
    """
    low, high = 0, len(settings) - 1
    best = write(settings[0])
    while low < high:
        middle = (low + high + 1) // 2
        content = write(settings[middle])
        if len(content) <= budget:
            low, best = middle, content
        else:
            high = middle - 1
    return best


class ModelCandidate(Candidate):
    """One of this package's models with one codebook; its files are those that `vpcodec encode` writes.

    Args:
        model: Which.
        codebook: Codebook size, 1024 or "2x1024"; None for the largest.
        engine: One of `ENGINES`: "auto", "onnx", "onnx-8-bits" or "torch".
        device: "auto", "cpu" or "cuda".
        effort: As of `open_engine`.
        kind: What it is to code, as a model of speech can code any sound; the model's own by default.
    """

    ours = True

    def __init__(
        self,
        model: ModelFolder,
        codebook: int | str | None = None,
        *,
        engine: str = "auto",
        device: str = "auto",
        effort: int = 0,
        kind: str = "",
    ) -> None:
        self.codec = Codec.load(model, engine=engine, device=device, effort=effort)
        self.rate = model.checked_codebook(codebook)
        facts = model.facts
        self.kind = kind if kind and SIGNALS[kind].media == SIGNALS[facts.kind].media else facts.kind
        self.family = model.name
        self.name = model.name if len(facts.rates) == 1 else f"{model.name}@{model.codebook_name(self.rate)}"
        self.identity = f"{files_of(model, self.rate)}, {self.codec.engine.name}"
        self.codebook = self.rate
        self.vocabulary = facts.vocabularies[facts.rates.index(self.rate)]
        self.parameters = facts.parameters
        self.multiplications = multiplications(facts)

    def encode(self, signal: Signal, budget: int | None = None) -> bytes:
        return self.codec.encode(signal, sample_rate=SIGNALS[self.kind].sample_rate, codebook=self.rate)

    def decode(self, content: bytes) -> Signal:
        return SIGNALS[self.kind].of_codec(self.codec.decode(content))

    def tokens(self, content: bytes) -> NDArray[Any]:
        return self.codec.tokens(content)


def files_of(model: ModelFolder, rate: int) -> str:
    """Names the files of a model that decide its results: weights, the prior of a rate, and graphs."""
    prior = prior_identity(model.prior(rate)).hex() or "none"
    graphs = hashlib.sha256(repr(sorted(model.facts.graphs.items())).encode()).hexdigest()[:8]
    return f"{model.facts.weights_sha256}, prior {prior}, graphs {graphs}"


def multiplications(facts: ModelFacts) -> float:
    """Multiply-adds per second of sound or per pixel, encoder and decoder together.

    Every weight is used once a position, or once a spectrum where it works at that rate; the fixed Fourier matrices
    of the sound network are not weights and come on top.
    """
    signal, network = CODED[facts.kind], facts.network
    window = 4 * facts.hop // network.stride
    fourier = 2 * window * (window + 2) * network.channels if signal.streams else 0
    at_tokens = facts.parameters - facts.spectral_parameters
    return signal.tokens_per_unit(facts) * (at_tokens + network.stride * (facts.spectral_parameters + fourier))

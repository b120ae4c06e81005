"""How fast the released models are beside the codecs that people use, in one run on one machine.

    python benchmarks/rivals.py [--rounds 7] [--json FILE] [--markdown FILE]

10 s of speech and a 256x256 photo, from samples to the bytes of a file and back, in a process that is warm; programs
such as opusenc are started anew each time, as they are by whoever uses them. EnCodec is its 24 kHz network at
6 kbit/s from the package `transformers`, with random weights, which take as long as trained ones; its tokens are not
even packed into bytes. What is not installed is left out. Every codec may use all cores.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import soundfile
import soxr
from figures import MEDIA, conditions, deliver, markdown, parser_of
from PIL import Image

from vpcodec.errors import VpcodecError
from vpcodec.evaluation.candidates import Candidate, ModelCandidate
from vpcodec.evaluation.rivals import parse_rival
from vpcodec.metrics.speech import SAMPLE_RATE
from vpcodec.metrics.table import Signal
from vpcodec.registry import find_model

SECONDS = 10
SIDE = 256
MODELS = {"speech": "speech-vp", "image": "image-vp"}
RATE = 1024
OTHERS = {"speech": ("opus:6", "codec2:3200"), "image": ("jpeg:q10", "webp:q5", "avif:q10", "jxl:q10")}
ENCODEC_RATE = 24_000  # Hz
Steps = tuple[Callable[[], Any], Callable[[Any], Any]]  # encode; decode of what encode returned


def main() -> None:
    options = parser_of(__doc__, rounds=7).parse_args()
    figures = conditions(options.rounds)
    for kind, signal in (("speech", clip()), ("image", photo())):
        figures[kind] = measure(dict(codecs(kind, signal)), options.rounds)
    deliver(options, figures, {f"{kind} rivals": table(kind, figures) for kind in ("speech", "image")})


def clip() -> Signal:
    samples, _ = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    return np.resize(samples, SECONDS * SAMPLE_RATE)


def photo() -> Signal:
    return np.asarray(Image.open(MEDIA / "coffee.jpg").convert("RGB").resize((SIDE, SIDE)))


def codecs(kind: str, signal: Signal) -> Iterator[tuple[str, Steps]]:
    """All that can run here, by name."""
    for engine in ("onnx", "torch"):
        ours = ModelCandidate(find_model(MODELS[kind]), RATE, engine=engine)
        yield f"{MODELS[kind]}@{RATE}, {engine}", steps(ours, signal)
    if kind == "speech" and importlib.util.find_spec("transformers"):
        yield "EnCodec 24 kHz", encodec(signal)
    for name in OTHERS[kind]:
        try:
            yield name, steps(parse_rival(name, kind), signal)
        except VpcodecError as error:
            print(f"left out: {error}")


def steps(candidate: Candidate, signal: Signal) -> Steps:
    return lambda: candidate.encode(signal), candidate.decode


def encodec(signal: Signal) -> Steps:
    import torch
    from transformers import EncodecConfig, EncodecModel

    network = EncodecModel(EncodecConfig()).eval()
    samples = torch.from_numpy(soxr.resample(signal, SAMPLE_RATE, ENCODEC_RATE).astype(np.float32))[None, None]

    def encode() -> Any:
        with torch.no_grad():
            return network.encode(samples, bandwidth=6.0)

    def decode(coded: Any) -> Any:
        with torch.no_grad():
            return network.decode(coded.audio_codes, coded.audio_scales)

    return encode, decode


def measure(codecs: dict[str, Steps], rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds of encoding and of decoding. Rounds go over all codecs, so that none has the quieter minutes."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in codecs}
    for round_number in range(rounds + 1):
        for name, (encode, decode) in codecs.items():
            begin = time.perf_counter()
            coded = encode()
            middle = time.perf_counter()
            decode(coded)
            if round_number:  # the first one loads and allocates
                taken[name].append((middle - begin, time.perf_counter() - middle))
    medians = {
        name: [statistics.median(column) for column in zip(*pairs, strict=True)] for name, pairs in taken.items()
    }
    return {name: {"encode": encode, "decode": decode} for name, (encode, decode) in medians.items()}


def table(kind: str, figures: dict[str, Any]) -> str:
    what = f"{SECONDS} s of speech" if kind == "speech" else f"a {SIDE}x{SIDE} photo"
    first = sum(next(iter(figures[kind].values())).values())
    rows = [
        (name, f"{taken['encode']:.3f}", f"{taken['decode']:.3f}", f"{sum(taken.values()) / first:.2f}")
        for name, taken in figures[kind].items()
    ]
    text = markdown((what, "encode, s", "decode, s", "both, times the first"), rows)
    return f"{text}\n{figures['machine']}, median of {figures['rounds']}, load {figures['load']:.1f}.\n"


if __name__ == "__main__":
    main()

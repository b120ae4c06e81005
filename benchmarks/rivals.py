"""How fast the released models are beside the codecs that people use, in one run on one machine.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/rivals.py --kind speech image [--rounds 7] [--json FILE] ...
    python benchmarks/rivals.py --kind corpus [--rounds 7] [--json FILE] [--markdown FILE]

10 s of speech and a 256x256 photo on one core, eight clips on all, from samples to the bytes of a file and back, in a
process that is warm; programs such as opusenc are started anew each time, as they are by whoever uses them. EnCodec is
its 24 kHz network at 6 kbit/s, DAC the one at 16 kHz, both from the package `transformers`, with random weights, which
take as long as trained ones; they get the clips one by one, which is quicker than as a batch, and their tokens are not
even packed into bytes. What is not installed is left out.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import soundfile
import soxr
from figures import MEDIA, add_result, conditions, deliver, markdown, parser_of
from PIL import Image

from vpcodec import load
from vpcodec.devices import core_count
from vpcodec.errors import VpcodecError
from vpcodec.evaluation.candidates import Candidate, ModelCandidate
from vpcodec.evaluation.rivals import parse_rival
from vpcodec.metrics.speech import SAMPLE_RATE
from vpcodec.metrics.table import Signal
from vpcodec.registry import find_model

SECONDS = 10
SIDE = 256
CLIPS = 8
WHAT = {
    "speech": f"{SECONDS} s of speech",
    "corpus": f"{CLIPS} clips of {SECONDS} s",
    "image": f"a {SIDE}x{SIDE} photo",
}
MODELS = {"speech": "speech-vp", "image": "image-vp"}
RATE = 1024
OTHERS = {"speech": ("opus:6", "codec2:3200"), "image": ("jpeg:q10", "webp:q5", "avif:q10", "jxl:q10")}
Steps = tuple[Callable[[], Any], Callable[[Any], Any]]  # encode; decode of what encode returned


def main() -> None:
    parser = parser_of(__doc__, rounds=7)
    parser.add_argument("--kind", nargs="+", choices=WHAT, default=WHAT, help="what is coded")
    options = parser.parse_args()
    makers = {"speech": lambda: codecs("speech", clip()), "corpus": corpus, "image": lambda: codecs("image", photo())}
    found = {}
    for kind in options.kind:
        found[kind] = {**conditions(options.rounds), "seconds": measure(dict(makers[kind]()), options.rounds)}
        if options.json:
            add_result(options.json, kind, found[kind])
    options.json = None
    deliver(options, found, {f"{kind} rivals": table(kind, figures) for kind, figures in found.items()})


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
    if kind == "speech":
        yield from networks(signal[None])
    for name in OTHERS[kind]:
        try:
            yield name, steps(parse_rival(name, kind), signal)
        except VpcodecError as error:
            print(f"left out: {error}")


def steps(candidate: Candidate, signal: Signal) -> Steps:
    return lambda: candidate.encode(signal), candidate.decode


def corpus() -> Iterator[tuple[str, Steps]]:
    """Those that take many clips at once, on all cores."""
    clips, ours, jobs = np.stack([clip()] * CLIPS), load(MODELS["speech"]), core_count()
    encode = partial(ours.encode_batch, clips, sample_rate=SAMPLE_RATE, codebook=RATE, jobs=jobs)
    yield f"{MODELS['speech']}@{RATE}, onnx", (encode, partial(ours.decode_batch, jobs=jobs))
    yield from islice(networks(clips), 1)


def networks(clips: Signal) -> Iterator[tuple[str, Steps]]:
    """Other neural codecs, for clips [n, samples]; the quickest first."""
    if importlib.util.find_spec("transformers") is None:
        print("left out: EnCodec and DAC, for want of transformers")
        return
    import torch
    from transformers import DacConfig, DacModel, EncodecConfig, EncodecModel

    def steps_of(network: Any, rate: int, decode: Callable[[Any, Any], Any], **how: Any) -> Steps:
        network.eval()
        samples = torch.from_numpy(soxr.resample(clips.T, SAMPLE_RATE, rate).T.astype(np.float32))[:, None]
        without = torch.no_grad()
        return (
            without(lambda: [network.encode(clip[None], **how) for clip in samples]),
            without(lambda coded: [decode(network, each) for each in coded]),
        )

    yield (
        "EnCodec 24 kHz",
        steps_of(
            EncodecModel(EncodecConfig()),
            24_000,
            lambda network, coded: network.decode(coded.audio_codes, coded.audio_scales),
            bandwidth=6.0,
        ),
    )
    yield (
        "DAC 16 kHz",
        steps_of(
            DacModel(DacConfig(downsampling_ratios=[2, 4, 5, 8], n_codebooks=12)),
            16_000,
            lambda network, coded: network.decode(audio_codes=coded.audio_codes),
        ),
    )


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
    first = sum(next(iter(figures["seconds"].values())).values())
    rows = [
        (name, f"{taken['encode']:.3f}", f"{taken['decode']:.3f}", f"{sum(taken.values()) / first:.2f}")
        for name, taken in figures["seconds"].items()
    ]
    text = markdown((WHAT[kind], "encode, s", "decode, s", "both, times the first"), rows)
    return f"{text}\n{figures['machine']}, median of {figures['rounds']}, load {figures['load']:.1f}.\n"


if __name__ == "__main__":
    main()

"""The quick engine: graphs written by `vpcodec.graphs`, run by ONNX Runtime on a CPU. Needs no torch.

A graph is loaded when it is first needed, so encoding never reads the decoder. Other threads do it, and compare the
checksum of the weights, while this one reads the signal: both take a core for themselves. The graphs hold no weights:
they point into `weights.safetensors`, which ONNX Runtime maps into memory.
"""

import os
from collections.abc import Callable
from functools import partial
from threading import Lock, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import checked_tokens
from vpcodec.devices import core_count
from vpcodec.errors import DependencyError, ModelError
from vpcodec.registry import ModelFolder, sha256

ENCODER = "encoder.onnx"
QUANTIZER = "quantizer-{codebook}.onnx"
DECODER = "decoder-{codebook}.onnx"
DECODER_8_BITS = "decoder-{codebook}-8-bits.onnx"
MOST_WORKERS = 4  # windows at a time; each takes some 50 MB


class Ahead(Thread):
    """A call that is made while the caller does something else."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        super().__init__(daemon=True)
        self.call = partial(call, *arguments)
        self.returned: Any = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.returned = self.call()
        except Exception as error:
            self.error = error

    def result(self) -> Any:
        """What it returns, or raises."""
        self.join()
        if self.error is not None:
            raise self.error
        return self.returned


class OnnxEngine:
    """Computes windows with ONNX Runtime. The first one raises ModelError if weights or graphs are damaged.

    Args:
        model: Whose graphs.
        threads: That share the work; the bytes that come out do not depend on their number. None for as many as
            OMP_NUM_THREADS says, which torch heeds too, or else as there are cores.
        eight_bits: Decode with matrix products of 8 bits: quicker, and very slightly worse. Tokens stay the same.

    Raises:
        DependencyError: onnxruntime is not installed.
        ModelError: The model has no graphs.
    """

    def __init__(self, model: ModelFolder, threads: int | None = None, *, eight_bits: bool = False) -> None:
        self.decoder = DECODER_8_BITS if eight_bits else DECODER
        self.name = "onnx-8-bits on cpu" if eight_bits else "onnx on cpu"
        if any(self.decoder.format(codebook=each) not in model.facts.graphs for each in model.codebooks):
            if eight_bits and model.facts.graphs:
                raise ModelError(
                    f"model {model.name} has no 8-bit graphs, because they would change the signal too much",
                    hint="use --engine onnx",
                )
            raise ModelError(
                f"model {model.name} has no graphs for this engine",
                hint=f"use --engine torch, or write them: vpcodec export {model.path} --to onnx",
            )
        self.verified = Ahead(model.verify)
        self.model = model
        self.eight_bits = eight_bits
        self.threads = threads or thread_limit()
        self.sessions: dict[str, Ahead] = {}
        self.loading = Lock()
        self.worker: OnnxEngine | None = None  # shared by all threads, once there are several

    def encode(self, signals: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        quantizer, found = QUANTIZER.format(codebook=self.model.codebook_name(rate)), []
        for signal in signals:  # the graphs take one at a time
            latents = self.run(ENCODER, signal[None])[0]
            rows = latents.reshape(-1, latents.shape[-1])
            step = self.session(quantizer).get_inputs()[0].shape[0]
            padded = np.pad(rows, ((0, -len(rows) % step), (0, 0)))
            tokens = [self.run(quantizer, padded[start : start + step]) for start in range(0, len(rows), step)]
            found.append(np.concatenate(tokens)[: len(rows)].reshape(latents.shape[:-1]))
        return np.stack(found)

    def decode(self, tokens: NDArray[np.int64], rate: int) -> NDArray[np.float32]:
        graph = self.decoder.format(codebook=self.model.codebook_name(rate))
        ids = checked_tokens(tokens, self.model.vocabulary(rate))
        return np.concatenate([self.run(graph, each[None]) for each in ids])

    def workers(self) -> tuple["OnnxEngine", int]:
        """One window a core instead of all cores for one window: they share no work, so none waits."""
        cores = self.threads or core_count()
        count = min(cores, MOST_WORKERS)
        if count == 1:
            return self, 1
        with self.loading:
            if self.worker is None:
                self.worker = OnnxEngine(self.model, cores // count, eight_bits=self.eight_bits)
        return self.worker, count

    def __reduce__(self) -> Any:
        """Pickled as what makes it anew: graphs that are loaded stay in their process."""
        return partial(OnnxEngine, eight_bits=self.eight_bits), (self.model, self.threads or None)

    def run(self, name: str, given: NDArray[Any]) -> NDArray[Any]:
        """The output of a graph."""
        session = self.session(name)
        output: NDArray[Any] = session.run(None, {session.get_inputs()[0].name: given})[0]
        return output

    def session(self, name: str) -> Any:
        """A graph, ready to run; raises as `load`, and ModelError if the weights are damaged."""
        session = self.loaded(name).result()
        self.verified.result()
        return session

    def prepare(self, rate: int, *, decode: bool) -> None:
        for name in [self.decoder] if decode else [ENCODER, QUANTIZER]:
            self.loaded(name.format(codebook=self.model.codebook_name(rate)))

    def loaded(self, name: str) -> Ahead:
        """The loading of a graph, which begins when it is first asked for."""
        with self.loading:
            return self.sessions.get(name) or self.sessions.setdefault(name, Ahead(self.load, name))

    def load(self, name: str) -> Any:
        """Load a graph. `docs/engines.md` has what the options are worth.

        Raises:
            DependencyError: onnxruntime is not installed.
            ModelError: The graph is missing or damaged.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise DependencyError("the onnx engine needs onnxruntime", hint="pip install onnxruntime") from error
        path = self.model.path / name
        if sha256(path) != self.model.facts.graphs.get(name):
            raise ModelError(f"{path}: damaged or exchanged", hint="install the model again, or use --engine torch")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting would burn a core
        options.enable_mem_pattern = False  # a plan of memory for every window size takes more than it saves
        options.log_severity_level = 3  # errors; they are raised too
        try:
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its classes share no base of their own
            raise ModelError(f"{path}: cannot be loaded ({str(error).splitlines()[0]})") from error


def thread_limit() -> int:
    """What OMP_NUM_THREADS says; 0, for one thread a core, where it says nothing that is a number."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return int(limit) if limit.isdecimal() else 0

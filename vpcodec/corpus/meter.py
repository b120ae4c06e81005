"""An engine that also tells how long it has computed."""

import time

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import Engine


class Meter:
    """Hands every window on to an engine.

    Attributes:
        seconds: Spent in the network so far.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = engine.name
        self.seconds = 0.0

    def encode(self, signal: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        began = time.perf_counter()
        tokens = self.engine.encode(signal, rate)
        self.seconds += time.perf_counter() - began
        return tokens

    def decode(self, tokens: NDArray[np.int64], rate: int) -> NDArray[np.float32]:
        began = time.perf_counter()
        signal = self.engine.decode(tokens, rate)
        self.seconds += time.perf_counter() - began
        return signal

"""An engine that also tells how long it has computed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import Engine


class Clock:
    """Counts the time during which at least one thread is `running`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.threads = 0
        self.began = 0.0
        self.changing = Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        with self.changing:
            if not self.threads:
                self.began = time.perf_counter()
            self.threads += 1
        try:
            yield
        finally:
            with self.changing:
                self.threads -= 1
                if not self.threads:
                    self.seconds += time.perf_counter() - self.began


class Meter:
    """Hands every window on to an engine.

    Args:
        engine: What computes.
        clock: That of another meter, to count their time together; None for one of its own.
    """

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        self.engine = engine
        self.name = engine.name
        self.clock = clock or Clock()

    @property
    def seconds(self) -> float:
        """Spent in the network so far."""
        return self.clock.seconds

    def encode(self, signal: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        with self.clock.running():
            return self.engine.encode(signal, rate)

    def decode(self, tokens: NDArray[np.int64], rate: int) -> NDArray[np.float32]:
        with self.clock.running():
            return self.engine.decode(tokens, rate)

    def crew(self) -> tuple["Meter", int]:
        engine, members = self.engine.crew()
        return Meter(engine, self.clock), members

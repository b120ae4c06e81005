"""Windows of a long recording computed side by side, their results given in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeAlias, TypeVar

from vpcodec.codec.engines import Engine

Result = TypeVar("Result")
Computation: TypeAlias = Callable[[Engine], Result]


def in_order(engine: Engine, computations: Iterable[Computation[Result]], *, live: bool = False) -> Iterator[Result]:
    """The results of all computations, in their order.

    A lone window gets all of the engine. As soon as there is a second one, the windows go to the engine's crew, as
    many at a time as it has members: each core then works for itself and waits for none.

    Args:
        engine: What computes.
        computations: Taken one after the other, no more of them ahead than the crew has members.
        live: Whether somebody waits for each result: one window is then computed at a time, as soon as it is there.
    """
    member, members = (engine, 1) if live else engine.crew()
    computations = iter(computations)
    if members > 1:
        first = list(islice(computations, 2))
        if len(first) == 2:
            yield from side_by_side(member, members, chain(first, computations))
            return
        computations = iter(first)
    for compute in computations:
        yield compute(engine)


def side_by_side(member: Engine, members: int, computations: Iterable[Computation[Result]]) -> Iterator[Result]:
    """The results in order, computed by as many threads as there are members."""
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(members) as pool:
        for compute in computations:
            running.append(pool.submit(compute, member))
            while len(running) > members or (running and running[0].done()):
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

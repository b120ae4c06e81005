"""Where a signal is cut, so that it gets the same tokens whether it comes whole, in chunks or as a stream.

Along each axis a signal of `length` positions falls into cores of a fixed size, the last one shorter. A core
is computed together with as much context on either side as the network can see, then the context is dropped.
The cuts depend on the length alone, and each window is computed by itself: how a signal is read, batched or
spread over processes changes neither.

            0         core      2*core     length
            ├──────────┼──────────┼─────┤
    window 0 ██████████░░
    window 1         ░░██████████░░
    window 2                   ░░██████            ░ context
"""

from typing import NamedTuple

# Positions of a core along each axis: 12.3 s of sound in hops of 6 ms, 1024 pixels.
CORES = {"speech": 2048, "audio": 2048, "image": 128}


class Window(NamedTuple):
    """A stretch of positions: the core, and the core with its context."""

    core_start: int
    core_stop: int
    start: int
    stop: int

    @property
    def kept(self) -> slice:
        """The core within the window."""
        return slice(self.core_start - self.start, self.core_stop - self.start)


def window(index: int, length: int, core: int, context: int) -> Window:
    """The window of a given index along one axis.

    Args:
        index: 0 for the first.
        length: Positions of the whole axis; a stream that does not know it yet may pass what it has so far,
            once that reaches past the window's context.
        core: Positions of a core.
        context: Positions that the network sees to either side.
    """
    core_start = index * core
    core_stop = min(core_start + core, length)
    return Window(core_start, core_stop, max(0, core_start - context), min(length, core_stop + context))


def cut(length: int, core: int, context: int) -> list[Window]:
    """All windows along an axis of `length` positions, 1 or more."""
    return [window(index, length, core, context) for index in range(-(-length // core))]

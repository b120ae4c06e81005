"""Which modules a command passes through and how deep its calls nest: `python -m tests.trace encode speech.wav`.

Counted are calls of this package's functions, in all threads; what importing executes is not.
"""

import inspect
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import vpcodec

PACKAGE = str(Path(vpcodec.__file__).parent)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is a function's of the package; the bodies of modules and classes run when they are imported."""
    code = frame.f_code
    return code.co_filename.startswith(PACKAGE) and bool(code.co_flags & inspect.CO_OPTIMIZED)


class Trace:
    """What was executed.

    Attributes:
        modules: Paths within the package.
        deepest: The longest chain of calls seen, outermost first.
    """

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.deepest: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not is_ours(frame):
            return
        self.modules.add(frame.f_code.co_filename.removeprefix(f"{PACKAGE}/"))
        chain = []
        each: FrameType | None = frame
        while each is not None:
            if is_ours(each):
                where = each.f_code.co_filename.removeprefix(f"{PACKAGE}/")
                chain.append(f"{where}:{each.f_code.co_qualname}")
            each = each.f_back
        if len(chain) > len(self.deepest):
            self.deepest = chain[::-1]


def main() -> None:
    """Run a command, then print what it passed through on the standard error."""
    from vpcodec.cli.main import main as command

    trace = Trace()
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        command()
    finally:
        sys.setprofile(None)
        print(f"{len(trace.modules)} modules, depth {len(trace.deepest)}", file=sys.stderr)
        print("\n".join([*sorted(trace.modules), "", *trace.deepest]), file=sys.stderr)


if __name__ == "__main__":
    main()

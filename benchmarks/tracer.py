"""Run `vpcodec` and write which part of it took how much processor time.

    python benchmarks/tracer.py FILE ARGUMENTS...

`start.py` starts it. It imports next to nothing, so that all else is counted where the command imports it. What other
threads do, which load ONNX Runtime and graphs and compare checksums, is one part.
"""

import _frozen_importlib
import _thread
import os
import sys
import time

TYPE_CHECKING = False  # importing typing would take longer than all of this
if TYPE_CHECKING:
    from typing import Any

# What a function's time counts as, by its name or that of the module it is in; the longest name that fits.
PARTS = {
    "vpcodec": "windows and results",
    "vpcodec.cli": "options and messages",
    "vpcodec.data": "reading and writing media",
    "vpcodec.container": "entropy coder",
    "vpcodec.registry": "model files",
    "vpcodec.config": "model files",
    "vpcodec.codec.onnx_engine.OnnxEngine.run": "network",
}


class Trace:
    """Processor time of the main thread by what it is spent on: the part of the function that runs, or an import."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.running = ["interpreter"]
        self.since = 0.0  # so that Python's own start counts
        self.parts: dict[Any, str] = {}  # by code object
        self.thread = _thread.get_ident()

    def switch(self, label: str | None) -> None:
        """Go on with another label; None for the one before."""
        now = time.thread_time()
        last = self.running[-1]
        self.spent[last] = self.spent.get(last, 0.0) + now - self.since
        self.since = now
        if label is None:
            self.running.pop()
        else:
            self.running.append(label)

    def part(self, frame: "Any") -> str:
        """What a function counts as; empty for those that count as their caller."""
        code = frame.f_code
        if code not in self.parts:
            name = f"{frame.f_globals.get('__name__')}.{code.co_qualname}"
            fitting = [known for known in PARTS if f"{name}.".startswith(f"{known}.")]
            self.parts[code] = PARTS[max(fitting, key=len)] if fitting else ""
        return self.parts[code]

    def hook(self, frame: "Any", event: str, _: "Any") -> None:
        """For `sys.setprofile`."""
        if event in ("call", "return") and (part := self.part(frame)):
            self.switch(part if event == "call" else None)

    def importing(self, load: "Any") -> "Any":
        """The function that imports a module, so that its time counts as its package's."""

        def timed(name: str, given: "Any") -> "Any":
            if _thread.get_ident() != self.thread:
                return load(name, given)
            package = name.partition(".")[0]
            known = package in sys.stdlib_module_names or package == "_distutils_hack"
            sys.setprofile(None)
            self.switch(f"import {'the standard library' if known else package}")
            try:
                return load(name, given)
            finally:
                self.switch(None)
                if not self.running[-1].startswith("import "):
                    sys.setprofile(self.hook)

        return timed


def main() -> None:
    """Run the command, and write seconds by label to a file."""
    target, *arguments = sys.argv[1:]
    sys.argv = ["vpcodec", *arguments]
    sys.path.pop(0)  # the folder of this file
    traced = Trace()
    traced.switch("options and messages")
    _frozen_importlib._find_and_load = traced.importing(_frozen_importlib._find_and_load)
    leave = os._exit  # with which most commands end

    def write(code: int = 0) -> None:
        sys.setprofile(None)
        traced.switch("end")
        traced.spent["runtime, graphs, checksums"] = time.process_time() - traced.since
        with open(target, "w") as file:
            print(*(f"{seconds}\t{label}" for label, seconds in traced.spent.items()), sep="\n", file=file)
        leave(code)

    os._exit = write  # type: ignore[assignment]
    sys.setprofile(traced.hook)
    from vpcodec.__main__ import main as command

    try:
        command()
    except SystemExit as ended:
        write(int(ended.code or 0))
    write()


if __name__ == "__main__":
    main()

"""What a command says on the standard error: messages, and progress where there is a terminal to see it."""

import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vpcodec.errors import VpcodecError
from vpcodec.evaluation.memory import resident_peak

if TYPE_CHECKING:
    from rich.progress import Progress

PROGRAM = "vpcodec"
PATIENCE = 1.0  # seconds of work without a progress bar
TICK = 0.2  # seconds between looks at the progress
MEBIBYTE = 1 << 20


class Messages:
    """Says things on the standard error.

    Args:
        quiet: Errors only.
        verbose: Details too.
        progress: Whether a progress bar is welcome.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, progress: bool = True) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.lively = progress and not quiet and sys.stderr.isatty()
        self.bar: Progress | None = None

    def error(self, what: str, hint: str = "") -> None:
        """One line about a failure: what, which, and what to do next."""
        self.write(f"{PROGRAM}: {one_line(what, hint)}")

    def failure(self, source: str, error: VpcodecError) -> None:
        """The line of one input that failed, naming it where the error does not."""
        self.error(error.what if source in error.what else f"{source}: {error.what}", error.hint)

    def note(self, text: str) -> None:
        if not self.quiet:
            self.write(text)

    def detail(self, text: str) -> None:
        if self.verbose:
            self.write(text)

    def write(self, text: str) -> None:
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def peak_memory(self) -> None:
        """Say how much memory was in use at most, by this process or one of its workers."""
        peak = max(own_peak(), recorded_peak(resource.RUSAGE_CHILDREN))
        self.detail(f"peak memory {peak / MEBIBYTE:,.0f} MiB")

    @contextmanager
    def progress(self, state: Callable[[], tuple[float, str]]) -> Iterator[None]:
        """Show a bar while the block runs, once it has run for a second.

        Args:
            state: Asked for the share that is done, 0 to 1, and a few words on speed.
        """
        if not self.lively:
            yield
            return
        done = threading.Event()
        ticker = threading.Thread(target=self.tick, args=(state, done), daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()

    def tick(self, state: Callable[[], tuple[float, str]], done: threading.Event) -> None:
        """Keep a bar up to date until the work is done."""
        if done.wait(PATIENCE):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            self.bar = bar
            task = bar.add_task("", total=1.0)
            while not done.wait(TICK):
                share, words = state()
                bar.update(task, completed=share, description=words)
            self.bar = None


def one_line(what: str, hint: str = "") -> str:
    """`speech.tok: exists already; use -f to replace it`"""
    whole = f"{what}; {hint}" if hint else what
    return " ".join(whole.split())


def report_error(error: VpcodecError) -> None:
    """Print a failure as its one line."""
    Messages().error(error.what, error.hint)


def own_peak() -> int:
    """Bytes that this process occupied at most.

    On Linux from the process's own status: what `getrusage` says goes on from whoever started the program.
    """
    return resident_peak() or recorded_peak(resource.RUSAGE_SELF)


def recorded_peak(who: int) -> int:
    """Bytes by `getrusage`, which counts in KiB on Linux and in bytes on macOS."""
    return resource.getrusage(who).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

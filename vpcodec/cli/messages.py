"""Messages and the progress bar, both on standard error."""

import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vpcodec.cli.commands import PROGRAM
from vpcodec.devices import resident_peak
from vpcodec.errors import VpcodecError

if TYPE_CHECKING:
    from rich.progress import Progress

DELAY = 1.0  # seconds before a progress bar appears
TICK = 0.2  # seconds between updates of the bar
MEBIBYTE = 1 << 20


class Messages:
    """Prints messages to standard error.

    Args:
        quiet: Print errors only.
        verbose: Print details too.
        progress: Show a progress bar if standard error is a terminal.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, progress: bool = True) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.lively = progress and not quiet and sys.stderr.isatty()
        self.bar: Progress | None = None

    def error(self, what: str, hint: str = "") -> None:
        """Print one line about a failure: what, which, and what to do next."""
        self.write(f"{PROGRAM}: {one_line(what, hint)}")

    def failure(self, source: str, error: VpcodecError) -> None:
        """Print the line of an input that failed, with its name if the error has none."""
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
        """Print the peak memory of this process and its workers."""
        if self.verbose:
            unit = 1 if sys.platform == "darwin" else 1024  # bytes of the numbers of `getrusage`
            own, others = (
                unit * resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            )
            # Of this process from /proc where there is one: `getrusage` includes the peak of the one that started it.
            self.write(f"peak memory {max(resident_peak() or own, others) / MEBIBYTE:,.0f} MiB")

    @contextmanager
    def progress(self, state: Callable[[], tuple[float, str]]) -> Iterator[None]:
        """Show a bar while the block runs, starting after one second.

        Args:
            state: Returns the share that is done, 0 to 1, and a short text, such as the speed.
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
        """Update the bar until the work is done."""
        if done.wait(DELAY):
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

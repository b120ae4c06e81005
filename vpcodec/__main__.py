"""The command `vpcodec`, also as `python -m vpcodec`. Ctrl-C ends it with one line, while it is imported too."""

import gc
import os
import sys

HELP_WIDTH = 80  # columns of the help text that is kept
HELP_FILE = os.path.join(os.path.dirname(__file__), "cli", "help.txt")  # made by scripts/docs.py


def main() -> None:
    """Run the command line, and exit."""
    try:
        if is_answered(sys.argv[1:]):
            return
        gc.set_threshold(50_000)  # imports make many objects and no garbage
        from vpcodec.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("vpcodec: interrupted", file=sys.stderr)
        sys.exit(130)
    except SystemExit as ended:
        leave_at_once(ended.code)
        raise


def leave_at_once(code: object) -> None:
    """End the process without taking the interpreter and the graphs apart, a seventh of the time that a clip takes.

    Its files are closed by now. Where other processes may have been started, all ends as usual.
    """
    if isinstance(code, int) and "multiprocessing" not in sys.modules:  # which torch and Ray import, too
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                return
        os._exit(code)


def is_answered(words: list[str]) -> bool:
    """Answer --version, and --help for a terminal that is not narrow, without the parser: it takes five times as long.

    Whatever goes wrong here happens again in the program, which then says so.
    """
    try:
        if words == ["--version"]:
            from vpcodec.version import __version__

            print("vpcodec", __version__, flush=True)
        elif words in (["-h"], ["--help"]) and columns() >= HELP_WIDTH:
            with open(HELP_FILE, encoding="utf-8") as file:
                print(file.read(), end="", flush=True)
        else:
            return False
    except (OSError, ValueError):
        return False
    return sys.stdout is not None


def columns() -> int:
    """Width of the terminal, as the parser finds it."""
    width = os.environ.get("COLUMNS", "")
    if width.isdecimal() and int(width):
        return int(width)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else HELP_WIDTH
    except (OSError, ValueError):
        return HELP_WIDTH


if __name__ == "__main__":
    main()

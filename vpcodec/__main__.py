"""The command `vpcodec`, also as `python -m vpcodec`. Ctrl-C ends it with one line, while it is imported too."""

import gc
import os
import sys


def main() -> None:
    """Run the command line, and exit."""
    try:
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


if __name__ == "__main__":
    main()

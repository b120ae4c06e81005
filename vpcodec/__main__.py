"""The command `vpcodec`, also as `python -m vpcodec`. Ctrl-C ends it with one line, while it is imported too."""

import sys


def main() -> None:
    """Run the command line, and exit."""
    try:
        from vpcodec.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("vpcodec: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

"""The command `vpcodec`: its commands by name, and the one place where failures become a line and an exit code.

Modules of numbers and networks are imported inside the commands, so that --help, --version and wrong usage
answer at once.
"""

import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vpcodec.cli.coding import decode, encode
from vpcodec.cli.evaluating import evaluate
from vpcodec.cli.examples import EXAMPLES, epilog
from vpcodec.cli.exporting import export
from vpcodec.cli.help import Command
from vpcodec.cli.inspecting import check, info, models
from vpcodec.cli.messages import PROGRAM, Messages, report_error
from vpcodec.cli.training import train
from vpcodec.data.output import end_quietly, stop_on_terminate
from vpcodec.errors import VpcodecError
from vpcodec.version import __version__

INTERRUPTED = 128 + signal.SIGINT
CLOSED_PIPE = 128 + signal.SIGPIPE
TERMINATED = 128 + signal.SIGTERM
EXIT_CODES = {
    0: "Everything was done.",
    1: "An input failed; the others were done.",
    2: "Wrong usage.",
    INTERRUPTED: "Ctrl-C.",
    CLOSED_PIPE: "Whoever read the output has gone.",
    TERMINATED: "SIGTERM.",
}


class Commands(TyperGroup):
    """The commands, ending without a word when whoever read their output has gone."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            end_quietly()
            raise typer.Exit(CLOSED_PIPE) from None


app = typer.Typer(
    name=PROGRAM,
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "encode": encode,
    "decode": decode,
    "info": info,
    "test": check,
    "models": models,
    "train": train,
    "evaluate": evaluate,
    "export": export,
}
for name, command in COMMANDS.items():
    app.command(name, cls=Command, epilog=epilog(EXAMPLES[name]))(command)


def print_version(asked: bool) -> None:
    if asked:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(epilog=epilog(EXAMPLES[PROGRAM]))
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Speech and images to small token files, and back."""


def main() -> None:
    """Run the command line, and exit."""
    stop_on_terminate()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what libraries warn programmers of; `python -W default -m` still shows it
    # A program that was started with a standard stream closed has None there.
    sys.stdin, sys.stdout = sys.stdin or open(os.devnull), sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    try:
        code = app(standalone_mode=False, prog_name=PROGRAM) or 0
    except VpcodecError as error:
        report_error(error)
        code = error.exit_code
    except typer.TyperException as error:
        code = report_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:
        Messages().write(f"{PROGRAM}: interrupted")
    try:
        sys.stdout.flush()
    except OSError:
        end_quietly()
    sys.exit(code)


def report_usage(error: Any) -> int:
    """Print wrong usage as one line; returns the exit code."""
    context = getattr(error, "ctx", None)
    help_line = f"`{context.command_path if context else PROGRAM} -h` shows how"
    message = error.format_message().rstrip(".")
    Messages().error(message[:1].lower() + message[1:], help_line)
    return int(getattr(error, "exit_code", 2))


if __name__ == "__main__":
    main()

"""The command `vpcodec`: the table of commands, and the one handler that turns failures into a line and an exit code.

Heavy modules are imported inside the commands, so that --help, --version and usage errors answer at once.
"""

import io
import os
import signal
import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from vpcodec.cli.examples import EXAMPLES, epilog
from vpcodec.cli.help import Command
from vpcodec.cli.messages import PROGRAM, Messages, report_error
from vpcodec.errors import DependencyError, VpcodecError
from vpcodec.version import __version__

INTERRUPTED = 128 + signal.SIGINT
CLOSED_PIPE = 128 + signal.SIGPIPE
TERMINATED = 128 + signal.SIGTERM
EXIT_CODES = {
    0: "Success.",
    1: "At least one input failed; the others were processed.",
    2: "Usage error.",
    INTERRUPTED: "Interrupted by Ctrl-C.",
    CLOSED_PIPE: "The reader of the output closed the pipe.",
    TERMINATED: "Terminated by SIGTERM.",
}
ENVIRONMENT = {
    "VPCODEC_MODELS": "A folder with models. It is searched before the models that come with the program.",
    "VPCODEC_LPIPS": (
        "A folder with the weights of LPIPS, for training and evaluating image models: "
        "lpips_lin_v0.1.safetensors, and of torchvision's networks alexnet_features_fp16.safetensors, "
        "vgg16_features_fp16.safetensors or squeezenet1_1_features_fp16.safetensors. Default: the package lpips, and "
        "torchvision's networks in torch's cache."
    ),
    "VPCODEC_CACHE": (
        "The folder in which `train` keeps lengths of recordings and sizes of photos, and packed shards unpacked. "
        "Default: vpcodec in $XDG_CACHE_HOME or ~/.cache."
    ),
    "VPCODEC_INCEPTION": (
        "The file inception-2015-12-05.pt, published with StyleGAN2-ADA, for the metric rFID. "
        "Default: that file in torch's cache."
    ),
    "OMP_NUM_THREADS": "Number of threads per process. Default: one per core.",
    "NO_COLOR": "If set, the progress bar has no colors.",
}


class Commands(TyperGroup):
    """The commands. A closed pipe ends them silently; a missing package becomes an error that names it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            end_quietly()
            raise typer.Exit(CLOSED_PIPE) from None
        except ModuleNotFoundError as error:
            package = (error.name or PROGRAM).partition(".")[0]
            if package == PROGRAM:  # a bug
                raise
            hint = f"pip install '{PROGRAM}[full]'"
            raise DependencyError(f"this needs {package}, which is not installed", hint=hint) from error


# The module and the function of each command.
COMMANDS: dict[str, tuple[str, str]] = {
    "encode": ("coding", "encode"),
    "decode": ("coding", "decode"),
    "info": ("inspecting", "info"),
    "test": ("inspecting", "check"),
    "models": ("inspecting", "models"),
    "train": ("training", "train"),
    "evaluate": ("evaluating", "evaluate"),
    "export": ("exporting", "export"),
    "import": ("exporting", "import_ids"),
}


def make_app(names: Iterable[str] = tuple(COMMANDS)) -> typer.Typer:
    """The program with some of its commands: a single one starts sooner."""
    app = typer.Typer(
        name=PROGRAM,
        cls=Commands,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback(epilog=epilog(EXAMPLES[PROGRAM]))(program)
    for name in names:
        module, function = COMMANDS[name]
        command = getattr(import_module(f"vpcodec.cli.{module}"), function)
        app.command(name, cls=Command, epilog=epilog(EXAMPLES[name]))(command)
    return app


def print_version(asked: bool) -> None:
    if asked:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Encode speech and photos as small token files, and decode them."""


def main() -> None:
    """Run the command line and exit."""
    stop_on_terminate()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings of libraries; `python -W default -m vpcodec` shows them
    # A standard stream that was closed before the start is None.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115
    # Read-only, so that printing fails with an error instead of being lost silently.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape what the encoding cannot write
            stream.reconfigure(errors="backslashreplace")
    command = sys.argv[1:2]
    app = make_app(command) if command and command[0] in COMMANDS else make_app()
    try:
        code = app(standalone_mode=False, prog_name=PROGRAM) or 0
        if not code:
            sys.stdout.flush()
    except VpcodecError as error:
        report_error(error)
        code = error.exit_code
    except typer.TyperException as error:
        code = report_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except OSError as error:  # the commands handle errors of named files themselves
        if error.filename is not None:
            raise
        from vpcodec.data.streams import failure

        report_error(failure(Path("standard output"), error))
        code = 1
    if code == INTERRUPTED:
        Messages().write(f"{PROGRAM}: interrupted")
    try:
        sys.stdout.flush()
    except OSError:
        end_quietly()
    sys.exit(code)


def report_usage(error: Any) -> int:
    """Print a usage error as one line and return the exit code."""
    context = getattr(error, "ctx", None)  # None for an option without its value
    command = [PROGRAM, *(word for word in sys.argv[1:2] if word in COMMANDS)]
    help_line = f"`{context.command_path if context else ' '.join(command)} -h` shows how"
    message = error.format_message().rstrip(".")
    Messages().error(message[:1].lower() + message[1:], help_line)
    return int(getattr(error, "exit_code", 2))


def stop_on_terminate() -> None:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, through every `finally`: nothing half-written stays.

    SIGHUP is still ignored where `nohup` started the program.
    """
    signal.signal(signal.SIGTERM, terminate)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, terminate)


def terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Exit with the code that shells give a program ended by this signal."""
    raise SystemExit(128 + number)


def end_quietly() -> None:
    """After a BrokenPipeError on standard output: keep Python from complaining once more when it closes it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())

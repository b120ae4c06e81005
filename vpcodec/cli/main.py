"""The command `vpcodec`: its commands by name, and the one place where failures become a line and an exit code.

Modules of numbers and networks are imported inside the commands, so that --help, --version and wrong usage
answer at once.
"""

import io
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

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
from vpcodec.data.streams import failure
from vpcodec.errors import DependencyError, VpcodecError
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
ENVIRONMENT = {
    "VPCODEC_MODELS": "A folder of models, searched before those that come with the program.",
    "VPCODEC_LPIPS": (
        "A folder with the weights of LPIPS, which models of images are trained and measured with: "
        "lpips_lin_v0.1.safetensors, and of torchvision's networks alexnet_features_fp16.safetensors, "
        "vgg16_features_fp16.safetensors or squeezenet1_1_features_fp16.safetensors. Default: what the package lpips "
        "and torch's cache hold, where torchvision has put these networks."
    ),
    "VPCODEC_CACHE": (
        "The folder in which `train` keeps lengths of recordings and sizes of photos, and packed shards unpacked. "
        "Default: vpcodec in $XDG_CACHE_HOME or ~/.cache."
    ),
    "VPCODEC_INCEPTION": (
        "The file inception-2015-12-05.pt, published with StyleGAN2-ADA, which rFID is measured with. "
        "Default: that file in torch's cache."
    ),
    "OMP_NUM_THREADS": "How many threads a process computes with. Default: one a core.",
    "NO_COLOR": "Set to anything, it takes the colours from the progress bar.",
}


class Commands(TyperGroup):
    """The commands, ending without a word when whoever read their output has gone, and naming a package they lack."""

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
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115
    # Nothing can be written there, so that what should have been printed is not lost without a word.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whose encoding may lack a name's letters: these are then escaped
            stream.reconfigure(errors="backslashreplace")
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
    except OSError as error:  # the commands have dealt with all others
        if error.filename is not None:
            raise
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
    """Print wrong usage as one line; returns the exit code."""
    context = getattr(error, "ctx", None)  # an option without its value comes without
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

"""The command `vpcodec`: what is asked for is done, and failures become a line and an exit code.

Heavy modules are imported inside the commands, so that --help, --version and usage errors answer at once.
"""

import io
import os
import signal
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from vpcodec.cli.commands import COMMANDS, MAIN, PROGRAM
from vpcodec.cli.messages import Messages, report_error
from vpcodec.cli.usage import help_text, no_command, read_words
from vpcodec.errors import ConfigError, DependencyError, VpcodecError
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
    try:
        code = answered(sys.argv[1:])
        if not code:
            sys.stdout.flush()
    except VpcodecError as error:
        report_error(error)
        code = error.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
        Messages().write(f"{PROGRAM}: interrupted")
    except BrokenPipeError:
        end_quietly()
        code = CLOSED_PIPE
    except OSError as error:  # the commands handle errors of named files themselves
        if error.filename is not None:
            raise
        from vpcodec.data.streams import failure

        report_error(failure(Path("standard output"), error))
        code = 1
    try:
        sys.stdout.flush()
    except OSError:
        end_quietly()
    sys.exit(code)


def answered(words: list[str]) -> int:
    """Do what the words of a command line ask for; returns the exit code."""
    if words[:1] == ["--complete"]:
        from vpcodec.cli.completion import candidates

        print(*candidates(words[1:]), sep="\n")
        return 0
    given = read_words(MAIN, words)
    if given.version:
        print(f"{PROGRAM} {__version__}")
    elif given.show_completion or given.install_completion:
        from vpcodec.cli.completion import SCRIPTS, current_shell, install

        print(SCRIPTS[current_shell()][1] if given.show_completion else install())
    elif given.help:
        print(help_text(MAIN), end="")
    elif not given.inputs:
        raise ConfigError("missing command", hint=f"`{PROGRAM} -h` shows how")
    else:
        return run(*given.inputs)
    return 0


def run(name: str, *words: str) -> int:
    """Run a command; returns its exit code. Raises DependencyError if it needs a package that is not installed."""
    if name not in COMMANDS:
        raise no_command(name)
    command = COMMANDS[name]
    given = read_words(command, list(words), name)
    if given.help:
        print(help_text(command, name, everything="--help" in words), end="")
        return 0
    module, _, function = command.function.partition(".")
    try:
        return int(getattr(import_module(f"vpcodec.cli.{module}"), function)(given) or 0)
    except ModuleNotFoundError as error:
        package = (error.name or PROGRAM).partition(".")[0]
        if package == PROGRAM:  # a bug
            raise
        raise DependencyError(
            f"this needs {package}, which is not installed", hint=f"pip install '{PROGRAM}[full]'"
        ) from error


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

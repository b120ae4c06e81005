"""The command `vpcodec`: what is asked for is done, and failures become a line and an exit code.

Heavy modules are imported inside the commands, so that --help, --version and usage errors answer at once.
"""

import io
import os
import signal
import sys
import warnings
from getopt import GetoptError, getopt, gnu_getopt
from importlib import import_module
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import NoReturn

from vpcodec.cli.commands import COMMANDS, MAIN, PROGRAM, Command
from vpcodec.cli.messages import Messages
from vpcodec.cli.options import HELP, Option
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

WIDEST, NARROWEST = 100, 52  # columns of a help text
LEFT = 30  # columns for the names of options, at most


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
        Messages().error(error.what, error.hint)
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

        Messages().failure("standard output", failure(Path("standard output"), error))
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
    os.environ.pop("POSIXLY_CORRECT", None)  # with it, getopt would take options behind names for names
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


def read_words(command: Command, words: list[str], name: str = "") -> SimpleNamespace:
    """The values of a command's options by their keys, and `inputs`, what is not an option.

    Raises:
        ConfigError: The words are wrong.
    """
    hint = f"`{f'{PROGRAM} {name}'.rstrip()} -h` shows how"
    by_name = {each: option for option in (*command.options, HELP) for each in option.names}
    short = "".join(each[1] + ":" * bool(by_name[each].placeholder) for each in by_name if len(each) == 2)
    long = [each[2:] + "=" * bool(by_name[each].placeholder) for each in by_name if len(each) > 2]
    try:
        found, inputs = (gnu_getopt if name else getopt)(words, short, long)  # a command begins the words of its own
    except GetoptError as error:
        name = ("--" if error.msg.startswith("option --") else "-") + error.opt
        raise ConfigError(wrong(name, by_name), hint=hint) from None
    given = SimpleNamespace(inputs=inputs)
    for option in (*command.options, HELP):
        setattr(given, option.name, [] if option.repeated else option.default if option.placeholder else False)
    for each, text in found:
        option = by_name[each]
        try:
            value = option.value(text) if option.placeholder else True
        except ValueError as error:
            names = " / ".join(f"'{known}'" for known in option.names)
            raise ConfigError(f"invalid value for {names}: {error}", hint=hint) from None
        setattr(given, option.name, [*getattr(given, option.name), value] if option.repeated else value)
    if not given.help:
        check_complete(command, given, {by_name[each].name for each, _ in found}, hint)
    return given


def wrong(name: str, by_name: dict[str, Option]) -> str:
    """What is wrong with an option that could not be read."""
    from difflib import get_close_matches

    if name in by_name:
        return f"option '{name}' " + ("requires an argument" if by_name[name].placeholder else "does not take a value")
    begun = [each for each in by_name if each.startswith(name)] if len(name) > 2 else []
    near = sorted({*get_close_matches(name, by_name), *begun})
    return f"no such option: {name}" + (f" (Possible options: {', '.join(near)})" if near else "")


def check_complete(command: Command, given: SimpleNamespace, found: set[str], hint: str) -> None:
    """Raise ConfigError if something is missing, or is there that a command does not take."""
    for option in command.options:
        if option.required and option.name not in found:
            raise ConfigError(f"missing option '{option.names[-1]}'", hint=hint)
    if command.argument.startswith("IN") and not given.inputs:
        raise ConfigError(f"missing argument '{command.argument}'", hint=hint)
    if not command.argument and given.inputs:
        raise ConfigError(f"got unexpected extra argument ({given.inputs[0]})", hint=hint)


def no_command(name: str) -> ConfigError:
    """The error for a name that no command has."""
    from difflib import get_close_matches

    near = ", ".join(f"'{each}'" for each in get_close_matches(name, COMMANDS))
    what = f"no such command '{name}'" + (f". Did you mean {near}?" if near else "")
    return ConfigError(what, hint=f"`{PROGRAM} -h` shows how")


def help_text(command: Command, name: str = "", *, everything: bool = True) -> str:
    """What `-h` prints, or with everything `--help`, as wide as the terminal."""
    from shutil import get_terminal_size
    from textwrap import fill

    width = max(min(get_terminal_size().columns, WIDEST), NARROWEST) - 2
    usage = f"{name} {command.argument} [OPTIONS]" if name else f"[OPTIONS] {command.argument}"
    text = f"Usage: {PROGRAM} {' '.join(usage.split())}\n"
    for paragraph in command.text.split("\n\n"):
        lines = fill(" ".join(paragraph.split()), width, initial_indent="  ", subsequent_indent="  ")
        text += f"\n{lines}\n"
    options = [option for option in (*command.options, HELP) if everything or not option.rare]
    rows = [(option.usage, option.help + limits(option)) for option in options]
    if command.argument.startswith("IN"):
        rows.insert(0, (command.argument, "Files; - is standard input."))
    text += f"\nOptions:\n{columns(rows, width)}"
    if not name:
        text += f"\nCommands:\n{columns([(each, COMMANDS[each].summary) for each in COMMANDS], width)}"
    elif not everything:
        text += "\n--help lists every option.\n"
    return text + "\n  Examples:\n" + "".join(f"    {line}\n" for line in command.examples)


def limits(option: Option) -> str:
    """What an option's text says after its sentence."""
    default = f"default: {option.default}" if option.default not in (None, []) else ""
    least = "" if option.least is None else f"x>={option.least}"
    notes = "; ".join(filter(None, (default, least, "required" if option.required else "")))
    return f"  [{notes}]" if notes else ""


def columns(rows: list[tuple[str, str]], width: int) -> str:
    """Names and texts side by side; a long name has a line of its own."""
    from textwrap import fill

    left = min(max(len(name) for name, _ in rows), LEFT) + 4
    text = ""
    for name, words in rows:
        start = f"  {name}".ljust(left)
        if len(start) > left:
            text, start = f"{text}{start}\n", " " * left
        text += fill(words, width, initial_indent=start, subsequent_indent=" " * left) + "\n"
    return text


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

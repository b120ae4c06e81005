"""Reads the words of a command line by the table of commands, and makes the help texts."""

from getopt import GetoptError, getopt, gnu_getopt
from types import SimpleNamespace

from vpcodec.cli.commands import COMMANDS, PROGRAM, Command
from vpcodec.cli.options import HELP, Option
from vpcodec.errors import ConfigError

WIDEST, NARROWEST = 100, 52  # columns of a help text
LEFT = 30  # columns for the names of options, at most


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
        raise ConfigError(wrong(error.opt, by_name), hint=hint) from None
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
    """What is wrong with an option that could not be read, whose name has lost its dashes."""
    from difflib import get_close_matches

    full = f"-{name}" if len(name) == 1 else f"--{name}"
    if full in by_name:
        return f"option '{full}' " + ("requires an argument" if by_name[full].placeholder else "does not take a value")
    near = sorted({*get_close_matches(full, by_name), *(each for each in by_name if each.startswith(full))})
    return f"no such option: {full}" + (f" (Possible options: {', '.join(near)})" if near else "")


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

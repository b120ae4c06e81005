"""Completion in the shell: what it asks the program, and how that is installed."""

import os
from pathlib import Path

from vpcodec.cli.commands import COMMANDS, MAIN, PROGRAM
from vpcodec.cli.options import HELP
from vpcodec.errors import ConfigError

ASK = "--complete"  # followed by the words before the cursor, the last one incomplete

# By the name of the shell: a file in the user's home, and what is appended to it.
SCRIPTS = {
    "bash": (
        ".bashrc",
        f"""\
_{PROGRAM}() {{
    local IFS=$'\\n'
    COMPREPLY=($({PROGRAM} {ASK} "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null))
}}
complete -o default -F _{PROGRAM} {PROGRAM}
""",
    ),
    "zsh": (
        ".zshrc",
        f"""\
_{PROGRAM}() {{
    local -a found
    found=(${{(f)"$({PROGRAM} {ASK} "${{(@)words[2,CURRENT]}}" 2>/dev/null)"}})
    if (( $#found )); then compadd -a found; else _files; fi
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit; }}
compdef _{PROGRAM} {PROGRAM}
""",
    ),
    "fish": (
        f".config/fish/completions/{PROGRAM}.fish",
        f"""\
function __{PROGRAM}
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    {PROGRAM} {ASK} $words[2..] "$last" 2>/dev/null
end
complete -c {PROGRAM} -a '(__{PROGRAM})'
""",
    ),
}


def candidates(words: list[str]) -> list[str]:
    """What the last word can become: commands, options, names of models and recipes; none for files."""
    *before, last = words or [""]
    command = COMMANDS.get(before[0], MAIN) if before else MAIN
    if before[-1:] in (["-m"], ["--model"]):
        from vpcodec.registry import list_models

        found = [model.name for model in list_models()]
    elif before[-1:] == ["--recipe"]:
        from vpcodec.training.recipes import recipe_names

        found = list(recipe_names())
    elif last.startswith("-"):
        found = [name for option in (*command.options, HELP) for name in option.names]
    else:
        found = [] if before else list(COMMANDS)
    return [name for name in found if name.startswith(last)]


def current_shell() -> str:
    """The shell that started the program, or else the user's. Raises ConfigError if it is none of the three."""
    try:
        parent = Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8").strip()
    except OSError:  # not on Linux
        parent = ""
    for shell in (parent, os.path.basename(os.environ.get("SHELL", ""))):
        if shell in SCRIPTS:
            return shell
    raise ConfigError("there is completion for bash, zsh and fish only", hint="run this in one of them")


def install() -> str:
    """Append the script to the file that the shell reads when it starts, once; returns what was done."""
    shell = current_shell()
    name, script = SCRIPTS[shell]
    file = Path.home() / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab+") as stream:  # as bytes: a user's comments need not be UTF-8
            stream.seek(0)
            if script.encode() not in stream.read():
                stream.write(f"\n{script}".encode())
    except OSError as error:
        raise ConfigError(f"{file}: {(error.strerror or str(error)).lower()}") from error
    return f"completion for {shell} is in {file}; it works in new shells"

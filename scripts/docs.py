"""Generates the documents that follow from the code.

python scripts/docs.py            write them all
python scripts/docs.py --check    exit with 1 and name those that are out of date

A further document is a function that returns its text, and a line in DOCUMENTS.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, get_args, get_type_hints

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the pictures, and for the table of mistakes, which lies among the tests

from scripts import gallery, library, pictures, rate_plots, session  # noqa: E402
from scripts.pictures import released  # noqa: E402
from tests.cli.mistakes import FOLDER_NOTE, MISTAKES  # noqa: E402
from vpcodec.cli.commands import COMMANDS, MAIN, Command  # noqa: E402
from vpcodec.cli.main import ENVIRONMENT, EXIT_CODES  # noqa: E402
from vpcodec.config import toml_value  # noqa: E402
from vpcodec.container import format as container_format  # noqa: E402
from vpcodec.evaluation.cards import card_text, facts_text, read_runs, with_tables  # noqa: E402
from vpcodec.evaluation.summary import markdown_table  # noqa: E402
from vpcodec.recipe import Recipe  # noqa: E402
from vpcodec.training.recipes import find_recipe, recipe_names  # noqa: E402
from vpcodec.version import __version__  # noqa: E402

SHELL_NOTE = """
## In the shell

`vpcodec --install-completion` adds completion of commands, options and model names to bash, zsh and fish.
`man docs/vpcodec.1` shows the manual page.
"""
MADE_BY = "made by scripts/docs.py from the definitions of the commands"

RECIPES_NOTE = """\
A recipe holds all options of a training run except the data. It is a TOML file, or the name of one that ships with
vpcodec. `--set training.steps=500` changes one option. A run stores its recipe, with an explanation of each option, in
the folder of its model. The options of `[quantizer]` depend on the method: see [quantizers.md](quantizers.md).
"""

# README's tables: the codecs, the columns, and what stands above them.
SHORT: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "speech": (
        (
            *("speech-low@4096", "speech-vp@1024", "speech-vp@16384", "speech-vp@2x1024", "speech-vp@2x16384"),
            *("opus:6", "codec2:3200"),
        ),
        ("on disk", "PESQ-WB", "STOI"),
        "Speech, {items} recordings. The number after @ is the codebook size K. `opus:6` is Opus at 6 kbit/s, its\n"
        "minimum. PESQ estimates quality (at most 4.64), STOI intelligibility (at most 1).",
    ),
    "image": (
        ("image-vp@1024", "image-vp@16384", "avif", "webp"),
        ("on disk", "PSNR (dB)", "SSIM", "LPIPS-VGG"),
        "Photos, {items} of 256x256 pixels. AVIF and WebP were tuned per photo to our size at K = 1,024; if that is\n"
        "not possible, the smallest file counts. LPIPS estimates how different two pictures look.",
    ),
}


def options(command: Command) -> Iterator[tuple[str, str, str]]:
    """Names, placeholder and explanation of each option."""
    for option in command.options:
        default = f" Default: {option.default}." if option.default else ""
        yield ", ".join(option.names), option.placeholder, f"{option.help}{default}"


def command_reference() -> str:
    """docs/commands.md"""
    text = f"# The commands\n\n<!-- {MADE_BY} -->\n"
    for name, command in COMMANDS.items():
        text += f"\n## vpcodec {name}\n\n{command.text}\n\n"
        text += f"```\nvpcodec {name} {command.argument} [OPTIONS]".replace("  ", " ") + "\n```\n\n"
        text += "| option | meaning |\n| --- | --- |\n"
        for names, placeholder, meaning in options(command):
            option = f"{names} {placeholder}".strip()
            text += f"| `{escaped(option)}` | {escaped(meaning)} |\n"
        text += "\n```\n" + "\n".join(command.examples) + "\n```\n"
    text += "\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n"
    text += "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    text += "\n## Environment\n\n| variable | meaning |\n| --- | --- |\n"
    text += "".join(f"| `{name}` | {meaning} |\n" for name, meaning in ENVIRONMENT.items())
    return text + SHELL_NOTE


def manual_page() -> str:
    """docs/vpcodec.1, for man"""
    text = f'.\\" {MADE_BY}\n.TH VPCODEC 1 "" "vpcodec {__version__}" "User Commands"\n'
    text += ".SH NAME\nvpcodec \\- encode speech and photos as small token files, and decode them\n.SH SYNOPSIS\n"
    for name, command in COMMANDS.items():
        text += f".B vpcodec {name}\n{troff(command.argument)} [OPTIONS]\n.br\n".replace("\n [", "\n[")
    text += ".SH COMMANDS\n"
    for name, command in COMMANDS.items():
        text += f".SS {name}\n{troff(' '.join(command.text.split()))}\n"
        for names, placeholder, meaning in options(command):
            italic = f" \\fI{placeholder}\\fR" if placeholder else ""
            text += f".TP\n\\fB{troff(names)}\\fR{italic}\n{troff(meaning)}\n"
    text += ".SH EXIT STATUS\n" + "".join(f".TP\n{code}\n{troff(meaning)}\n" for code, meaning in EXIT_CODES.items())
    text += ".SH ENVIRONMENT\n" + "".join(f".TP\n.B {name}\n{troff(use)}\n" for name, use in ENVIRONMENT.items())
    lines = [line for command in (MAIN, *COMMANDS.values()) for line in command.examples]
    text += ".SH EXAMPLES\n.nf\n" + "".join(f"{troff(line)}\n" for line in lines)
    return text + ".fi\n"


def troff(text: str) -> str:
    """Text with troff's special characters escaped."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def mistakes() -> str:
    """docs/mistakes.md"""
    text = "# Errors and their messages\n\n"
    text += f"<!-- made by scripts/docs.py from tests/cli/mistakes.py -->\n\n{FOLDER_NOTE}\n"
    text += "Every message is one line. `...` stands for words that are left out here.\n\n"
    text += "| command line | what is printed | exit code |\n| --- | --- | --- |\n"
    for line, printed, code in MISTAKES:
        text += f"| `{f'vpcodec {line}'.strip()}` | {cell(f'vpcodec: {printed}')} | {code} |\n"
    return text


def recipes() -> str:
    """docs/recipes.md"""
    text = "# Recipes\n\n<!-- made by scripts/docs.py from vpcodec/recipe.py and training/recipes -->\n\n"
    text += f"{RECIPES_NOTE}\n## Recipes that ship with vpcodec\n\n"
    text += "| name | kind | method | codebook sizes | width | blocks |\n"
    text += "| --- | --- | --- | --- | --- | --- |\n"
    tiny = [name for name in recipe_names() if name.endswith("-tiny")]
    for name in (name for name in recipe_names() if name not in tiny):
        recipe = find_recipe(name)
        rates = ", ".join(f"{rate:,}" if isinstance(rate, int) else rate for rate in recipe.quantizer["rates"])
        network = recipe.network
        counts = (
            network.spectral_encoder_blocks,
            network.encoder_blocks,
            network.decoder_blocks,
            network.spectral_decoder_blocks,
        )
        blocks = " + ".join(str(count) for count in counts if count)
        text += f"| `{name}` | {recipe.kind} | {recipe.quantizer['method']} | {rates} "
        text += f"| {network.width} | {blocks} |\n"
    text += "\nTiny recipes, one per kind and method, train in seconds. They are for tests and first steps: "
    return text + ", ".join(f"`{name}`" for name in tiny) + ".\n\n## Options\n" + section(Recipe)


def section(part: type, name: str = "") -> str:
    """Tables of the options of a dataclass and of those within it."""
    notes, inner = get_type_hints(part, include_extras=True), ""
    text = f"\n### {f'[{name}]' if name else 'At the top'}\n\n{part.__doc__}\n\n"
    text += "| option | default | meaning |\n| --- | --- | --- |\n"
    for option in fields(part):
        path = f"{name}.{option.name}" if name else option.name
        if isinstance(option.default_factory, type):
            inner += section(option.default_factory, path)
            continue
        default = "" if option.default is MISSING else f"`{toml_value(option.default)}`"
        text += f"| `{option.name}` | {default} | {get_args(notes[option.name])[1]} |\n"
    return text + inner


def cell(text: str) -> str:
    """Any text as code in a table cell."""
    return escaped(f"`` {text} ``")


def escaped(text: str) -> str:
    """Text with the bars of table cells escaped."""
    return text.replace("|", "\\|")


def readme() -> str:
    """README.md with a few measured figures between its markers."""
    head, begin, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- short results -->\n")
    _, end, tail = rest.partition("<!-- /short results -->")
    return head + begin + "\n".join(map(short_table, SHORT)) + end + tail


def short_table(kind: str) -> str:
    """The figures of README for one kind of signal."""
    names, titles, note = SHORT[kind]
    runs = [run for model in released() for run in read_runs(model) if run.kind == kind]
    found = {figures.name: figures for run in reversed(runs) for figures in reversed(run.candidates)}
    rows = [replace(found[name], matched=None) for name in names if name in found]
    return f"{note.format(items=runs[0].items)}\n\n{markdown_table(kind, rows, titles)}"


def results() -> str:
    """docs/results.md with the measured figures of the released models between its markers."""
    return with_tables((ROOT / "docs" / "results.md").read_text(encoding="utf-8"), released())


LOW_RATES = ("codec", "tokens a second", "codebooks", "kbit/s", "PESQ-WB", "STOI", "measured on")


def language_models() -> str:
    """docs/language-models.md: our speech models beside what others published for few tokens a second."""
    published = json.loads((ROOT / "docs" / "results" / "published-low-rate.json").read_text(encoding="utf-8"))
    begin, end = "<!-- low rates: begin -->\n", "<!-- low rates: end -->"
    head, _, rest = (ROOT / "docs" / "language-models.md").read_text(encoding="utf-8").partition(begin)
    rows = [LOW_RATES, ("---", "---:", "---", "---:", "---:", "---:", "---")]
    for each in (*low_rates(), *published):
        measured = f"{each['pesq_wb']:.2f}", f"{each['stoi']:.3f}", f"{each['set']}; {each['source']}"
        rows.append((each["codec"], f"{each['rate']:.4g}", each["codebooks"], f"{each['kbit']:.2f}", *measured))
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return head + begin + table + end + rest.partition(end)[2]


def low_rates() -> list[dict[str, Any]]:
    """The figures of speech models with each of their codebooks, fewest tokens a second first."""
    found = []
    for model in released():
        for run in read_runs(model):
            for each in run.candidates:
                if run.kind != "speech" or not each.ours or not each.codes:
                    continue
                codebook = model.codebook_name(model.checked_codebook(each.name.partition("@")[2] or None))
                if codebook not in gallery.shown(model):
                    continue
                groups, codes = model.codes(model.checked_codebook(codebook))
                figures = {
                    "codec": each.name,
                    "rate": groups * each.codes.tokens / run.total_extent,
                    "codebooks": f"{groups} of {codes:,}",
                    "kbit": each.bitrate.nominal,
                    "pesq_wb": each.metrics["pesq_wb"].mean,
                    "stoi": each.metrics["stoi"].mean,
                    "set": f"our folder `{run.dataset}`",
                    "source": "its card",
                }
                found.append(figures)
    return sorted(found, key=lambda figures: round(figures["rate"]))


DOCUMENTS: dict[str, Callable[[], str]] = {
    "README.md": readme,
    "docs/commands.md": command_reference,
    "docs/format.md": lambda: container_format.__doc__ or "",
    "docs/language-models.md": language_models,
    "docs/library.md": library.page,
    "docs/mistakes.md": mistakes,
    "docs/recipes.md": recipes,
    "docs/results.md": results,
    "docs/vpcodec.1": manual_page,
    **{f"models/{model.path.name}/card.md": partial(card_text, model) for model in released()},
    **{f"models/{model.path.name}/model.toml": partial(facts_text, model) for model in released()},
}


def main() -> int:
    """Write the documents or check them; returns the exit code."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        print(__doc__, file=sys.stderr)
        return 2
    stale = []
    for name, make in DOCUMENTS.items():
        path = ROOT / name
        text = make()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    for path, (mark, write) in chain.from_iterable(
        each.made().items() for each in (pictures, rate_plots, gallery, session)
    ):
        if not path.is_file() or mark.encode() not in path.read_bytes():
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                write()
    for name in stale:
        print(f"{name}: {'stale; run python scripts/docs.py' if check else 'written'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())

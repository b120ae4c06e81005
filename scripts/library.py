"""docs/library.md: the library's public names, from their signatures and docstrings. Part of `make docs`."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import vpcodec

PAGE = Path(__file__).resolve().parents[1] / "docs" / "library.md"
BEGIN, END = "<!-- reference: begin, made by scripts/library.py -->\n", "<!-- reference: end -->"
# Public in the code, for the package itself.
INTERNAL = {
    "autoencoder",
    "blocks",
    "check_streams",
    "computed",
    "on_device",
    "sharing",
    "signal",
}  # public in the code, for the package itself
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):\n", flags=re.M)


def page() -> str:
    """The page with its reference made anew."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return head + BEGIN + "\n".join(reference()) + END + rest.partition(END)[2]


def reference() -> Iterator[str]:
    """Functions, then classes with their methods, then errors."""
    named = [(name, getattr(vpcodec, name)) for name in vpcodec.__all__]
    for name, value in named:
        if inspect.isfunction(value):
            yield entry("###", f"vpcodec.{name}{signature(value)}", value)
    classes = [(name, value) for name, value in named if inspect.isclass(value)]
    for name, value in classes:
        if not issubclass(value, Exception):
            yield entry("###", f"vpcodec.{name}", value)
            for method, member in methods(value):
                yield entry("####", f"{name}.{method}{signature(member)}", member)
    yield "### Errors\n"
    rows = [f"| `{name}` | {first_line(value)} |\n" for name, value in classes if issubclass(value, Exception)]
    yield "| error | meaning |\n| --- | --- |\n" + "".join(rows)


def methods(owner: type) -> Iterator[tuple[str, Any]]:
    """Methods and properties of a class that people call, in the order of its source, those of its base first."""
    for name, member in chain.from_iterable(vars(each).items() for each in reversed(owner.__mro__[:-1])):
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if name.startswith("_") or name in INTERNAL or not inspect.isfunction(function):
            continue
        if isinstance(member, property) or not private_classes(function):
            yield name, function


def private_classes(function: Any) -> set[str]:
    """Names in a signature that are classes of the package, and not public: such a method is for the package itself."""
    definition = definition_of(function)
    notes = [each.annotation for each in ast.walk(definition.args) if isinstance(each, ast.arg)]
    words = re.findall(r"\w+", " ".join(ast.unparse(note) for note in [*notes, definition.returns] if note))
    classes = {word: function.__globals__.get(word) for word in words if word not in vpcodec.__all__}
    return {word for word, value in classes.items() if getattr(value, "__module__", "").startswith("vpcodec.")}


def definition_of(function: Any) -> ast.FunctionDef:
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    return definition


def signature(function: Any) -> str:
    """`(samples, sample_rate, *, rate=None) -> bytes`; nothing for a property."""
    definition = definition_of(function)
    if any(isinstance(each, ast.Name) and each.id == "property" for each in definition.decorator_list):
        return ""
    arguments = definition.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    arguments.args = [argument for argument in arguments.args if argument.arg not in ("self", "cls")]
    returns = ast.unparse(definition.returns).strip("'") if definition.returns else "None"
    return f"({ast.unparse(arguments)})" + ("" if returns == "None" else f" -> {returns}")


def entry(level: str, title: str, value: Any) -> str:
    """A heading, and the docstring as Markdown."""
    intro, *sections = SECTION.split(inspect.getdoc(value) or "")
    text = f"{level} `{title}`\n\n{prose(intro)}"
    for heading, body in zip(sections[::2], sections[1::2], strict=True):
        lines = re.sub(r"\n\s{5,}", " ", textwrap.dedent(body).strip())  # a longer explanation goes on, indented
        if heading == "Returns":
            text += f"\n**Returns** {' '.join(lines.split())}\n"
        else:
            items = re.findall(r"^(\w+): (.*(?:\n +.*)*)", lines, flags=re.M)
            text += f"\n{'' if heading in ('Args', 'Attributes') else '**Raises**'}\n"
            text = (
                text.rstrip("\n") + "\n\n" + "".join(f"- `{name}`: {' '.join(what.split())}\n" for name, what in items)
            )
    return text


def prose(text: str) -> str:
    """Text with its examples fenced."""
    blocks = [block for block in text.strip().split("\n\n") if block]
    return "\n".join(f"```\n{block}\n```\n" if block.startswith(">>>") else f"{block}\n" for block in blocks)


def first_line(value: Any) -> str:
    """The first sentence of a docstring."""
    return (inspect.getdoc(value) or "").partition("\n")[0]

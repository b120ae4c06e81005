"""`vpcodec export`: many token files into one file for the training of language models."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from vpcodec.cli.messages import Messages
from vpcodec.cli.options import Force, Inputs, Quiet, Recursive
from vpcodec.errors import VpcodecError

if TYPE_CHECKING:
    from vpcodec.export import Tokens


def export(
    inputs: Inputs,
    output: Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="Output file; - is standard output.")],
    form: Annotated[
        str | None,
        typer.Option("--to", metavar="F", help="npz, parquet or webdataset; OUT's suffix .npz, .parquet or .tar."),
    ] = None,
    recursive: Recursive = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Gather tokens with their lengths, names and model for the training of language models."""
    from vpcodec.corpus.plan import make_plan
    from vpcodec.data.output import open_output
    from vpcodec.data.streams import shown
    from vpcodec.export import WRITERS, checked_format, read_tokens

    write = WRITERS[checked_format(form, output)]
    messages = Messages(quiet=quiet)
    failures: list[VpcodecError] = []
    items = make_plan("decode", inputs, recursive=recursive, output_dir="")

    def readable() -> "Iterator[Tokens]":
        for item in items:
            try:
                yield read_tokens(item.source, shown(item.target))
            except VpcodecError as error:
                failures.append(error)
                named = shown(item.source) in error.what
                messages.error(error.what if named else f"{shown(item.source)}: {error.what}", error.hint)

    with open_output(output, force=force) as out:
        write(readable(), out)
    size = f", {os.path.getsize(output):,} bytes" if os.path.isfile(output) else ""
    messages.note(f"{len(items) - len(failures)} token files -> {shown(output)}{size}")
    if failures:
        raise typer.Exit(1)

"""`vpcodec export`: token files for the training of language models, models for ONNX Runtime."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from vpcodec.cli.messages import Messages
from vpcodec.cli.options import Force, Inputs, Output, Quiet, Recursive
from vpcodec.errors import ConfigError, InputError, VpcodecError

if TYPE_CHECKING:
    from vpcodec.export import Tokens


def export(
    inputs: Inputs,
    output: Output = None,
    form: Annotated[
        str | None,
        typer.Option("--to", metavar="F", help="npz, parquet, webdataset, or onnx for models; by OUT's suffix."),
    ] = None,
    recursive: Recursive = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Gather tokens with their lengths, names and model for the training of language models.

    With --to onnx, write into the folders of models what the onnx engine needs.
    """
    if form == "onnx":
        export_models(inputs, quiet)
        return
    if output is None:
        raise ConfigError("export needs an output", hint="name it with -o, tokens.npz for instance")
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
        if len(failures) == len(items):
            raise InputError(f"{shown(output)}: not written, nothing could be read")

    with open_output(output, force=force) as out:
        write(readable(), out)
    size = f", {os.path.getsize(output):,} bytes" if os.path.isfile(output) else ""
    messages.note(f"{len(items) - len(failures)} token files -> {shown(output)}{size}")
    if failures:
        raise typer.Exit(1)


def export_models(names: list[str], quiet: bool) -> None:
    """Write the graphs of models, named or given by their folders."""
    from vpcodec.graphs import write_graphs
    from vpcodec.registry import find_model

    for name in names:
        folder = find_model(name).path
        write_graphs(folder)
        Messages(quiet=quiet).note(f"{folder}: graphs written")

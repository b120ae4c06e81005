"""`vpcodec export`: token files for the training of language models, models for ONNX Runtime."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from vpcodec.cli.messages import Messages
from vpcodec.cli.options import Force, Inputs, ModelName, Output, Quiet, Recursive
from vpcodec.errors import ConfigError, InputError, VpcodecError

if TYPE_CHECKING:
    from vpcodec.export import Tokens


def export(
    inputs: Inputs,
    output: Output = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="F", help="npz, parquet or webdataset; onnx for models. Default: the suffix of OUT."
        ),
    ] = None,
    model: ModelName = None,
    recursive: Recursive = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Export tokens as arrays, for example to train language models.

    The output also has lengths, names and the model. --to onnx instead writes the graphs of the onnx engine into the
    folders of the given models.
    """
    if form == "onnx":
        if output is not None or recursive or model is not None:
            raise ConfigError("--to onnx writes into the folders of models", hint="remove -o, -m and -r")
        export_models(inputs, Messages(quiet=quiet))
        return
    if output is None:
        raise ConfigError("export needs an output", hint="name it with -o, for example tokens.npz")
    from vpcodec.corpus.plan import make_plan, names_of
    from vpcodec.data.output import open_output, shown_output
    from vpcodec.data.streams import shown
    from vpcodec.export import WRITERS, checked_format, read_tokens

    write = WRITERS[checked_format(form, output)]
    messages = Messages(quiet=quiet)
    failures: list[VpcodecError] = []
    codebooks: set[str] = set()
    names = names_of(make_plan("decode", inputs, recursive=recursive, output_dir=""))

    def readable() -> "Iterator[Tokens]":
        for name, item in names.items():
            try:
                if item.problem and not item.target:  # a folder that cannot be read
                    raise item.problem
                tokens = read_tokens(item.source, shown(name), model)
            except VpcodecError as error:
                failures.append(error)
                messages.failure(shown(item.source), error)
            else:
                codebooks.add("{model} ({weights}) with codebook {codebook}".format_map(tokens.facts))
                yield tokens
        if len(failures) == len(names):
            raise InputError(f"{shown_output(output)}: not written, because no input could be read")

    with open_output(output, force=force) as out:
        write(readable(), out)
    size = f", {os.path.getsize(output):,} bytes" if os.path.isfile(output) else ""
    messages.note(f"{len(names) - len(failures)} token files -> {shown_output(output)}{size}")
    if len(codebooks) > 1:
        messages.note(f"the ids come from different codebooks: {', '.join(sorted(codebooks))}")
    if failures:
        raise typer.Exit(1)


def export_models(names: list[str], messages: Messages) -> None:
    """Write the graphs of models, named or given by their folders; exit with 1 if one of them fails."""
    from vpcodec.graphs import write_graphs
    from vpcodec.registry import find_model

    failed = 0
    for name in names:
        try:
            model = write_graphs(find_model(name).path, messages.note)
            messages.note(f"{model.path}: graphs written")
        except VpcodecError as error:
            failed += 1
            messages.failure(name, error)
    if failed:
        raise typer.Exit(1)

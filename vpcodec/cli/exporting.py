"""`vpcodec export` and `vpcodec import`: token files to arrays of ids for language models, and back."""

import os
from collections.abc import Iterator
from itertools import chain, islice
from types import SimpleNamespace
from typing import TYPE_CHECKING

from vpcodec.cli.messages import Messages
from vpcodec.errors import ConfigError, InputError, VpcodecError, counted

if TYPE_CHECKING:
    from vpcodec.export import Tokens


def export(given: SimpleNamespace) -> int:
    """`vpcodec export`"""
    messages = Messages(quiet=given.quiet)
    if given.to == "onnx":
        if given.output is not None or given.recursive or given.model is not None:
            raise ConfigError("--to onnx writes into the folders of models", hint="remove -o, -m and -r")
        return export_models(given.inputs, messages)
    if given.output is None:
        raise ConfigError("export needs an output", hint="name it with -o, for example tokens.npz")
    if given.to == "codebook":
        export_codebook(given.inputs, given.codebook, given.output, given.force)
        return 0
    if given.codebook is not None:
        raise ConfigError("--codebook is for --to codebook", hint="a token file says its own")
    from vpcodec.export import checked_format

    form = checked_format(given.to, given.output)
    if given.shard_size is not None and given.output == "-":
        raise ConfigError("--shard-size: standard output is one file", hint="name the output with -o")
    return Export(given, form, messages).run()


class Export:
    """A run of `vpcodec export`, in one of the forms of `WRITERS`."""

    def __init__(self, given: SimpleNamespace, form: str, messages: Messages) -> None:
        self.given, self.form, self.messages = given, form, messages
        self.failures = self.count = 0
        self.codebooks: set[str] = set()

    def run(self) -> int:
        """Write all that can be read; returns the exit code."""
        from vpcodec.data.output import shown_output
        from vpcodec.export import shard_name

        output, size = self.given.output, self.given.shard_size
        tokens = self.readable()
        shards = 0
        while (first := next(tokens, None)) is not None:
            name = output if size is None else shard_name(output, shards)
            self.write(name, chain([first], tokens if size is None else islice(tokens, size - 1)))
            shards += 1
        if not self.count:
            raise InputError(f"{shown_output(output)}: not written, because no input could be read")
        if len(self.codebooks) > 1:
            self.messages.note(f"the ids come from different codebooks: {', '.join(sorted(self.codebooks))}")
        return int(self.failures > 0)

    def readable(self) -> "Iterator[Tokens]":
        """The tokens of each input that can be read."""
        from vpcodec.corpus.plan import make_plan, names_of
        from vpcodec.data.streams import shown
        from vpcodec.export import read_tokens

        plan = make_plan("decode", self.given.inputs, recursive=self.given.recursive, output_dir="")
        for name, item in names_of(plan).items():
            try:
                if item.problem and not item.target:  # a folder that cannot be read
                    raise item.problem
                tokens = read_tokens(item.source, shown(name), self.given.model)
            except VpcodecError as error:
                self.failures += 1
                self.messages.failure(shown(item.source), error)
            else:
                self.count += 1
                self.codebooks.add("{model} ({weights}) with codebook {codebook}".format_map(tokens.info))
                yield tokens

    def write(self, name: str, tokens: "Iterator[Tokens]") -> None:
        """One output."""
        from vpcodec.data.output import open_output, shown_output
        from vpcodec.export import WRITERS

        before = self.count - 1  # the first was read to see whether there is any
        with open_output(name, force=self.given.force) as out:
            WRITERS[self.form](tokens, out)
        size = f", {os.path.getsize(name):,} bytes" if os.path.isfile(name) else ""
        self.messages.note(f"{counted(self.count - before, 'token file')} -> {shown_output(name)}{size}")


def export_codebook(names: list[str], codebook: str | None, output: str, force: bool) -> None:
    """Write the vectors of a model's codebook."""
    import numpy as np

    from vpcodec.codec.arrays import codebook_vectors
    from vpcodec.data.output import open_output
    from vpcodec.registry import find_model

    if len(names) != 1:
        raise ConfigError("--to codebook takes one model", hint="name its output with -o")
    model = find_model(names[0])
    vectors = codebook_vectors(model, model.checked_codebook(codebook))
    with open_output(output, force=force) as out:
        np.save(out, vectors)


def export_models(names: list[str], messages: Messages) -> int:
    """Write the graphs of models, named or given by their folders; returns 1 if one of them fails."""
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
    return int(failed > 0)


def import_ids(given: SimpleNamespace) -> int:
    """`vpcodec import`"""
    from vpcodec.data.streams import open_input, shown
    from vpcodec.export import Importer, read_ids

    messages, importer = Messages(quiet=given.quiet), Importer(given.model, given.codebook, given.level)
    if given.output is not None and (given.output_dir is not None or len(given.inputs) > 1):
        raise ConfigError("-o takes one input", hint="use --output-dir alone for several")
    made, failed = TokenFiles(given.output, given.output_dir, given.force), 0
    for source in given.inputs:
        made.begin(source)
        try:
            with open_input(source) as stream:
                for tokens in read_ids(stream):
                    try:
                        for name, content in importer.token_files(tokens):
                            made.add(name, content)
                    except InputError as error:  # the others in the file may be right
                        failed += 1
                        messages.failure(shown(source), error)
        except ConfigError:
            raise
        except VpcodecError as error:
            failed += 1
            messages.failure(shown(source), error)
    made.finish()
    if made.count:
        messages.note(f"{counted(made.count, 'token file')} written" + f", {failed} failed" * bool(failed))
    return int(failed > 0)


class TokenFiles:
    """Where imported token files go, each under a name of its own.

    Args:
        output: The one output, or `-`; None to name them by the arrays.
        output_dir: Their folder; None to write beside the arrays.
        force: Whether to replace what is there.
    """

    def __init__(self, output: str | None, output_dir: str | None, force: bool) -> None:
        self.output, self.output_dir, self.force = output, output_dir, force
        self.taken: set[str] = set()
        self.only: bytes | None = None
        self.count = 0

    def begin(self, source: str) -> None:
        """The following are of another file of arrays."""
        if source == "-" and self.output_dir is None:
            self.output = self.output or source
        self.folder = os.path.dirname(source) if self.output_dir is None else self.output_dir
        self.stem = os.path.splitext(os.path.basename(source))[0]

    def add(self, name: str, content: bytes) -> None:
        """Write one, at once where it is not the only one. Raises InputError and ConfigError."""
        from vpcodec.corpus.plan import TOKENS, output_name
        from vpcodec.export import free_key

        if self.output is not None:
            if self.only is not None:
                raise ConfigError("-o takes one recording or photo, and there are more", hint="use --output-dir")
            self.only = content
            return
        parts = [part for part in name.split("/") if part not in ("", ".", "..")] or [self.stem]  # never out of there
        key = free_key(os.path.join(self.folder, *parts), self.taken)
        self.taken.add(key)
        target = output_name(key, TOKENS)
        if os.path.dirname(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
        self.write(target, content)

    def write(self, target: str, content: bytes) -> None:
        from vpcodec.data.output import open_output

        with open_output(target, force=self.force) as out:
            out.write(content)
        self.count += 1

    def finish(self) -> None:
        """Write the one output."""
        if self.output is not None and self.only is not None:
            self.write(self.output, self.only)

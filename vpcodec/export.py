"""Tokens for language models: many token files into one .npz, Parquet or WebDataset file.

npz         ids      all tokens, one file after the other, rows after rows; uint16 or uint32
            lengths  tokens of each file
            shapes   [files, 2]: channels and time of speech, height and width of an image
            names, kinds, models, weights, codebooks, vocabularies: one entry a file
parquet     one row a file, with the same facts as columns and its tokens as the list `ids`
webdataset  a tar with, for each file, NAME.npy (its tokens, in their shape) and NAME.json (the facts)
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, count
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.tokens import model_to_read, tokens_of
from vpcodec.container import Reader
from vpcodec.data.streams import open_input
from vpcodec.errors import ConfigError, DependencyError

ROW_GROUP = 1000  # files whose tokens Parquet keeps together


@dataclass(frozen=True)
class Tokens:
    """The tokens of one file.

    Attributes:
        ids: [channels, time] of speech, [height, width] of an image; uint16 where the vocabulary allows, else uint32.
        facts: What they are: name, kind, model, weights, codebook, vocabulary, length, shape.
    """

    ids: NDArray[np.unsignedinteger[Any]]
    facts: dict[str, Any]


def read_tokens(source: str, name: str, model: str | None = None) -> Tokens:
    """The tokens of a token file, which is called `name` from then on.

    Args:
        source: The token file.
        name: What it is to be called.
        model: Name or folder of the model that made it; None to look for it.

    Raises:
        InputError: It cannot be read.
        ContainerError: It is damaged.
        ModelError: Its tokens are coded with help of a model that is not installed, or it is an image's.
    """
    with open_input(source) as stream:
        reader = Reader(stream)
        header = reader.header
        folder = model_to_read(header, model, source)
        ids = tokens_of(reader, folder)
    facts = {
        "name": name,
        "kind": header.kind,
        "model": header.model,
        "weights": header.weights.hex(),
        "codebook": str(folder.codebook_name(header.rate) if folder else header.rate),
        "vocabulary": header.vocabulary,
        "length": ids.size,
        "shape": list(ids.shape),
    }
    return Tokens(ids.astype(np.uint16 if header.vocabulary <= 1 << 16 else np.uint32), facts)


def write_npz(tokens: Iterable[Tokens], out: BinaryIO) -> None:
    """All files in one numpy archive; they must fit into memory."""
    everything = list(tokens)
    facts = [each.facts for each in everything]
    names = ("names", "kinds", "models", "weights", "codebooks", "vocabularies", "lengths", "shapes")
    columns = ("name", "kind", "model", "weights", "codebook", "vocabulary", "length", "shape")
    arrays: dict[str, Any] = {
        plural: np.array([row[name] for row in facts]) for plural, name in zip(names, columns, strict=True)
    }
    ids = np.concatenate([each.ids.ravel() for each in everything])
    np.savez_compressed(out, ids=ids, **arrays)


def write_parquet(tokens: Iterable[Tokens], out: BinaryIO) -> None:
    """One row a file. Raises DependencyError without pyarrow."""
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise DependencyError("Parquet needs pyarrow", hint="pip install pyarrow") from None
    text, number, numbers = pyarrow.string(), pyarrow.int64(), pyarrow.list_(pyarrow.int32())
    kinds = {"name": text, "kind": text, "model": text, "weights": text, "codebook": text, "vocabulary": number}
    schema = pyarrow.schema({**kinds, "length": number, "shape": numbers, "ids": numbers})
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in grouped(tokens, ROW_GROUP):
            table = [{**each.facts, "ids": each.ids.ravel()} for each in rows]
            writer.write_table(pyarrow.Table.from_pylist(table, schema))


def write_webdataset(tokens: Iterable[Tokens], out: BinaryIO) -> None:
    """Two members a file. A dot would end a member's key, so dots in names become underscores."""
    taken: set[str] = set()
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for each in tokens:
            key = free_key(each.facts["name"].replace(".", "_"), taken)
            taken.add(key)
            array = io.BytesIO()
            np.save(array, each.ids)
            add(tar, f"{key}.npy", array.getvalue())
            add(tar, f"{key}.json", json.dumps(each.facts).encode())


def free_key(wanted: str, taken: set[str]) -> str:
    """`a`, or where that is taken the first of `a_2`, `a_3` ... that is not."""
    numbered = (f"{wanted}_{number}" for number in count(2))
    return next(key for key in chain([wanted], numbered) if key not in taken)


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Append a member that is the same whenever and by whomever it is written."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def grouped(tokens: Iterable[Tokens], size: int) -> Iterable[list[Tokens]]:
    """Lists of at most `size`."""
    group: list[Tokens] = []
    for each in tokens:
        group.append(each)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


WRITERS: dict[str, Callable[[Iterable[Tokens], BinaryIO], None]] = {
    "npz": write_npz,
    "parquet": write_parquet,
    "webdataset": write_webdataset,
}
SUFFIXES = {"npz": ".npz", "parquet": ".parquet", "webdataset": ".tar"}


def checked_format(form: str | None, output: str) -> str:
    """The format asked for, else the one that an output's name has. Raises ConfigError where neither is known."""
    if form is None:
        form = next((name for name, suffix in SUFFIXES.items() if output.endswith(suffix)), "")
    if form not in WRITERS:
        raise ConfigError(f"cannot export to {form or output!r}", hint=f"use --to {', '.join(WRITERS)}")
    return form

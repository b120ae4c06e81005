"""Tokens for language models: token files as arrays of ids in .npz, Parquet or WebDataset; `importing` goes back.

npz         ids      all tokens, one file after the other, rows after rows; uint16 or uint32
            info    what is known of each file, as lines of JSON in an array of bytes
            name, length, shape and all other single values of the info, as arrays with one entry a file
parquet     one row a file, with the info as columns and its tokens as the list `ids`
webdataset  a tar with, for each file, NAME.npy (its tokens, in their shape) and NAME.json (the info)

C channels of a recording, or pairs of channels that share tokens, T positions in time, H x W positions of an image,
G codes a position (of codebooks such as 2x1024: each has ids of its own, the last axis), F frames of a token file
"""

import io
import json
import os
import tarfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, count, islice
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import split_ids
from vpcodec.codec.sound_windows import levels_in
from vpcodec.codec.token_files import SIGNALS, joined, model_to_read, prior_of
from vpcodec.container import Reader
from vpcodec.data.streams import open_input
from vpcodec.errors import ConfigError, DependencyError
from vpcodec.registry import groups_of

ROW_GROUP = 1000  # files whose tokens Parquet keeps together


@dataclass(frozen=True)
class Tokens:
    """The tokens of one file.

    Attributes:
        ids: [C, T] of speech, [H, W] of an image, [C, T, G] and [H, W, G] of several codes a position; uint16 where
            the vocabulary allows, else uint32.
        info: What they are, for people and `importing`:
            name, kind, model, weights (identity of the model), codebook (its name: "1024", "2x1024"),
            vocabulary (ids are below it), length (ids in all), shape (of `ids`),
            tokens_per_second (positions of a channel; 0 for an image, or without the model),
            sample_rate, samples, width, height (of the source; 0 for the other kind), channels, bit_depth, floating,
            levels (dBFS, [F * C]), window and group (`columns` and `group` of the token file's header),
            metadata (title and so on: names to Base64, as JSON).
    """

    ids: NDArray[np.unsignedinteger[Any]]
    info: dict[str, Any]


def read_tokens(source: str, name: str, model: str | None = None) -> Tokens:
    """The tokens of a token file, which is called `name` from then on.

    Args:
        source: The token file.
        name: What it is to be called.
        model: Name or folder of the model that made it; None to look for it.

    Raises:
        InputError: It cannot be read.
        ContainerError: It is damaged.
        ModelError: Its tokens cannot be read without the model that made it, which is not installed.
    """
    with open_input(source) as stream:
        reader = Reader(stream)
        header = reader.header
        folder = model_to_read(header, model, source)
        frames = list(reader.frames(prior_of(header, folder)))
        ids = joined(frames, header, folder)
    codebook = folder.codebook_name(header.rate) if folder else header.rate
    groups = groups_of(codebook)
    vocabulary = round(header.vocabulary ** (1 / groups))
    if groups > 1:
        ids = split_ids(ids, groups, vocabulary)
    signal = SIGNALS[header.kind]
    facts = dict.fromkeys(("sample_rate", "samples", "width", "height"), 0) | vars(header.signal)
    facts.pop("channels_per_token", None)  # the model tells it
    info = {
        "name": name,
        "kind": header.kind,
        "model": header.model,
        "weights": header.weights.hex(),
        "codebook": str(codebook),
        "vocabulary": vocabulary,
        "length": ids.size,
        "shape": list(ids.shape),
        "tokens_per_second": signal.tokens_per_unit(folder.facts) if folder and signal.streams else 0.0,
        **(facts | {"samples": reader.length}),
        "levels": [level for frame in frames for level in levels_in(frame)],
        "window": header.columns,
        "group": header.group,
        "metadata": json.dumps({key: b64encode(content).decode() for key, content in header.metadata}),
    }
    return Tokens(ids.astype(np.uint16 if vocabulary <= 1 << 16 else np.uint32), info)


def write_npz(tokens: Iterable[Tokens], out: BinaryIO) -> None:
    """All files in one numpy archive; they must fit into memory."""
    everything = list(tokens)
    info = [each.info for each in everything]
    ranks = max(len(each["shape"]) for each in info)
    single = [key for key, value in info[0].items() if not isinstance(value, list) and key != "metadata"]
    arrays: dict[str, Any] = {key: np.array([each[key] for each in info]) for key in single}
    arrays["shape"] = np.array([each["shape"] + [1] * (ranks - len(each["shape"])) for each in info])
    arrays["info"] = np.frombuffer("\n".join(map(json.dumps, info)).encode(), np.uint8)
    np.savez_compressed(out, ids=np.concatenate([each.ids.ravel() for each in everything]), **arrays)


def write_parquet(tokens: Iterable[Tokens], out: BinaryIO) -> None:
    """One row a file. Raises DependencyError without pyarrow."""
    pyarrow, parquet = parquet_modules()
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    lists = {"levels": pyarrow.list_(pyarrow.float32()), "ids": pyarrow.list_(pyarrow.int64())}
    writer = None
    for rows in in_groups(tokens, ROW_GROUP):
        table = [{**each.info, "ids": each.ids.ravel()} for each in rows]
        if writer is None:
            integers = pyarrow.list_(pyarrow.int32())
            schema = {key: lists.get(key, types.get(type(value), integers)) for key, value in table[0].items()}
            writer = parquet.ParquetWriter(out, pyarrow.schema(schema), compression="zstd")
        writer.write_table(pyarrow.Table.from_pylist(table, writer.schema))
    if writer is not None:
        writer.close()


def parquet_modules() -> tuple[Any, Any]:
    """pyarrow and its reader and writer of Parquet. Raises DependencyError."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise DependencyError("Parquet needs pyarrow", hint="pip install pyarrow") from None


def write_webdataset(tokens: Iterable[Tokens], out: BinaryIO) -> None:
    """Two members a file. A dot would end a member's key, so dots in names become underscores."""
    taken: set[str] = set()
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for each in tokens:
            key = free_key(each.info["name"].replace(".", "_"), taken)
            taken.add(key)
            array = io.BytesIO()
            np.save(array, each.ids)
            add(tar, f"{key}.npy", array.getvalue())
            add(tar, f"{key}.json", json.dumps(each.info).encode())


def free_key(wanted: str, taken: set[str]) -> str:
    """`a`, or where that is taken the first of `a_2`, `a_3` ... that is not."""
    numbered = (f"{wanted}_{number}" for number in count(2))
    return next(key for key in chain([wanted], numbered) if key not in taken)


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Append a member that is the same whenever and by whomever it is written."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def in_groups(tokens: Iterable[Tokens], size: int) -> Iterator[list[Tokens]]:
    """Lists of at most `size`."""
    upcoming = iter(tokens)
    while group := list(islice(upcoming, size)):
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


def shard_name(output: str, number: int) -> str:
    """`tokens-000002.tar` for the third part of `tokens.tar`."""
    stem, suffix = os.path.splitext(output)
    return f"{stem}-{number:06d}{suffix}"

"""Arrays of ids to token files: what `export` wrote, or what a language model sampled.

.npz, Parquet and WebDataset as in `export`, of which a file needs `ids` alone; .npy, and .npz with nothing but `ids`:
speech is [T] or a batch [B, T], an image [H, W] or a batch [B, H, W]. Where a codebook such as 2x1024 has G codes a
position, another axis with G ids follows. What an export says of its files is taken from there, so that its token files
come back byte for byte; all else is as `-m` and the other options say.
"""

import io
import json
import math
import tarfile
import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import join_ids
from vpcodec.codec.engines import checked_tokens
from vpcodec.codec.signals import Signal
from vpcodec.codec.token_files import SIGNALS, new_header
from vpcodec.container import Writer
from vpcodec.data.level import TARGET
from vpcodec.data.streams import peek, seekable
from vpcodec.errors import ConfigError, InputError, ModelError
from vpcodec.export import ROW_GROUP, Tokens, parquet_modules
from vpcodec.registry import ModelFolder, find_model


def read_ids(stream: BinaryIO) -> Iterator[Tokens]:
    """The arrays of a file, with what the file says of them: all, some or nothing of the info in `Tokens`.

    Raises:
        InputError: It is none of the formats, or damaged.
        DependencyError: It is Parquet, and pyarrow is not installed.
    """
    head, stream = peek(stream)
    reader = next((read for mark, place, read in READERS if head[place:].startswith(mark)), None)
    if reader is None:
        raise InputError("holds no arrays of ids", hint="give .npy, .npz, Parquet or a WebDataset tar")
    with seekable(stream) as whole:
        try:
            yield from reader(whole)
        except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise InputError(f"cannot be read as arrays of ids ({error})") from error


def read_npy(stream: BinaryIO) -> Iterator[Tokens]:
    yield Tokens(np.load(stream, allow_pickle=False), {})


def read_npz(stream: BinaryIO) -> Iterator[Tokens]:
    with np.load(stream, allow_pickle=False) as archive:
        arrays = dict(archive)
    ids, info = arrays.pop("ids"), arrays.pop("info", None)
    if "length" not in arrays:
        yield Tokens(ids, {})
        return
    columns = {name: array.tolist() for name, array in arrays.items() if len(array) == len(arrays["length"])}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    known = json.loads(f"[{bytes(info).decode()}]".replace("\n", ",")) if info is not None else [{} for _ in rows]
    if len(known) != len(rows) or ids.ndim != 1 or arrays["length"].sum() != len(ids):
        raise ValueError("its ids are not as many as `length` says")
    for piece, row, more in zip(np.split(ids, arrays["length"].cumsum()[:-1]), rows, known, strict=True):
        yield Tokens(piece, {**row, **more})


def read_parquet(stream: BinaryIO) -> Iterator[Tokens]:
    for batch in parquet_modules()[1].ParquetFile(stream).iter_batches(ROW_GROUP):
        for row in batch.to_pylist():
            yield Tokens(np.array(row.pop("ids")), row)


def read_webdataset(stream: BinaryIO) -> Iterator[Tokens]:
    with tarfile.open(fileobj=stream) as tar:
        members = (member for member in tar if member.isfile())
        for key, sample in groupby(members, lambda member: key_of(member.name)[0]):
            files = {key_of(member.name)[1]: tar.extractfile(member).read() for member in sample}  # type: ignore[union-attr]
            if "npy" in files:
                ids = np.load(io.BytesIO(files["npy"]), allow_pickle=False)
                yield Tokens(ids, {"name": key, **json.loads(files.get("json", b"{}"))})


def key_of(name: str) -> tuple[str, str]:
    """Key and extension of a member: `a/b.npy` -> (`a/b`, `npy`); the first dot of the file's own name parts them."""
    folder, slash, own = name.rpartition("/")
    stem, _, extension = own.partition(".")
    return folder + slash + stem, extension


# What a file has where, and how it is read.
READERS: tuple[tuple[bytes, int, Callable[[BinaryIO], Iterator[Tokens]]], ...] = (
    (b"\x93NUMPY", 0, read_npy),
    (b"PK\x03\x04", 0, read_npz),
    (b"PAR1", 0, read_parquet),
    (b"ustar", 257, read_webdataset),
)


@dataclass(frozen=True)
class Importer:
    """Makes token files of ids.

    Attributes:
        model: Name or folder of the model whose ids they are; None where the arrays' info names it.
        codebook: Its codebook; None for that of the arrays' info, or its largest.
        level: dBFS of speech that comes without levels.
    """

    model: str | None = None
    codebook: str | None = None
    level: float = TARGET

    def token_files(self, tokens: Tokens) -> Iterator[tuple[str, bytes]]:
        """Each recording or photo of an array: its name, empty where nothing names it, and its token file.

        Raises:
            InputError: They are not ids of this model and codebook.
            ConfigError: Nobody says which model they are for, or it lacks the codebook.
            ModelError: The model is not installed, or only with other weights.
        """
        info = tokens.info
        if self.model is None and "model" not in info:
            raise ConfigError("nothing says which model these ids are for", hint="name it with -m")
        model = find_model(self.model or info["model"])
        if info.get("weights", model.checksum.hex()) != model.checksum.hex():
            what = (
                f"the ids are of {info.get('model')} ({info['weights']}), here is {model.name} ({model.checksum.hex()})"
            )
            raise ModelError(what, hint="install the version of the model that made them, or give its folder with -m")
        rate = model.checked_codebook(self.codebook or info.get("codebook"))
        groups, size = model.codes(rate)
        try:
            for ids in separate(tokens, SIGNALS[model.facts.kind], groups):
                found = join_ids(ids, groups, size) if groups > 1 else checked_tokens(ids, size)
                yield str(info.get("name", "")), self.token_file(found, info, model, rate)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"its info is not that of an export ({error})") from error

    def token_file(self, ids: NDArray[np.int64], info: dict[str, Any], model: ModelFolder, rate: int) -> bytes:
        """The token file of ids [C, T] or [H, W]."""
        signal = SIGNALS[model.facts.kind]
        facts, length = signal.described(ids, info, model.facts)
        metadata = {name: b64decode(content) for name, content in json.loads(info.get("metadata") or "{}").items()}
        out = io.BytesIO()
        header = new_header(model, rate, facts, metadata)
        if info.get("window"):
            header = replace(header, columns=int(info["window"]), group=int(info["group"]))
        writer = Writer(out, header, model.prior(rate))
        levels = np.array(list(info.get("levels") or []) or [self.level] * len(ids), float)
        for frame in signal.split(ids, levels.reshape(-1, len(ids)), header.columns):
            writer.write(frame)
        writer.close(length)
        return out.getvalue()


def separate(tokens: Tokens, signal: Signal, groups: int) -> Iterator[NDArray[Any]]:
    """The arrays [C, T], [H, W] or, with groups, those with a last axis of G, that one may hold. Raises InputError."""
    ids, last = tokens.ids, [groups] * (groups > 1)
    if "shape" in tokens.info:
        shape = [*tokens.info["shape"][:2], *last]
        if np.prod(shape) != ids.size and signal.streams and shape[0] == 1:
            shape[1] = ids.size // math.prod(last)  # a language model has gone on, or stopped early
        if np.prod(shape) != ids.size:
            raise InputError(f"has {ids.size:,} ids, and its shape is {tokens.info['shape']}")
        yield ids.reshape(shape)
        return
    if ids.size == 0:
        raise InputError("holds no ids")
    single = len(signal.axes) + len(last)
    if ids.ndim not in (single, single + 1) or list(ids.shape[ids.ndim - len(last) :]) != last:
        axes = ", ".join([*signal.axes, *map(str, last)])
        raise InputError(
            f"holds an array of shape {list(ids.shape)}, expected [{axes}] or [B, {axes}] of {signal.kind}"
        )
    for each in ids if ids.ndim > single else [ids]:
        yield each.reshape([1] * (2 - len(signal.axes)) + list(each.shape))

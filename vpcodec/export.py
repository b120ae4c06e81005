"""Token files to arrays of ids in .npz, Parquet or WebDataset, for language models, and arrays of ids to token files.

npz         ids      all tokens, one file after the other, rows after rows; uint16 or uint32
            info    what is known of each file, as lines of JSON in an array of bytes
            name, length, shape and all other single values of the info, as arrays with one entry a file
parquet     one row a file, with the info as columns and its tokens as the list `ids`
webdataset  a tar with, for each file, NAME.npy (its tokens, in their shape) and NAME.json (the info)

C channels of a recording, or pairs of channels that share tokens, T positions in time, H x W positions of an image,
G codes a position (of codebooks such as 2x1024: each has ids of its own, the last axis), F frames of a token file

Read back is all of this, of which a file needs `ids` alone, and .npy: speech is [T] or a batch [B, T], an image [H, W]
or a batch [B, H, W], with G ids as another axis where a position has G codes. What an export says of its files is taken
from there, so that its token files come back byte for byte; all else is as `-m` and the other options say.
"""

import io
import json
import math
import os
import tarfile
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import chain, count, groupby, islice
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import join_ids, split_ids
from vpcodec.codec.engines import checked_tokens
from vpcodec.codec.signals import Signal
from vpcodec.codec.sound_windows import levels_in
from vpcodec.codec.token_files import SIGNALS, model_to_read, new_header, prior_of
from vpcodec.container import Reader, Writer
from vpcodec.data.level import TARGET
from vpcodec.data.streams import open_input, peek, seekable
from vpcodec.errors import ConfigError, DependencyError, InputError, ModelError
from vpcodec.registry import ModelFolder, find_model, groups_of

ROW_GROUP = 1000  # files whose tokens Parquet keeps together


@dataclass(frozen=True)
class Tokens:
    """The tokens of one file.

    Attributes:
        ids: [C, T] of speech, [H, W] of an image, [C, T, G] and [H, W, G] of several codes a position; uint16 where
            the vocabulary allows, else uint32.
        info: What they are, for people and `Importer`:
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
    """The tokens of a token file, which is called `name` from then on; `model` made it, None to look for that.

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
        ids = SIGNALS[header.kind].tokens(header, frames, folder)
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
    writer, upcoming = None, iter(tokens)
    while rows := list(islice(upcoming, ROW_GROUP)):
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
            for suffix, content in (("npy", array.getvalue()), ("json", json.dumps(each.info).encode())):
                member = tarfile.TarInfo(f"{key}.{suffix}")  # the same whenever and by whomever it is written
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def free_key(wanted: str, taken: set[str]) -> str:
    """`a`, or where that is taken the first of `a_2`, `a_3` ... that is not."""
    numbered = (f"{wanted}_{number}" for number in count(2))
    return next(key for key in chain([wanted], numbered) if key not in taken)


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

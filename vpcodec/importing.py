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

from vpcodec.codec.engines import checked_tokens
from vpcodec.codec.image import positions, tiles
from vpcodec.codec.tensors import join_ids, side_of
from vpcodec.codec.token_files import SIGNALS, new_header
from vpcodec.codec.windows import CORES
from vpcodec.container import Frame, ImageFacts, SpeechFacts, Writer
from vpcodec.data.level import TARGET
from vpcodec.data.resample import resampled_length
from vpcodec.data.streams import peek, seekable
from vpcodec.errors import ConfigError, InputError, ModelError
from vpcodec.export import ROW_GROUP, Tokens, parquet_modules
from vpcodec.registry import ModelFacts, ModelFolder, find_model


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
            for ids in separate(tokens, model.facts.kind, groups):
                found = join_ids(ids, groups, size) if groups > 1 else checked_tokens(ids, size)
                yield str(info.get("name", "")), self.token_file(found, info, model, rate)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"its info is not that of an export ({error})") from error

    def token_file(self, ids: NDArray[np.int64], info: dict[str, Any], model: ModelFolder, rate: int) -> bytes:
        """The token file of ids [C, T] or [H, W]."""
        speech = SIGNALS[model.facts.kind].streams
        signal, length = (sound_of if speech else picture_of)(ids, info, model.facts)
        metadata = {name: b64decode(content) for name, content in json.loads(info.get("metadata") or "{}").items()}
        out = io.BytesIO()
        header = new_header(model, rate, signal, metadata)
        if speech and info.get("window"):
            header = replace(header, columns=int(info["window"]), group=int(info["group"]))
        writer = Writer(out, header, model.prior(rate))
        for frame in self.frames(ids, info, header.columns or CORES[header.kind]) if speech else tiles_of(ids):
            writer.write(frame)
        writer.close(length)
        return out.getvalue()

    def frames(self, ids: NDArray[np.int64], info: dict[str, Any], window: int) -> Iterator[Frame]:
        """Frames of speech [C, T]; the last level known goes on where ids were added."""
        rows, columns = ids.shape
        levels = list(info.get("levels") or []) or [self.level] * rows
        for number, start in enumerate(range(0, columns, window)):
            own = levels[number * rows : (number + 1) * rows] or levels[-rows:]
            yield Frame(np.ascontiguousarray(ids[:, start : start + window]), side_of(np.array(own)))


def separate(tokens: Tokens, kind: str, groups: int) -> Iterator[NDArray[Any]]:
    """The arrays [C, T], [H, W] or, with groups, those with a last axis of G, that one may hold. Raises InputError."""
    ids, last = tokens.ids, [groups] * (groups > 1)
    if "shape" in tokens.info:
        shape = [*tokens.info["shape"][:2], *last]
        if np.prod(shape) != ids.size and SIGNALS[kind].streams and shape[0] == 1:
            shape[1] = ids.size // math.prod(last)  # a language model has gone on, or stopped early
        if np.prod(shape) != ids.size:
            raise InputError(f"has {ids.size:,} ids, and its shape is {tokens.info['shape']}")
        yield ids.reshape(shape)
        return
    if ids.size == 0:
        raise InputError("holds no ids")
    axes = ("T", "B, T") if SIGNALS[kind].streams else ("H, W", "B, H, W")
    single = len(last) + len(axes[0].split(", "))
    if ids.ndim not in (single, single + 1) or list(ids.shape[ids.ndim - len(last) :]) != last:
        ends = f", {groups}" if last else ""
        expected = " or ".join(f"[{each}{ends}]" for each in axes)
        raise InputError(f"holds an array of shape {list(ids.shape)}, expected {expected} of {kind}")
    for each in ids if ids.ndim > single else [ids]:
        yield each[None] if SIGNALS[kind].streams else each


def sound_of(ids: NDArray[np.int64], info: dict[str, Any], facts: ModelFacts) -> tuple[SpeechFacts, int]:
    """What the header says of a recording of ids [C, T], and its samples: those of the info where they fit."""
    rate, most = int(info.get("sample_rate") or facts.sample_rate), ids.shape[1] * facts.hop
    together, channels = facts.network.channels, int(info.get("channels") or 0)
    if -(-channels // together) != len(ids):
        channels = len(ids) * together
    signal = SpeechFacts(rate, channels, info.get("bit_depth", 16), info.get("floating", False))
    samples = int(info.get("samples") or 0)
    if not most - facts.hop < resampled_length(samples, rate, facts.sample_rate) <= most:
        samples = most * rate // facts.sample_rate
    return signal, samples


def picture_of(ids: NDArray[np.int64], info: dict[str, Any], facts: ModelFacts) -> tuple[ImageFacts, int]:
    """What the header says of an image of ids [H, W]; its size is that of the info where it fits."""
    height, width = int(info.get("height") or 0), int(info.get("width") or 0)
    if positions(height, width, facts.hop) != ids.shape:
        height, width = ids.shape[0] * facts.hop, ids.shape[1] * facts.hop
    more = {key: info[key] for key in ("channels", "bit_depth", "floating") if key in info}
    return ImageFacts(width, height, **more), 0


def tiles_of(ids: NDArray[np.int64]) -> Iterator[Frame]:
    """Frames of an image [H, W], tile by tile."""
    for row, column in tiles(ids.shape[0], ids.shape[1], 0):
        tile = ids[row.core_start : row.core_stop, column.core_start : column.core_stop]
        yield Frame(np.ascontiguousarray(tile))

"""Ids without a token file: signals to arrays of ids and back, for those who train generators on them.

numpy in gives numpy out, and a torch tensor gives tensors on its own device. The ids and the signals are those that
token files hold, bit for bit; what a token file keeps beside its ids, `Tokens` has as arrays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.codec.arrays import array_of, bytes_of_array, columns, photo_of, subtype_of_array, whole_rate
from vpcodec.codec.engines import Engine, checked_tokens
from vpcodec.codec.signals import Coding
from vpcodec.codec.speech_windows import Samples, SpeechDecoder, SpeechEncoder
from vpcodec.codec.token_files import SIGNALS
from vpcodec.codec.windows import CORES
from vpcodec.container import Frame, Header, ImageFacts
from vpcodec.data.level import LOUDEST, QUIETEST, STEP, TARGET, bytes_of_levels, levels_of
from vpcodec.data.pcm import samples_of
from vpcodec.data.resample import checked_rate, resample
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder, groups_of

Ids: TypeAlias = NDArray[np.int64]
Like: TypeAlias = Callable[[NDArray[Any]], Any]


@dataclass(frozen=True)
class Tokens:
    """The tokens of a batch of signals.

    Attributes:
        ids: [B, T] of sound or [B, H, W] of images, int64; 0 behind the end of a shorter sound.
        lengths: [B, 1] samples at the codec's rate, or [B, 2] rows and columns of pixels.
        levels: [B, windows] dBFS of each window of 2,048 tokens, which its ids do not tell; none of images.
    """

    ids: Any
    lengths: Any
    levels: Any


def encode_tokens(model: ModelFolder, engine: Engine, signal: Any, sample_rate: float | None, rate: int) -> Tokens:
    """See `Codec.encode_tokens`."""
    form = form_of(model)
    rows, like = rows_of(signal, len(form.least), "a signal")
    found = form.encode(model, engine, rows, sample_rate, rate)
    ids = padded([each for each, _, _ in found], (0,) * form.ids_axes, np.int64)
    lengths = padded([np.array(length) for _, length, _ in found], (form.ids_axes,), np.int64)
    levels = padded([np.array(level) for _, _, level in found], (0,), np.float32, TARGET)
    return Tokens(like(ids), like(lengths), like(levels))


def decode_tokens(model: ModelFolder, engine: Engine, ids: Any, rate: int, level: Any, lengths: Any) -> Any:
    """See `Codec.decode_tokens`."""
    form = form_of(model)
    rows, like = rows_of(ids, form.ids_axes, "an array of ids")
    many, vocabulary = len(rows) > 1, model.vocabulary(rate)
    rows = [checked_tokens(row, vocabulary, (place,) * many) for place, row in enumerate(rows)]
    levels, sizes = levels_for(level, len(rows)), sizes_for(lengths, len(rows), form.ids_axes)
    return like(padded(form.decode(model, engine, rows, levels, sizes, rate), form.least, form.dtype))


def padded(rows: list[NDArray[Any]], least: tuple[int, ...], dtype: DTypeLike, filling: float = 0) -> NDArray[Any]:
    """Arrays of any sizes as one [B, ...], the smaller ones filled up; `least` is the shape that it has at least."""
    whole = np.full((len(rows), *np.max([least, *(row.shape for row in rows)], axis=0)), filling, dtype)
    for place, row in enumerate(rows):
        whole[place][tuple(map(slice, row.shape))] = row
    return whole


def sizes_for(lengths: Any, count: int, axes: int) -> list[list[int]]:
    """A list of `axes` numbers for each of `count` signals; empty ones where none are given."""
    if lengths is None:
        return [[] for _ in range(count)]
    array = numbers(lengths)
    try:
        if array.size and array.dtype.kind not in "iu":
            raise ValueError
        return np.broadcast_to(array.reshape(-1, axes), (count, axes)).tolist()
    except ValueError:
        what = f"lengths of {array.dtype} and shape {list(array.shape)} are not those of {count} signals"
        raise ConfigError(what, hint=f"use integers [{count}, {axes}]") from None


def levels_for(level: Any, count: int) -> Samples:
    """dBFS [B, windows] of what is one for all, one a signal, or one a window."""
    array = numbers(level)
    try:
        levels = np.atleast_1d(array).astype(np.float32)
        if levels.ndim == 1:
            levels = levels[None] if count == 1 else levels[:, None]
        return np.broadcast_to(levels, (count, levels.shape[1]))
    except (TypeError, ValueError):
        what = f"levels of {array.dtype} and shape {list(array.shape)} are not those of {count} signals"
        raise ConfigError(what, hint=f"use one number, [{count}] or [{count}, windows]") from None


class Form(Protocol):
    """How a kind of signal stands in an array, and the way to ids and back.

    Attributes:
        least: Shape of the smallest array of a signal.
        dtype: Of decoded signals.
        ids_axes: Axes of its ids, and numbers of its length.
    """

    least: tuple[int, ...]
    dtype: DTypeLike
    ids_axes: int

    def encode(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[Ids, list[int], list[float]]]:
        """Ids, lengths and levels of each signal."""

    def decode(
        self, model: ModelFolder, engine: Engine, rows: list[Ids], levels: Samples, sizes: list[list[int]], rate: int
    ) -> list[NDArray[Any]]:
        """Each signal; an empty size leaves it as long as its ids make it."""


class Sound:
    """Waveforms [n], or [n, 2] for a model of two channels, ids [T].

    Sounds of one length are computed together where the engine can.
    """

    dtype: DTypeLike = np.float32
    ids_axes = 1

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.least: tuple[int, ...] = (0,) if channels == 1 else (0, channels)

    def encode(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[Ids, list[int], list[float]]]:
        if sample_rate is None:
            raise ConfigError("the sample rate of an array is unknown", hint="add sample_rate=16_000, for example")
        facts, hertz = model.facts, checked_rate(whole_rate(sample_rate), "the signal")
        sounds = []
        for row in rows:
            block = columns(row)
            if block.shape[1] != self.channels:
                raise ConfigError(f"a sound of shape {list(row.shape)} has not {self.channels} channels")
            sound = samples_of(bytes_of_array(block), subtype_of_array(block.dtype)).reshape(-1, self.channels)
            if not len(sound):
                raise ConfigError("a sound has no samples")
            sounds.append(sound if hertz == facts.sample_rate else resample(sound, hertz, facts.sample_rate))
        found: dict[int, tuple[Ids, list[int], list[float]]] = {}
        for places in of_equal_size([len(sound) for sound in sounds]):
            encoder = SpeechEncoder(facts, rate, len(places) * self.channels)
            block = np.concatenate([sounds[place] for place in places], axis=1)
            frames = [compute(engine) for compute in encoder.push(block) + encoder.finish()]
            ids = np.concatenate([frame.tokens for frame in frames], axis=1)
            stored = np.array([levels_of(frame.side, len(places)) for frame in frames])
            for number, place in enumerate(places):
                found[place] = ids[number], [len(block)], (QUIETEST + STEP * stored[:, number]).tolist()
        return [found[place] for place in range(len(rows))]

    def decode(
        self, model: ModelFolder, engine: Engine, rows: list[Ids], levels: Samples, sizes: list[list[int]], rate: int
    ) -> list[NDArray[Any]]:
        facts, core = model.facts, CORES[model.facts.kind]
        lengths = [size[0] if size else len(row) * facts.hop for row, size in zip(rows, sizes, strict=True)]
        for row, length in zip(rows, lengths, strict=True):
            if not 1 <= length <= len(row) * facts.hop:
                raise InputError(f"{len(row)} ids are not a sound of {length} samples")
        found: dict[int, Samples] = {}
        for places in of_equal_size(lengths):
            length = lengths[places[0]]
            count = -(-length // facts.hop)
            ids = np.stack([rows[place][:count] for place in places])
            decoder, windows = SpeechDecoder(facts, rate), []
            for number, start in enumerate(range(0, count, core)):
                level = levels[places, min(number, levels.shape[1] - 1)]
                windows += decoder.push(Frame(ids[:, start : start + core], side_of(level)))
            windows += decoder.finish(length)
            sounds = np.concatenate([compute(engine) for compute in windows])
            each = sounds.reshape(len(sounds), -1, *self.least[1:])
            found.update({place: each[:, number] for number, place in enumerate(places)})
        return [found[place] for place in range(len(rows))]


class Pixels:
    """Pictures [height, width, 3] uint8, ids [H, W]."""

    least: tuple[int, ...] = (0, 0, 3)
    dtype: DTypeLike = np.uint8
    ids_axes = 2

    def encode(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[Ids, list[int], list[float]]]:
        from vpcodec.codec.image import encode_tiles

        if sample_rate is not None:
            raise ConfigError("sample_rate is for samples in an array", hint="remove it; a photo has none")
        found: dict[int, Ids] = {}
        for places in of_equal_size([row.shape for row in rows]):
            photos = [photo_of(rows[place]) for place in places]
            coding = image_coding(model, engine, photos[0].info.height, photos[0].info.width, rate)
            parts = [compute(engine) for compute in encode_tiles(coding, photos)]
            for number, place in enumerate(places):
                frames = [Frame(part[number]) for part in parts]
                found[place] = SIGNALS["image"].join(coding.header, frames, model)
        return [(found[place], list(row.shape[:2]), []) for place, row in enumerate(rows)]

    def decode(
        self, model: ModelFolder, engine: Engine, rows: list[Ids], levels: Samples, sizes: list[list[int]], rate: int
    ) -> list[NDArray[Any]]:
        from vpcodec.codec.image import decode_tiles, image_facts, pixels_of, positions

        hop, found = model.facts.hop, dict[int, NDArray[np.uint8]]()
        sizes = [size or [side * hop for side in row.shape] for size, row in zip(sizes, rows, strict=True)]
        for row, (height, width) in zip(rows, sizes, strict=True):
            if not (0 < height <= row.shape[0] * hop and 0 < width <= row.shape[1] * hop):
                raise InputError(f"ids of shape {list(row.shape)} are not a picture of {width}x{height} pixels")
        for places in of_equal_size(sizes):
            height, width = sizes[places[0]]
            used = tuple(slice(side) for side in positions(height, width, hop))
            coding = image_coding(model, engine, height, width, rate)
            grids = np.stack([rows[place][used] for place in places])
            parts = (compute(engine) for compute in decode_tiles(coding, grids))
            found.update(zip(places, pixels_of(parts, image_facts(coding.header), len(places)), strict=True))
        return [found[place] for place in range(len(rows))]


def form_of(model: ModelFolder) -> Form:
    """How the signals of a model stand in arrays."""
    return Sound(model.facts.network.channels) if SIGNALS[model.facts.kind].streams else Pixels()


def image_coding(model: ModelFolder, engine: Engine, height: int, width: int, rate: int) -> Coding:
    facts = ImageFacts(width, height, 3, 8)
    return Coding(engine, model, Header(model.name, model.checksum, rate, model.radices(rate), facts))


def codebook_vectors(model: ModelFolder, rate: int) -> NDArray[np.float32]:
    """See `Codec.codebook_vectors`."""
    import torch

    groups, size = model.codes(rate)
    ids = torch.arange(size) * size ** torch.arange(groups)[:, None]
    vectors = model.autoencoder().quantizer.decode(ids, rate)
    if groups == 1:
        return np.asarray(vectors[0])
    parts = vectors.chunk(max(map(groups_of, model.codebooks)), dim=-1)  # each group's own channels
    return np.stack([parts[group][group] for group in range(groups)])


def split_ids(ids: NDArray[Any], groups: int, size: int) -> NDArray[Any]:
    """Ids [...] as the ids of their codes [..., G], each below `size`."""
    return np.stack([ids // size**group % size for group in range(groups)], axis=-1)


def join_ids(codes: NDArray[Any], groups: int, size: int) -> Ids:
    """What `split_ids` was given. Raises InputError for another number of codes, and for one that is not below size."""
    if codes.shape[-1:] != (groups,):
        raise InputError(f"ids of shape {list(codes.shape)} do not end with {groups} codes a position")
    return (checked_tokens(codes, size) * size ** np.arange(groups)).sum(axis=-1)


def of_equal_size(sizes: Sequence[Any]) -> list[list[int]]:
    """Places in a batch, those of equal size together."""
    groups: dict[str, list[int]] = {}
    for place, size in enumerate(sizes):
        groups.setdefault(str(size), []).append(place)
    return list(groups.values())


def side_of(levels: Samples) -> bytes:
    """Levels [channels] in dBFS as a frame holds them. Raises ConfigError for one that it cannot hold."""
    stored = np.rint((levels - QUIETEST) / STEP)
    if not (fits := (stored >= 0) & (stored <= LOUDEST)).all():
        raise ConfigError(f"a level of {levels[~fits][0]:g} dBFS is not one of -120 to 200")
    return bytes_of_levels(stored.astype(int).tolist())


def numbers(given: Any) -> NDArray[Any]:
    """An array of what may be a tensor on any device; 16-bit floating point as 32 bits."""
    if hasattr(given, "detach"):
        given = given.detach().cpu()
        given = given.float() if given.is_floating_point() and given.element_size() < 4 else given
    array = array_of(given)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def same_kind(given: Any) -> Like:
    """What turns an array into what was given: an array, or a tensor on the same device."""
    first = given[0] if isinstance(given, list | tuple) and given else given

    def like(array: NDArray[Any]) -> Any:
        if not hasattr(first, "detach"):
            return array
        import torch

        return torch.from_numpy(array).to(first.device)

    return like


def rows_of(given: Any, axes: int, what: str) -> tuple[list[NDArray[Any]], Like]:
    """The members of a batch, and what turns an array into the kind of thing that was given.

    Args:
        given: A member with `axes` axes, an array or tensor with one more, or members in a list or an array of objects;
            lists may be nested.
        axes: Of a member.
        what: What to call it in an error.
    """
    if isinstance(given, np.ndarray) and given.dtype == object and given.ndim:
        given = list(given)
    rows = [numbers(each) for each in given] if isinstance(given, list | tuple) else [numbers(given)]
    if len({row.shape for row in rows}) == 1:
        if isinstance(given, list | tuple) and rows[0].ndim == axes - 1:
            rows = [np.stack(rows)]
        elif len(rows) == 1 and rows[0].ndim == axes + 1:
            rows = list(rows[0])
    if any(row.ndim != axes for row in rows):
        shapes = ", ".join(str(list(shape)) for shape in {row.shape for row in rows})
        hint = f"use {axes} axes for one, {axes + 1} for a batch"
        raise ConfigError(f"{what} has the wrong number of axes (shape {shapes})", hint=hint)
    return rows, same_kind(given)


def line_of(given: Any) -> tuple[NDArray[Any], Like]:
    """What comes next in a stream, [n] or one number or with further axes of size 1, as [n]."""
    array = numbers(given)
    if array.size != max(array.shape, default=1):
        raise ConfigError(f"an array of shape {list(array.shape)} is not the next piece of one stream", hint="use [n]")
    return array.reshape(-1), same_kind(given)

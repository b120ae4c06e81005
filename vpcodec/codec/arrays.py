"""Signals and ids in memory: arrays given, checked once at the door, and batches of them taken apart and put together.

numpy in gives numpy out, and a torch tensor gives tensors on its own device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.codec.engines import checked_tokens
from vpcodec.data.audio import LOUDEST
from vpcodec.data.pcm import samples_of
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder, groups_of

MOST_CHANNELS = 32  # as many as a frame of a token file can hold

# How samples of each type are stored: numbers of full scale 1, or integers at their own full scale.
SUBTYPES = {"float32": "FLOAT", "float64": "DOUBLE", "int16": "PCM_16", "int32": "PCM_32", "uint8": "PCM_U8"}

InMemory: TypeAlias = NDArray[Any] | Sequence[Any]
Like: TypeAlias = Callable[[NDArray[Any]], Any]  # turns an array into what was given: an array or a tensor


@dataclass(frozen=True)
class Recording:
    """Decoded sound.

    Attributes:
        samples: [n, channels] float32, full scale 1.
        sample_rate: Hz.
    """

    noun: ClassVar[str] = "a recording"

    samples: NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True)
class Picture:
    """A decoded photo.

    Attributes:
        pixels: [height, width, 3] uint8.
    """

    noun: ClassVar[str] = "a picture"

    pixels: NDArray[np.uint8]


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


def array_of(signal: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """The array that a signal in memory is or becomes; 16-bit floating point as 32 bits.

    Args:
        signal: An array, a tensor on any device, or a list, whose numbers have no type of their own.
        dtype: What the numbers of a list become, where they fit; None for what numpy makes of them.

    Raises:
        ConfigError: It becomes no array of numbers.
    """
    if hasattr(signal, "detach"):
        signal = signal.detach().cpu()
        signal = signal.float() if signal.is_floating_point() and signal.element_size() < 4 else signal
    try:
        array = np.asarray(signal)
        if dtype is not None and isinstance(signal, list | tuple) and np.can_cast(array.dtype, dtype, "same_kind"):
            array = np.asarray(signal, dtype)
        return array.astype(np.float32) if array.dtype == np.float16 else array
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ConfigError(f"a {type(signal).__name__} is not an array of numbers ({error})") from None


def whole_rate(sample_rate: float | None) -> int:
    """Hz as an integer, also of 44100.0 and of numpy's numbers. Raises ConfigError for what is none."""
    if sample_rate is None:
        raise ConfigError("the sample rate of an array is unknown", hint="add sample_rate=16_000, for example")
    try:
        whole = int(sample_rate)
        fits = bool(whole == sample_rate)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise ConfigError(f"sample_rate must be a whole number of Hz, got {sample_rate!r}")
    return whole


def subtype_of_array(dtype: DTypeLike) -> str:
    """The sample format of an array's type. Raises ConfigError for one that samples do not have."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in SUBTYPES:
        raise ConfigError(f"samples of type {name} are not readable", hint=f"use {', '.join(SUBTYPES)}")
    return SUBTYPES[name]


def columns(signal: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Samples [n] or [n, channels] in memory as an array [n, channels].

    Args:
        signal: What `array_of` takes.
        dtype: Of the numbers of a list.

    Raises:
        ConfigError: It has another shape.
        InputError: One of its numbers is no sample: not a number, infinite or far beyond full scale.
    """
    samples = array_of(signal, dtype)
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= MOST_CHANNELS):
        raise ConfigError(
            f"samples of shape {list(samples.shape)} are not a recording",
            hint=f"use [n] or [n, channels] with up to {MOST_CHANNELS} channels",
        )
    block = samples.reshape(len(samples), -1) if len(samples) else samples.reshape(0, *samples.shape[1:] or (1,))
    if block.dtype.kind == "f" and not (sound := np.abs(block) <= LOUDEST).all():  # False for NaN, too
        row, channel = np.argwhere(~sound)[0]
        raise InputError(
            f"sample {row:,} of channel {channel} is {block[row, channel]:g}",
            hint="full scale is 1; replace values that are not numbers",
        )
    return block


def bytes_of_array(samples: NDArray[Any]) -> bytes:
    """Samples [n, channels] as bytes, little-endian."""
    return samples.astype(samples.dtype.newbyteorder("<")).tobytes()


def floats_of(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Samples [n, channels] at full scale 1. Raises ConfigError for a type that samples do not have."""
    return samples_of(bytes_of_array(samples), subtype_of_array(samples.dtype)).reshape(samples.shape)


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
    array = array_of(lengths)
    try:
        if array.size and array.dtype.kind not in "iu":
            raise ValueError
        return np.broadcast_to(array.reshape(-1, axes), (count, axes)).tolist()
    except ValueError:
        what = f"lengths of {array.dtype} and shape {list(array.shape)} are not those of {count} signals"
        raise ConfigError(what, hint=f"use integers [{count}, {axes}]") from None


def levels_for(level: Any, count: int) -> NDArray[np.float32]:
    """dBFS [B, windows] of what is one for all, one a signal, or one a window."""
    array = array_of(level)
    try:
        levels = np.atleast_1d(array).astype(np.float32)
        if levels.ndim == 1:
            levels = levels[None] if count == 1 else levels[:, None]
        return np.broadcast_to(levels, (count, levels.shape[1]))
    except (TypeError, ValueError):
        what = f"levels of {array.dtype} and shape {list(array.shape)} are not those of {count} signals"
        raise ConfigError(what, hint=f"use one number, [{count}] or [{count}, windows]") from None


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


def join_ids(codes: NDArray[Any], groups: int, size: int) -> NDArray[np.int64]:
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


def same_kind(given: Any) -> Like:
    """What turns an array into what was given: an array, or a tensor on the same device."""
    first = given[0] if isinstance(given, list | tuple) and given else given
    if not hasattr(first, "detach"):
        return lambda array: array
    import torch

    return lambda array: torch.from_numpy(array).to(first.device)


def rows_of(given: Any, axes: int, what: str) -> list[NDArray[Any]]:
    """The members of a batch.

    Args:
        given: A member with `axes` axes, an array or tensor with one more, or members in a list or an array of objects;
            lists may be nested.
        axes: Of a member.
        what: What to call it in an error.
    """
    if isinstance(given, np.ndarray) and given.dtype == object and given.ndim:
        given = list(given)
    rows = [array_of(each) for each in given] if isinstance(given, list | tuple) else [array_of(given)]
    if len({row.shape for row in rows}) == 1:
        if isinstance(given, list | tuple) and rows[0].ndim == axes - 1:
            rows = [np.stack(rows)]
        elif len(rows) == 1 and rows[0].ndim == axes + 1:
            rows = list(rows[0])
    if any(row.ndim != axes for row in rows):
        shapes = ", ".join(str(list(shape)) for shape in {row.shape for row in rows})
        hint = f"use {axes} axes for one, {axes + 1} for a batch"
        raise ConfigError(f"{what} has the wrong number of axes (shape {shapes})", hint=hint)
    return rows


def line_of(given: Any) -> NDArray[Any]:
    """What comes next in a stream, [n] or one number or with further axes of size 1, as [n]."""
    array = array_of(given)
    if array.size != max(array.shape, default=1):
        raise ConfigError(f"an array of shape {list(array.shape)} is not the next piece of one stream", hint="use [n]")
    return array.reshape(-1)

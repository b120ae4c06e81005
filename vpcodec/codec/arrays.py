"""Sound and pictures in memory: arrays given, checked once at the door, and what a token file decodes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vpcodec.data.audio import LOUDEST
from vpcodec.data.pcm import samples_of
from vpcodec.errors import ConfigError, InputError

MOST_CHANNELS = 32  # as many as a frame of a token file can hold

# How samples of each type are stored: numbers of full scale 1, or integers at their own full scale.
SUBTYPES = {"float32": "FLOAT", "float64": "DOUBLE", "int16": "PCM_16", "int32": "PCM_32", "uint8": "PCM_U8"}

InMemory: TypeAlias = NDArray[Any] | Sequence[Any]


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


def is_array(signal: object) -> TypeGuard[InMemory]:
    """Whether a signal is in memory: an array, a tensor, or a list of numbers."""
    return isinstance(signal, list | tuple) or hasattr(signal, "__array__")


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

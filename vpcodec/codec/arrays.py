"""Sound and pictures that are in memory already: numpy arrays, checked once at the door."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from vpcodec.data.image import Photo, facts_of
from vpcodec.errors import ConfigError

MOST_CHANNELS = 32  # as many as a frame of a token file can hold

# How samples of each type are stored: numbers of full scale 1, or integers at their own full scale.
SUBTYPES = {"float32": "FLOAT", "float64": "DOUBLE", "int16": "PCM_16", "int32": "PCM_32", "uint8": "PCM_U8"}


def subtype_of_array(dtype: DTypeLike) -> str:
    """The sample format of an array's type. Raises ConfigError for one that samples do not have."""
    name = np.dtype(dtype).name
    if name not in SUBTYPES:
        raise ConfigError(f"samples of type {name} are not readable", hint=f"use {', '.join(SUBTYPES)}")
    return SUBTYPES[name]


def columns(samples: NDArray[Any]) -> NDArray[Any]:
    """Samples [n] or [n, channels] as [n, channels]. Raises ConfigError for any other shape."""
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= MOST_CHANNELS):
        raise ConfigError(
            f"samples of shape {list(samples.shape)} are no recording",
            hint=f"it is [n] or [n, channels] with up to {MOST_CHANNELS} channels",
        )
    return samples.reshape(len(samples), -1) if len(samples) else samples.reshape(0, *samples.shape[1:] or (1,))


def bytes_of_array(samples: NDArray[Any]) -> bytes:
    """Samples [n, channels] in little-endian bytes."""
    return samples.astype(samples.dtype.newbyteorder("<")).tobytes()


def photo_of(pixels: NDArray[Any]) -> Photo:
    """A photo from pixels [height, width] or [height, width, 3], uint8. Raises ConfigError for anything else."""
    if pixels.dtype != np.uint8 or not pixels.size or pixels.shape[2:] not in ((), (3,)) or pixels.ndim < 2:
        raise ConfigError(
            f"an array of {pixels.dtype} and shape {list(pixels.shape)} is no photo",
            hint="it is uint8, [height, width] or [height, width, 3]",
        )
    stored = Image.fromarray(pixels)
    return Photo(stored, facts_of(stored, orientation=1, bits=8))

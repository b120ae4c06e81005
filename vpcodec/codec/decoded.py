"""What a token file decodes to, in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Recording:
    """Decoded sound.

    Attributes:
        samples: [n, channels] float32, full scale 1.
        sample_rate: Hz.
    """

    samples: NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True)
class Picture:
    """A decoded photo.

    Attributes:
        pixels: [height, width, 3] uint8.
    """

    pixels: NDArray[np.uint8]

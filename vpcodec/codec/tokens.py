"""All tokens of a token file as one array."""

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.image import join, positions
from vpcodec.codec.matching import prior_of
from vpcodec.codec.recordings import TOGETHER, checked
from vpcodec.container import Reader, SpeechFacts
from vpcodec.registry import ModelFolder, find_model


def tokens_of(reader: Reader, model: ModelFolder | None = None) -> NDArray[np.int64]:
    """[channels, T] of speech, [H, W] of an image.

    Args:
        reader: Of the token file, of which no frame was read yet.
        model: The one that made it; None to look for it, which is done only for a prior and for an image.

    Raises:
        ContainerError: The token file is damaged.
        ModelError: The model is looked for and not installed.
    """
    signal = reader.header.signal
    frames = reader.frames(prior_of(reader.header, model), together=TOGETHER)
    if isinstance(signal, SpeechFacts):
        none = np.zeros((signal.channels, 0), np.int64)
        return np.concatenate([none, *(checked(frame, signal).tokens for frame in frames)], axis=1)
    hop = (model or find_model(reader.header.model)).facts.hop
    return join(list(frames), *positions(signal.height, signal.width, hop))

"""All tokens of a token file as one array."""

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.engines import checked_tokens
from vpcodec.codec.image import join, positions
from vpcodec.codec.matching import model_for, prior_of
from vpcodec.codec.recordings import checked
from vpcodec.container import Frame, Header, Reader, Resync, SpeechFacts
from vpcodec.data.streams import Source
from vpcodec.errors import ModelError
from vpcodec.registry import ModelFolder


def model_to_read(header: Header, given: str | None = None, source: Source = "") -> ModelFolder | None:
    """The model of a token file; None where it is not here, and the file says all about its tokens.

    Takes and raises what `model_for` does.
    """
    try:
        return model_for(header, given, source)
    except ModelError:
        if given is not None or header.prior or header.kind == "image":
            raise
        return None


def tokens_of(reader: Reader, model: ModelFolder | None, *, on_damage: Resync | None = None) -> NDArray[np.int64]:
    """[channels, T] of speech, [H, W] of an image.

    Args:
        reader: Of the token file, of which no frame was read yet.
        model: The one that made it, or what `model_to_read` gives.
        on_damage: What stands for lost frames; None where damage is to raise ContainerError.

    Raises:
        ContainerError: The token file is damaged.
        InputError: It holds ids that the vocabulary lacks.
    """
    frames = reader.frames(prior_of(reader.header, model) if model else None, on_damage=on_damage)
    return joined(list(frames), reader.header, model)


def joined(frames: list[Frame], header: Header, model: ModelFolder | None) -> NDArray[np.int64]:
    """The tokens of all frames of a token file as one array; see `tokens_of`."""
    signal = header.signal
    if isinstance(signal, SpeechFacts):
        none = np.zeros((signal.channels, 0), np.int64)
        tokens = np.concatenate([none, *(checked(frame, signal).tokens for frame in frames)], axis=1)
    else:
        assert model is not None
        tokens = join(frames, *positions(signal.height, signal.width, model.facts.hop))
    return checked_tokens(tokens, header.vocabulary)

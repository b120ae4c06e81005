"""Recordings as streams: blocks of sound to frames and back, at the rate that they had."""

from vpcodec.codec.arrays import MOST_CHANNELS
from vpcodec.codec.speech_windows import Samples, SpeechDecoder, SpeechEncoder
from vpcodec.codec.windows import Computation
from vpcodec.container import Frame, Header, SpeechFacts
from vpcodec.data.resample import Resampler, resampled_length
from vpcodec.errors import ContainerError, InputError
from vpcodec.registry import ModelFacts


class RecordingEncoder:
    """Blocks of a recording at its own rate in, frames out.

    Args:
        facts: Of the model.
        header: Of the token file.

    Attributes:
        channels: Of the recording.
        received: Samples of each channel so far.
    """

    def __init__(self, facts: ModelFacts, header: Header) -> None:
        signal = speech_facts(header)
        self.channels = signal.channels
        self.received = 0
        self.resampler = Resampler(signal.sample_rate, facts.sample_rate, signal.channels)
        self.encoder = SpeechEncoder(facts, header.rate, signal.channels, header.columns)

    def push(self, block: Samples) -> list[Computation[Frame]]:
        """Take in a block [n, channels]; returns what computes the frames that can now be made."""
        self.received += len(block)
        return self.encoder.push(self.resampler.push(block))

    def finish(self) -> list[Computation[Frame]]:
        """What computes the remaining frames, once all samples are in."""
        return self.encoder.push(self.resampler.finish()) + self.encoder.finish()


class RecordingDecoder:
    """Frames in, windows of a recording out, and a resampler that brings these to its own rate.

    Args:
        facts: Of the model.
        header: Of the token file.

    Attributes:
        signal: What the header says about the recording.
        resampler: From the model's rate to the recording's.

    Raises:
        InputError: The token file holds a picture.
    """

    def __init__(self, facts: ModelFacts, header: Header) -> None:
        self.facts = facts
        self.signal = speech_facts(header)
        self.decoder = SpeechDecoder(facts, header.rate, columns=header.columns, channels=self.signal.channels)
        self.resampler = Resampler(facts.sample_rate, self.signal.sample_rate, self.signal.channels)

    def push(self, frame: Frame) -> list[Computation[Samples]]:
        """Take in the next frame; returns what computes the window [n, channels] that can now be made.

        Raises ContainerError.
        """
        return self.decoder.push(checked(frame, self.signal))

    def finish(self, length: int) -> list[Computation[Samples]]:
        """What computes the last window, once all frames are in.

        Args:
            length: Samples of each channel in the whole recording, as the footer says.

        Raises:
            ContainerError: The frames hold fewer, or the last frame lies behind all of them.
        """
        return self.decoder.finish(resampled_length(length, self.signal.sample_rate, self.facts.sample_rate))


def speech_facts(header: Header) -> SpeechFacts:
    """The header's facts about a recording.

    Raises:
        InputError: The token file holds a picture.
        ContainerError: It claims more channels than a frame can hold.
    """
    signal = header.signal
    if not isinstance(signal, SpeechFacts):
        raise InputError("this token file holds a picture, not a recording")
    if signal.channels > MOST_CHANNELS:
        raise ContainerError(f"the header says {signal.channels:,} channels, a token file has at most {MOST_CHANNELS}")
    return signal


def checked(frame: Frame, signal: SpeechFacts) -> Frame:
    """The frame, if it has tokens of as many channels as the header says. Raises ContainerError."""
    if len(frame.tokens) != signal.rows:
        raise ContainerError(f"a frame has {len(frame.tokens)} rows of tokens, the header says {signal.rows}")
    return frame

"""Token files (`.tok`): tokens and what must be known about them <-> bytes. Bytes as in `format.py`.

    from vpcodec.container import Frame, Header, ImageFacts, Index, Reader, SoundFacts, Writer, prior_identity, verify

    header = Header(model="speech-fsp-1024", weights=first_8_bytes_of_sha256, rate=1024, levels=(8, 5, 5, 5),
                    signal=SoundFacts(sample_rate=44100, channels=2))
    writer = Writer(stream, header)                     # the stream need not seek
    writer.write(Frame(tokens, side=b"\\x40\\x3f"))       # [channels, time] or [height, width] int64
    writer.close(length=samples_of_each_channel)        # 0 for an image; the stream stays open

    reader = Reader(stream)                             # reader.header is there at once
    for frame in reader.frames(): ...                   # then reader.length
    for frame in reader.frames(on_damage=Resync(...)): ...      # steps over damage; blank frames for those lost

    index = Index(file)                                 # needs a stream that seeks
    index.header, index.length, len(index), index.read(7)

    verify(stream)                                      # list of what is wrong, empty for a sound file

A model may ship a prior, `bytes` that make files smaller, made from tokens of training data by `training/prior.py`:
give it as `prior=` to Writer, frames, read and verify, and its `prior_identity(prior)` to the header. Every failure
is a ContainerError. A frame has at most 65,536 tokens and 4,096 side bytes; each costs about 12 bytes besides its
payload, so long windows pay.

Short frames of live speech cost about a byte where they continue the frame before them:

    header = Header(..., columns=50, group=7)           # all but the last have 50 columns; every 7th stands alone
    writer.write(Frame(tokens, side=levels))            # leaves at once

Needed is the prior. Reader, Index and Resync read such files as any other; what follows a lost frame is lost up to the
next that stands alone.
"""

from vpcodec.container.coding import prior_identity
from vpcodec.container.format import Frame, Writer
from vpcodec.container.header import AudioFacts, Facts, Header, ImageFacts, SoundFacts
from vpcodec.container.reader import Index, Reader, Resync, verify

__all__ = [
    "AudioFacts",
    "Facts",
    "Frame",
    "Header",
    "ImageFacts",
    "Index",
    "Reader",
    "Resync",
    "SoundFacts",
    "Writer",
    "prior_identity",
    "verify",
]

"""# The token file, format version 1

A token file (`.tok`) holds what a model made of one recording or photo: a **header**, any number of **frames**,
a **footer**. It is written from front to back and read from front to back; whoever can seek may instead start at
its end, where the footer tells where each frame is.

    token file   =  header  frame*  footer

## Numbers

- **byte**: 0 to 255.
- **varint**: a number below 2^63, seven bits a byte, lowest seven first; the top bit of a byte is set where
  another byte follows. Only the shortest spelling is valid. 300 is `ac 02`.
- **word**: four bytes, lowest first.
- **checksum**: a word that holds a CRC-32, the one of zlib and PNG: polynomial `edb88320` (reflected), all ones at
  the start, inverted at the end.
- **text**: UTF-8.

## Header

    3 bytes    d6 56 50
    byte       format version, 1
    varint     size of the body in bytes, at most 65,536
    body
    checksum   of everything before it

Body:

    byte       traits: bits 0, 6  kind: 0 speech, 1 image, with bit 6 alone audio: any sound
                       bits 1-3   samples of the source: 0 8-bit, 1 16-bit, 2 24-bit, 3 32-bit integers,
                                  4 32-bit, 5 64-bit floating-point numbers
                       bit 4      1 where a prior is named
                       bit 5      sound: 1 where the columns of frames are given
                       bit 7      0
    8 bytes    the first ones of the SHA-256 of the model's weights
    4 bytes    the first ones of the SHA-256 of the prior, if traits say that one is named
    varint     columns of each frame but the last, 1 to 65,536, if traits say that they are given
    varint     size of a group, likewise: 1 to 4,096 frames; 1 where the columns are not given
    varint     nominal rate K
    varint     number of levels, 1 to 32
    varints    the levels, each 2 or more; their product, the vocabulary, is at most 2^62
    varints    speech: sample rate in Hz, channels
               audio: sample rate in Hz, channels, channels a token
               image: width, height in pixels, channels (1 gray, 2 gray + alpha, 3 RGB, 4 RGB + alpha)
    varint     length of the model's name in bytes, at most 255
    text       the model's name
    entries    metadata up to the end of the body, each:
               varint   length of its name in bytes
               text     its name; `icc` for a color profile
               varint   length of its content in bytes
               bytes    its content

Sample rate, channels, channels a token, width and height are 1 to 2^32 - 1, the rate 1 to 2^62. Channels of audio
that share tokens are a group: with two channels a token, the first and the second, the third and the fourth, and so
on; the last group may have fewer. A token is a number below the vocabulary. Where a method has several levels or codes
a position, the digits of a token are the numbers in base (level 0, level 1, ...) that add up to it, first digit lowest:
with levels 8, 5, 5, 5 the token 9 is 1 + 8 * 1, digits 1, 1, 0, 0.

## Frame

A frame stands alone or continues the one before it. The first frame of each group, one whose number is a multiple of
the size of a group, stands alone; frames are numbered from 0. A frame that stands alone:

    byte       a0 or a4 flat coding, a2 or a6 tabled coding; after a4 and a6 come no rows, columns and number of side
               bytes: rows and side bytes are as many as channels of speech or groups of channels of audio, columns
               those that the header gives
    varint     rows: channels of speech, groups of channels of audio, height of an image tile
    varint     columns: time of sound, width of an image tile
    varint     number of side bytes, at most 4,096
    varint     size of the payload in bytes
    bytes      side bytes: what the model needs besides tokens (sound: the level of each row, a byte each;
               or two, least significant first, where one is beyond 255; half decibels above -120 dBFS, plus 1,024
               where the row has the tokens of several channels, which are equal all through the frame)
    bytes      payload: the tokens, row after row, in the coding named
    checksum   of the frame before it, plus the number of the frame times 9e3779b1, modulo 2^32

A frame has 1 to 65,536 tokens. Where the header gives columns, it has no more than these, and as many rows as stated
above. Other frames need not have equal shapes. Each frame that stands alone is decoded without the others. Because its
number is part of the checksum, a frame that is lost, doubled or out of place is noticed.

Where groups are larger than 1 and a prior is named, a run of frames may follow one that stands alone, up to the next
group, if that frame has the columns that the header gives. A frame of a run continues the one before it and has as many
rows and side bytes. It has no first byte, size or checksum, but a payload only, in tabled coding. These values come in
it first, each by the weights named:

    follows    0, 1, 2 by weights 2016, 16, 16. 0: a frame of the columns that the header gives. 1: a short one, the
               last of its run. 2: no frame; the run ends here, and so does the payload
    columns    in a short frame: a number from 1 to those that the header gives, less 1; it is coded as a value below
               these, all of weight 1
    side       for each side byte 0 to 15 by weights 16, 48, 416, 1280, 96, 32, 24, 16, 16, 12, 8, 8, 8, 8, 8, 52. Below
               15: it is, modulo 256, that of the frame before at the same place, plus the value, minus 3. 15: it is
               the value 0 to 255 that follows, by equal weights.

The tokens follow in the same payload. A run ends where the group does, behind a short frame, or with the value 2. At
its end are two bytes, lowest first: the lowest ones of the CRC-32 of the number of the frame that stands alone before
it (a word) and all bytes of the run before these two. Behind a run, another frame stands alone, or the footer comes. A
frame that stands alone within a group has the value 2 before it, unless a short frame or one of other columns precedes.

## Footer

    byte       e5
    varint     number of frames
    varint     length of the source in samples for each channel; 0 for an image
    varints    sizes of all groups of frames but the last, in bytes, checksums included
    checksum   of the footer before it
    bytes      a varint, its bytes in reverse order: size of the footer in bytes, checksum included, itself excluded

Nothing follows the footer. A file that lacks it is truncated.

## Payload

A payload holds values. For each, weights say how likely it is to be 0, 1 and so on: numbers of 1 or more, 2^16 at most
together. total is that of all; below(v) is that of the values less than v. Only integers occur; `a div b` and `a mod b`
are those of numbers from 0 on.

To decode, a span, 2^32 at first, is narrowed, and a register holds a number of four bytes, highest first: the first
ones of the payload at first. Zeros follow its last byte. For each value:

1. step = span div total; slot = register div step, but at most total - 1.
2. The value is the largest v with below(v) <= slot.
3. register = register - step * below(v); span = step * weight(v).
4. While span < 2^24: register = register * 256 + next byte; span = span * 256.

An encoder starts with low = 0 and span = 2^32. For each value it adds step * below(v) to low and narrows the span as
above. While span < 2^24, low div 2^24 leaves as the next byte of the payload, where what is above 255 carries to the
bytes before; low = low mod 2^24 * 256; span = span * 256. The payload ends with the smallest number n with
low <= n * 2^24, as a byte, if (n + 1) * 2^24 <= low + span; if not, with the smallest n with low <= n * 2^16, as two
bytes, highest first. Both carry likewise. A decoder keeps low, modulo 2^32, and checks these bytes. What follows them
changes no value, so a frame of a run is decoded before anything behind it is there.

## Flat coding

The digits of each token in the levels that the header gives are coded one after the other, those of the first token
first. A digit of a level above 65,536 is coded as its own digits in base 65,536, lowest first, the last of which is
below level / 65,536^(their number - 1), rounded up. All values have the weight 1.

## Tabled coding

A prior, made from tokens of the same model, tells how likely each value of a digit is. The tokens of a frame are
coded one after the other, row after row, and the digits of each from digit 0 on. For each digit the prior picks a row
of weights, 2^11 together, and the digit is coded as a value by them. Each number that digits make belongs to an id. As
few zeros follow the payload as give it (number of tokens) div 64 bytes or more.

### The prior

    4 bytes    d6 50 52 03
    varint     kind: 0 speech, 1 image, 2 audio
    varint     number of codes a position G, 1 to 8
               for each code:
    varint     size of its codebook K(g), 2 to 65,536
    varint     number of its digits
    varints    their radices, 2 to 64 each, with a product from K(g) to 65,536; that of all but the last is at most
               16,384
    varint     1 if an order follows, else 0; the product of the radices is then K(g)
    varint     number of neighbors N, 1 to 16 for sound, 1 to 10 for images
    varint     number of fields F, 1 to 4
    varints    for each digit, for each of its fields: bins, 1 to 255; width, 1 to 255; base, 0 to 255. The product of
               the bins of a digit, its number of rows, is at most 4,096.
    bytes      0, as few as make the size so far a multiple of four bytes; then:
    numbers    order: for each code that has one, for each of its ids the number that its digits make, of two bytes,
               lowest first; of a code without it, that number is the id
    numbers    below: for each digit, for each of its rows, for each value of the digit the weights of all lower values
               added up, of two bytes, lowest first
    bytes      around: for each neighbor, for each part: as many rows as its digits make numbers, and one more, of
               D * F bytes
    bytes      earlier: for each digit: as many rows as the digits of the same code before it make numbers, of F bytes;
               then, for each part of the codes before its own, as many rows as the digits of that make numbers, of F
               bytes

A token is id(0) + K(0) * (id(1) + K(1) * (...)), where id(g) is that of code g; the product of all K(g), the
vocabulary, is at most 2^62. The D digits of a position are those of code 0, then those of code 1 and so on, at most 16.
The number of a code or of a part has its digits in their bases, lowest first. No two ids of a code have the same
number. The digits of a code are taken together in parts: from its first one on, as many to a part as have a product of
radices of at most 1,024. No sum below is above 255, whatever the tokens. The weight of a value is 1 or more: what is
below the next value, or 2^11 for the last one, less what is below itself.

### Row of a digit

The neighbors of position (y, x) of a frame, row y and column x, are the first N of:

    sound      (y, x-1), (y, x-2), ..., (y, x-16)
    image      (y, x-1), (y-1, x), (y-1, x-1), (y-1, x+1), (y, x-2), (y-2, x), (y-1, x-2), (y-1, x+2), (y-2, x-1),
               (y-2, x+1)

The columns left of a frame that continues another are the last ones of that frame, as far as it has them. For digit j
of a position:

1. For each field f, add up: number j * F + f of each row of around that belongs to a neighbor, to one of its parts
   and to the number of that part, or, where there is no such neighbor, the last row of those that belong to the
   neighbor and to the part; number f of the row of earlier that belongs to j and to the number that the digits before
   j of the same code make in this position; and number f of each row of earlier that belongs to j, to a part of the
   codes before and to the number of that part in this position.
2. bin(f) is 0 where the sum is below the field's base, else (sum - base) div width, but at most bins - 1.
3. The row is bin(0) + bins(0) * (bin(1) + bins(1) * (bin(2) + ...)).
"""

import zlib
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpcodec.container.coding import encode_continued, encode_none, encode_tokens, prior_identity, smallest_flat_size
from vpcodec.container.fields import varint, word
from vpcodec.container.header import LARGEST_FRAME, Header
from vpcodec.errors import ContainerError

FRAME_MARK = 0xA0
FOOTER_MARK = 0xE5
NUMBER_FACTOR = 0x9E3779B1  # odd; turns a small step of the number into a large one of the checksum
LARGEST_SIDE = 1 << 12  # bytes
PROMISED = 4  # added to the coding: rows, columns and side bytes are those that the header promises
ALONE = 6  # bytes that a frame that stands alone has at least, without side bytes and payload
CHECK = 2  # bytes at the end of a run


class Frame(NamedTuple):
    """Tokens of one window or tile.

    Attributes:
        tokens: [rows, columns] int64: [channels, time] of sound, [height, width] of an image.
        side: Bytes that the model needs besides them, such as the level of each channel.
    """

    tokens: NDArray[np.int64]
    side: bytes = b""


class Writer:
    """Writes a token file from front to back.

    Args:
        stream: Where the bytes go; need not seek.
        header: What they are tokens of.
        prior: The prior of the model, whose identity the header must name; None to do without.
    """

    def __init__(self, stream: BinaryIO, header: Header, prior: bytes | None = None) -> None:
        check_prior(header, prior)
        self.stream = stream
        self.header = header
        self.prior = prior
        self.sizes: list[int] = []  # of groups of frames, bytes
        self.frames = 0
        self.last: Frame | None = None
        self.run = 0  # checksum of the frames since the last that stands alone, and its number
        stream.write(header.to_bytes())

    def write(self, frame: Frame) -> None:
        """Append a frame. Raises ContainerError for tokens that the header's vocabulary lacks."""
        check_frame(frame, self.frames, self.header)
        if self.frames % self.header.group == 0:
            self.sizes.append(0)
        content = self.continuing(frame)
        if content:
            goes_on = may_continue(self.header, self.frames + 1, frame)
            self.put(content if goes_on else self.checked(content))
            self.run = zlib.crc32(content, self.run)
        else:
            self.end_run()
            self.put(self.standing_alone(frame))
            self.run = zlib.crc32(word(self.frames))
        self.frames += 1
        self.last = frame

    def standing_alone(self, frame: Frame) -> bytes:
        """The frame as it is decoded without the others."""
        coding, payload = encode_tokens(frame.tokens, self.header.levels, self.header.kind, self.prior)
        sizes = (*frame.tokens.shape, len(frame.side))
        if sizes == self.header.frame_sizes:
            content = bytes([FRAME_MARK + PROMISED + coding])
        else:
            content = bytes([FRAME_MARK + coding]) + b"".join(map(varint, sizes))
        content += varint(len(payload)) + frame.side + payload
        return content + word(zlib.crc32(content) + self.frames * NUMBER_FACTOR)

    def continuing(self, frame: Frame) -> bytes:
        """The frame as it continues the one before it; empty where it must, or had better, stand alone."""
        last = self.last
        if last is None or self.prior is None or not may_continue(self.header, self.frames, last):
            return b""
        if len(frame.side) != len(last.side):
            return b""
        content = encode_continued(frame.tokens, frame.side, last.tokens, last.side, self.prior)
        alone = smallest_flat_size(self.header.vocabulary, frame.tokens.size) + ALONE
        return content if len(content) <= alone else b""

    def end_run(self) -> None:
        """Say that the last frame is not continued, where it could be."""
        if self.last is not None and may_continue(self.header, self.frames, self.last):
            self.put(self.checked(encode_none()))

    def checked(self, content: bytes) -> bytes:
        """The end of a run, and its checksum."""
        return content + word(zlib.crc32(content, self.run))[:CHECK]

    def put(self, content: bytes) -> None:
        """Write bytes that count to the group."""
        self.stream.write(content)
        self.sizes[-1] += len(content)

    def close(self, length: int = 0) -> None:
        """Write the footer; the stream stays open.

        Args:
            length: Samples for each channel of the source; 0 for an image.
        """
        self.end_run()
        footer = bytes([FOOTER_MARK])
        for number in (self.frames, length, *self.sizes[:-1]):
            footer += varint(number)
        footer += word(zlib.crc32(footer))
        self.stream.write(footer + varint(len(footer))[::-1])


def may_continue(header: Header, number: int, last: Frame) -> bool:
    """Whether a frame of this number may continue the last one; it is then said whether it does."""
    return number % header.group > 0 and header.prior != b"" and last.tokens.shape[1] == header.columns


def check_prior(header: Header, prior: bytes | None) -> None:
    """Raises ContainerError where a prior is not the one that a header names."""
    found = prior_identity(prior)
    if header.prior and prior is None:
        raise ContainerError(f"the token file needs the prior {header.prior.hex()} of {header.model}, none is here")
    if found != header.prior:
        raise ContainerError(
            f"the token file was made with {'prior ' + header.prior.hex() if header.prior else 'no prior'}, "
            f"found {found.hex()}",
            hint=f"decode it with the model {header.model} that made it",
        )


def check_frame(frame: Frame, number: int, header: Header) -> None:
    """Raises ContainerError for a frame that the file cannot hold."""
    tokens = frame.tokens
    if tokens.ndim != 2 or tokens.dtype != np.int64 or not 1 <= tokens.size <= LARGEST_FRAME:
        raise ContainerError(
            f"frame {number} has {tokens.dtype} tokens of shape {list(tokens.shape)}, "
            f"expected int64, two axes, 1 to {LARGEST_FRAME:,} tokens"
        )
    if tokens.min() < 0 or tokens.max() >= header.vocabulary:
        raise ContainerError(
            f"frame {number} has tokens from {tokens.min()} to {tokens.max()}, expected 0 to {header.vocabulary - 1}"
        )
    rows, most, _ = header.frame_sizes
    if rows and (len(tokens) != rows or tokens.shape[1] > most):
        raise ContainerError(f"frame {number} has shape {list(tokens.shape)}, the header gives {[rows, most]}")
    if len(frame.side) > LARGEST_SIDE:
        raise ContainerError(f"frame {number} has {len(frame.side)} side bytes, expected {LARGEST_SIDE} or less")

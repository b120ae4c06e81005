"""Images to token files and back, tile by tile, without seams.

Only one tile at a time is held as floats; the picture itself stays where it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vpcodec.codec.arrays import Picture, array_of, of_equal_size
from vpcodec.codec.engines import Engine
from vpcodec.codec.signals import WHOLE, Coding, Reading, Signal, Span, Writing
from vpcodec.codec.windows import CORES, Computation, Window, cut, in_order
from vpcodec.container import Frame, Header, ImageFacts, Index, Reader, Resync, Writer
from vpcodec.container.header import fitting
from vpcodec.data.colors import is_srgb, to_pixels, to_signal
from vpcodec.data.image import ImageInfo, ImageSink, Photo, info_of, open_image
from vpcodec.data.kinds import MOST_PIXELS, FileType
from vpcodec.errors import ConfigError, ContainerError, InputError
from vpcodec.registry import ModelFacts, ModelFolder

PROFILE = "icc"  # name of a color profile among the metadata

Pixels = NDArray[np.uint8]
Tile = tuple[Pixels, int, int]  # pixels [..., h, w, 3] of a part of a picture or of several, its top and left


class Pictures(Signal):
    """Photos and other pictures."""

    media = "image"
    noun = "a photo"
    unit = "bit/pixel"
    asked = "bpp"
    per = "pixel"
    streams = False
    needs_model = True  # the grid of its tiles follows from the hop
    axes = ("H", "W")
    dtype = np.uint8

    def open(self, source: Any, reading: Reading, file_type: FileType | None = None) -> AbstractContextManager[Photo]:
        if hasattr(source, "read"):
            return nullcontext(open_image(source, reading.most_pixels, file_type))
        if reading.sample_rate is not None:
            raise ConfigError("sample_rate is for samples in an array", hint="remove it; a photo has none")
        return nullcontext(photo_of(array_of(source)))

    def header(self, opened: Photo) -> tuple[ImageFacts, dict[str, bytes], tuple[str, ...]]:
        info = opened.info
        facts = ImageFacts(info.width, info.height, info.channels, 8 if info.bit_depth <= 8 else 16)
        return facts, *fitting({} if is_srgb(info.icc) else {PROFILE: info.icc})

    def windows(self, facts: ModelFacts, latency: float) -> tuple[int, int]:
        raise ConfigError("a latency is for recordings, not for photos", hint="remove it")

    def encode(self, coding: Coding, opened: Photo, out: BinaryIO, span: Span, *, live: bool) -> int:
        if span != WHOLE:
            raise InputError("--from and --to are for recordings, not photos")
        writer = Writer(out, coding.header, coding.prior)
        for tokens in in_order(coding.engine, encode_tiles(coding, [opened]), coding.timer, live=True):
            writer.write(Frame(tokens[0]))
        writer.close()
        return 0

    def decode(
        self, coding: Coding, reader: Reader | Index, out: BinaryIO, form: str, writing: Writing
    ) -> tuple[str, ...]:
        if isinstance(reader, Index):
            raise InputError("this token file holds a picture, not a recording")
        damage = self.resync(coding) if writing.resync else None
        tiles = self.decode_tiles(coding, reader, damage)
        sink = ImageSink(image_info(coding.header), form)
        for tile in tiles:
            sink.paste(*tile)
        sink.save(out)
        return sink.notes + (damage.notes if damage else ())

    def decode_in_memory(self, coding: Coding, reader: Reader) -> Picture:
        return Picture(pixels_of(self.decode_tiles(coding, reader), image_facts(coding.header)))

    def decode_tiles(self, coding: Coding, reader: Reader, on_damage: Resync | None = None) -> Iterator[Tile]:
        """The tiles of a picture. All tokens are read at once, so that the size in the header can be believed.

        Raises:
            ContainerError: The token file is damaged, or its frames are not those of a picture of this size.
            InputError: It holds ids that the vocabulary lacks.
        """
        frames = reader.frames(coding.prior, on_damage=on_damage)
        grid = self.tokens(coding.header, frames, coding.model)
        tiles = in_order(coding.engine, decode_tiles(coding, grid[None]), coding.timer, live=True)
        return ((pixels[0], top, left) for pixels, top, left in tiles)

    def resync(self, coding: Coding) -> Resync:
        facts = image_facts(coding.header)
        if facts.width * facts.height > MOST_PIXELS:
            raise ContainerError(
                f"{facts.width:,} x {facts.height:,} pixels are more than the {MOST_PIXELS:,} that --resync fills"
            )
        grid = positions(facts.height, facts.width, coding.facts.hop)
        return Resync(gray_tiles(coding, *grid), total=tile_count(*grid))

    def join(self, header: Header, frames: Iterable[Frame], model: ModelFolder | None) -> NDArray[np.int64]:
        assert model is not None
        facts = image_facts(header)
        return join(list(frames), *positions(facts.height, facts.width, model.facts.hop))

    def split(self, tokens: NDArray[np.int64], levels: NDArray[Any], columns: int) -> Iterator[Frame]:
        for row, column in tiles(tokens.shape[0], tokens.shape[1], 0):
            yield Frame(
                np.ascontiguousarray(tokens[row.core_start : row.core_stop, column.core_start : column.core_stop])
            )

    def described(self, ids: NDArray[np.int64], info: dict[str, Any], facts: ModelFacts) -> tuple[ImageFacts, int]:
        height, width = int(info.get("height") or 0), int(info.get("width") or 0)
        if positions(height, width, facts.hop) != ids.shape:
            height, width = ids.shape[0] * facts.hop, ids.shape[1] * facts.hop
        more = {key: info[key] for key in ("channels", "bit_depth", "floating") if key in info}
        return ImageFacts(width, height, **more), 0

    def shape(self, facts: ModelFacts) -> tuple[int, ...]:
        return 0, 0, 3

    def encode_arrays(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[NDArray[np.int64], list[int], list[float]]]:
        if sample_rate is not None:
            raise ConfigError("sample_rate is for samples in an array", hint="remove it; a photo has none")
        found: dict[int, NDArray[np.int64]] = {}
        for places in of_equal_size([row.shape for row in rows]):
            photos = [photo_of(rows[place]) for place in places]
            coding = coding_of(model, engine, rate, photos[0].info.height, photos[0].info.width)
            parts = [compute(engine) for compute in encode_tiles(coding, photos)]
            for number, place in enumerate(places):
                found[place] = self.join(coding.header, [Frame(part[number]) for part in parts], model)
        return [(found[place], list(row.shape[:2]), []) for place, row in enumerate(rows)]

    def decode_arrays(
        self,
        model: ModelFolder,
        engine: Engine,
        rows: list[NDArray[np.int64]],
        levels: NDArray[np.float32],
        sizes: list[list[int]],
        rate: int,
    ) -> list[NDArray[Any]]:
        hop, found = model.facts.hop, dict[int, Pixels]()
        sizes = [size or [side * hop for side in row.shape] for size, row in zip(sizes, rows, strict=True)]
        for row, (height, width) in zip(rows, sizes, strict=True):
            if not (0 < height <= row.shape[0] * hop and 0 < width <= row.shape[1] * hop):
                raise InputError(f"ids of shape {list(row.shape)} are not a picture of {width}x{height} pixels")
        for places in of_equal_size(sizes):
            height, width = sizes[places[0]]
            used = tuple(slice(side) for side in positions(height, width, hop))
            coding = coding_of(model, engine, rate, height, width)
            grids = np.stack([rows[place][used] for place in places])
            parts = (compute(engine) for compute in decode_tiles(coding, grids))
            found.update(zip(places, pixels_of(parts, image_facts(coding.header), len(places)), strict=True))
        return [found[place] for place in range(len(rows))]

    def check(self, target: str, header: Header, length: int, form: str) -> tuple[str, str]:
        facts = image_facts(header)
        info = open_image(target, facts.width * facts.height).info
        return f"{info.width}x{info.height}", f"{facts.width}x{facts.height}"

    def describe(self, stream: BinaryIO) -> dict[str, Any]:
        photo = open_image(stream)
        info = photo.info
        return {
            "width": info.width,
            "height": info.height,
            "channels": info.channels,
            "bit_depth": info.bit_depth,
            "orientation": info.orientation,
            "color_profile_bytes": len(info.icc),
            "notes": list(photo.notes),
        }

    def tokens_per_unit(self, facts: ModelFacts) -> float:
        return 1 / facts.hop**2

    def rate_text(self, bits: float) -> str:
        return f"{bits:.3f} bits per pixel"


def photo_of(pixels: NDArray[Any]) -> Photo:
    """A photo from pixels [height, width] or [height, width, 3], uint8. Raises ConfigError for anything else."""
    if pixels.dtype != np.uint8 or not pixels.size or pixels.shape[2:] not in ((), (3,)) or pixels.ndim < 2:
        raise ConfigError(
            f"an array of {pixels.dtype} and shape {list(pixels.shape)} is not a photo",
            hint="use uint8, [height, width] or [height, width, 3]",
        )
    stored = Image.fromarray(pixels)
    return Photo(stored, info_of(stored, orientation=1, bits=8))


def coding_of(model: ModelFolder, engine: Engine, rate: int, height: int, width: int) -> Coding:
    """What ids of pictures of a size are made or decoded with."""
    facts = ImageFacts(width, height, 3, 8)
    return Coding(engine, model, Header(model.name, model.checksum, rate, model.radices(rate), facts))


def image_facts(header: Header) -> ImageFacts:
    """The header's facts about a picture."""
    return cast(ImageFacts, header.signal)


def image_info(header: Header) -> ImageInfo:
    """What a decoded picture is to be written as."""
    facts = image_facts(header)
    return ImageInfo(facts.width, facts.height, facts.channels, icc=dict(header.metadata).get(PROFILE, b""))


def positions(height: int, width: int, hop: int) -> tuple[int, int]:
    """Rows and columns of tokens of a picture of so many pixels."""
    return -(-height // hop), -(-width // hop)


def tiles(height: int, width: int, context: int) -> list[tuple[Window, Window]]:
    """Rows and columns of every tile of a grid of positions, row by row."""
    core = CORES["image"]
    return [(row, column) for row in cut(height, core, context) for column in cut(width, core, context)]


def tile_count(rows: int, columns: int) -> int:
    """Tiles of a grid of positions."""
    core = CORES["image"]
    return -(-rows // core) * -(-columns // core)


def encode_tiles(coding: Coding, photos: Sequence[Photo]) -> Iterator[Computation[NDArray[np.int64]]]:
    """What computes the tokens [B, h, w] of each tile of B pictures of one size; the last hop repeats their edges."""
    height, width, hop = photos[0].info.height, photos[0].info.width, coding.facts.hop
    known: dict[tuple[object, ...], NDArray[np.int64]] = {}  # tokens of tiles of one color, which are computed once
    for row, column in tiles(*positions(height, width, hop), coding.facts.encoder_reach):
        top, left = row.start * hop, column.start * hop
        bottom, right = row.stop * hop, column.stop * hop
        window = (top, left, min(bottom, height) - top, min(right, width) - left)
        pixels = np.stack([photo.window(*window) for photo in photos])
        missing = ((0, 0), (0, max(0, bottom - height)), (0, max(0, right - width)), (0, 0))
        signal = to_signal(np.pad(pixels, missing, mode="edge"))

        def compute(engine: Engine, signal: NDArray[np.float32], kept: tuple[slice, ...]) -> NDArray[np.int64]:
            color = signal[0, 0, 0]
            key = (signal.shape, color.tobytes()) if (signal == color).all() else ()
            tokens = known[key] if key in known else engine.encode(signal, coding.header.rate)
            if key:
                known[key] = tokens
            return np.ascontiguousarray(tokens[kept])

        yield partial(compute, signal=signal, kept=(slice(None), row.kept, column.kept))


def decode_tiles(coding: Coding, grid: NDArray[np.int64]) -> Iterator[Computation[Tile]]:
    """What computes the tiles of B pictures of one size from all of their tokens [B, H, W]."""
    facts, hop = image_facts(coding.header), coding.facts.hop
    for row, column in tiles(grid.shape[1], grid.shape[2], coding.facts.decoder_reach):
        tokens = np.ascontiguousarray(grid[:, row.start : row.stop, column.start : column.stop])
        top, left = row.core_start * hop, column.core_start * hop
        kept = (slice(None), *(slice(place.kept.start * hop, place.kept.stop * hop) for place in (row, column)))

        def compute(engine: Engine, tokens: NDArray[np.int64], kept: tuple[slice, ...], top: int, left: int) -> Tile:
            pixels = to_pixels(engine.decode(tokens, coding.header.rate)[kept])
            return pixels[:, : facts.height - top, : facts.width - left], top, left

        yield partial(compute, tokens=tokens, kept=kept, top=top, left=left)


def pixels_of(tiles: Iterable[Tile], facts: ImageFacts, *batch: int) -> Pixels:
    """Whole pictures [*batch, height, width, 3] of all their tiles."""
    pixels = np.empty((*batch, facts.height, facts.width, 3), np.uint8)
    for tile, top, left in tiles:
        pixels[..., top : top + tile.shape[-3], left : left + tile.shape[-2], :] = tile
    return pixels


def gray_tiles(coding: Coding, rows: int, columns: int) -> Iterator[Frame]:
    """A frame of the token of a gray spot for each tile of a grid of positions."""
    hop = coding.facts.hop
    gray = coding.engine.encode(np.zeros((1, hop, hop, 3), np.float32), coding.header.rate)[0]
    for row, column in tiles(rows, columns, 0):
        yield Frame(np.broadcast_to(gray, (row.core_stop - row.core_start, column.core_stop - column.core_start)))


def join(frames: list[Frame], rows: int, columns: int) -> NDArray[np.int64]:
    """The tokens of all tiles as one grid [rows, columns]. Raises ContainerError where they do not fit."""
    count = tile_count(rows, columns)
    if count != len(frames):  # asked before anything as large as the header says is made
        raise ContainerError(f"a picture of {columns}x{rows} tokens has {count} tiles, the file {len(frames)}")
    grid = np.empty((rows, columns), np.int64)
    for (row, column), frame in zip(tiles(rows, columns, 0), frames, strict=True):
        core = grid[row.core_start : row.core_stop, column.core_start : column.core_stop]
        if frame.tokens.shape != core.shape:
            raise ContainerError(f"a tile holds {frame.tokens.shape} tokens instead of {core.shape}")
        core[:] = frame.tokens
    return grid

"""Ids without a token file: signals to arrays of ids and back, for those who train generators on them.

numpy in gives numpy out, and a torch tensor gives tensors on its own device. The ids and the signals are those that
token files hold, bit for bit; what a token file keeps beside its ids, `Tokens` has as arrays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.arrays import bytes_of_array, columns, photo_of, subtype_of_array, whole_rate
from vpcodec.codec.engines import Engine, checked_tokens
from vpcodec.codec.image import decode_tiles, encode_tiles
from vpcodec.codec.signals import Coding
from vpcodec.codec.speech_windows import Samples, SpeechDecoder, SpeechEncoder
from vpcodec.codec.token_files import SIGNALS
from vpcodec.codec.windows import CORES
from vpcodec.container import Frame, Header, ImageFacts
from vpcodec.data.level import LOUDEST, QUIETEST, STEP, TARGET, bytes_of_levels, levels_of
from vpcodec.data.pcm import samples_of
from vpcodec.data.resample import checked_rate, resample
from vpcodec.errors import ConfigError, InputError
from vpcodec.registry import ModelFolder, groups_of

Ids: TypeAlias = NDArray[np.int64]


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


def encode_tokens(model: ModelFolder, engine: Engine, signal: Any, sample_rate: float | None, rate: int) -> Tokens:
    """See `Codec.encode_tokens`."""
    form = FORMS[model.facts.kind]
    rows, like = rows_of(signal, form.axes + 1, "a signal")
    found = form.encode(model, engine, rows, sample_rate, rate)
    ids = np.zeros((len(found), *np.max([each.shape for each, _, _ in found], axis=0)), np.int64)
    levels = np.full((len(found), max(len(each) for _, _, each in found)), TARGET, np.float32)
    for place, (each, _, level) in enumerate(found):
        ids[place][tuple(slice(size) for size in each.shape)] = each
        levels[place, : len(level)] = level
    return Tokens(like(ids), like(np.array([length for _, length, _ in found])), like(levels))


def decode_tokens(model: ModelFolder, engine: Engine, ids: Any, rate: int, level: Any, lengths: Any) -> Any:
    """See `Codec.decode_tokens`."""
    form = FORMS[model.facts.kind]
    rows, like = rows_of(ids, form.ids_axes + 1, "an array of ids")
    rows = [checked_tokens(row, model.vocabulary(rate)) for row in rows]
    sizes: list[list[int]] = [[] for _ in rows]
    if lengths is not None:
        sizes = numbers(lengths).reshape(len(numbers(lengths)), -1).tolist()
    if len(sizes) != len(rows):
        raise ConfigError(f"there are {len(rows)} signals, but {len(sizes)} lengths")
    levels = np.asarray(numbers(level), np.float32)
    levels = levels.reshape(-1, 1) if levels.ndim < 2 else levels
    levels = np.broadcast_to(levels, (len(rows), levels.shape[1]))
    signals = form.decode(model, engine, rows, levels, sizes, rate)
    shape = np.max([each.shape for each in signals], axis=0)
    whole = np.zeros((len(signals), *shape), signals[0].dtype)
    for place, each in enumerate(signals):
        whole[place][tuple(slice(size) for size in each.shape)] = each
    return like(whole)


class Form(Protocol):
    """How a kind of signal stands in an array: axes of one signal and of its ids, and the way between them."""

    axes: int
    ids_axes: int

    def encode(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[Ids, list[int], list[float]]]:
        """Ids, lengths and levels of each signal."""

    def decode(
        self, model: ModelFolder, engine: Engine, rows: list[Ids], levels: Samples, sizes: list[list[int]], rate: int
    ) -> list[NDArray[Any]]:
        """Each signal; an empty size leaves it as long as its ids make it."""


class Sound:
    """Waveforms [n], ids [T]. Sounds of one length are computed together where the engine can."""

    axes = 1
    ids_axes = 1

    def encode(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[Ids, list[int], list[float]]]:
        if sample_rate is None:
            raise ConfigError("the sample rate of an array is unknown", hint="add sample_rate=16_000, for example")
        facts, hertz = model.facts, checked_rate(whole_rate(sample_rate), "the signal")
        sounds = []
        for row in rows:
            block = columns(row)
            sound = samples_of(bytes_of_array(block), subtype_of_array(block.dtype)).reshape(-1, 1)
            if not len(sound):
                raise ConfigError("a sound has no samples")
            sounds.append(sound if hertz == facts.sample_rate else resample(sound, hertz, facts.sample_rate))
        found: dict[int, tuple[Ids, list[int], list[float]]] = {}
        for places in of_equal_size([len(sound) for sound in sounds]):
            encoder = SpeechEncoder(facts, rate, len(places))
            block = np.concatenate([sounds[place] for place in places], axis=1)
            frames = [compute(engine) for compute in encoder.push(block) + encoder.finish()]
            ids = np.concatenate([frame.tokens for frame in frames], axis=1)
            stored = np.array([levels_of(frame.side, len(places)) for frame in frames])
            for number, place in enumerate(places):
                found[place] = ids[number], [len(block)], (QUIETEST + STEP * stored[:, number]).tolist()
        return [found[place] for place in range(len(rows))]

    def decode(
        self, model: ModelFolder, engine: Engine, rows: list[Ids], levels: Samples, sizes: list[list[int]], rate: int
    ) -> list[NDArray[Any]]:
        facts, core = model.facts, CORES["speech"]
        lengths = [size[0] if size else len(row) * facts.hop for row, size in zip(rows, sizes, strict=True)]
        for row, length in zip(rows, lengths, strict=True):
            if not 1 <= length <= len(row) * facts.hop:
                raise InputError(f"{len(row)} ids are not a sound of {length} samples")
        found: dict[int, Samples] = {}
        for places in of_equal_size(lengths):
            length = lengths[places[0]]
            count = -(-length // facts.hop)
            ids = np.stack([rows[place][:count] for place in places])
            decoder, windows = SpeechDecoder(facts, rate), []
            for number, start in enumerate(range(0, count, core)):
                level = levels[places, min(number, levels.shape[1] - 1)]
                windows += decoder.push(Frame(ids[:, start : start + core], side_of(level)))
            windows += decoder.finish(length)
            sounds = np.concatenate([compute(engine) for compute in windows])
            found.update({place: sounds[:, number] for number, place in enumerate(places)})
        return [found[place] for place in range(len(rows))]


class Pixels:
    """Pictures [height, width, 3] uint8, ids [H, W]."""

    axes = 3
    ids_axes = 2

    def encode(
        self, model: ModelFolder, engine: Engine, rows: list[NDArray[Any]], sample_rate: float | None, rate: int
    ) -> list[tuple[Ids, list[int], list[float]]]:
        if sample_rate is not None:
            raise ConfigError("sample_rate is for samples in an array", hint="remove it; a photo has none")
        found = []
        for row in rows:
            coding = image_coding(model, engine, row.shape[0], row.shape[1], rate)
            frames = [compute(engine) for compute in encode_tiles(coding, photo_of(row))]
            found.append((SIGNALS["image"].join(coding.header, frames, model), list(row.shape[:2]), list[float]()))
        return found

    def decode(
        self, model: ModelFolder, engine: Engine, rows: list[Ids], levels: Samples, sizes: list[list[int]], rate: int
    ) -> list[NDArray[Any]]:
        hop, pictures = model.facts.hop, []
        for ids, size in zip(rows, sizes, strict=True):
            height, width = size or (ids.shape[0] * hop, ids.shape[1] * hop)
            rows_used, columns_used = -(-height // hop), -(-width // hop)
            if not (1 <= rows_used <= ids.shape[0] and 1 <= columns_used <= ids.shape[1]):
                raise InputError(f"ids of shape {list(ids.shape)} are not a picture of {width}x{height} pixels")
            pixels = np.empty((height, width, 3), np.uint8)
            for compute in decode_tiles(
                image_coding(model, engine, height, width, rate), ids[:rows_used, :columns_used]
            ):
                tile, top, left = compute(engine)
                pixels[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
            pictures.append(pixels)
        return pictures


FORMS: dict[str, Form] = {"speech": Sound(), "image": Pixels()}


def image_coding(model: ModelFolder, engine: Engine, height: int, width: int, rate: int) -> Coding:
    facts = ImageFacts(width, height, 3, 8)
    return Coding(engine, model, Header(model.name, model.checksum, rate, model.radices(rate), facts))


def codebook_vectors(model: ModelFolder, rate: int) -> NDArray[np.float32]:
    """See `Codec.codebook_vectors`."""
    import torch

    groups = groups_of(model.codebook_name(rate))
    size = round(model.vocabulary(rate) ** (1 / groups))
    ids = torch.arange(size) * size ** torch.arange(groups)[:, None]
    vectors = model.autoencoder().quantizer.decode(ids, rate)
    if groups == 1:
        return np.asarray(vectors[0])
    parts = vectors.chunk(max(map(groups_of, model.codebooks)), dim=-1)  # each group's own channels
    return np.stack([parts[group][group] for group in range(groups)])


def of_equal_size(sizes: Sequence[int]) -> list[list[int]]:
    """Places in a batch, those of equal size together."""
    groups: dict[int, list[int]] = {}
    for place, size in enumerate(sizes):
        groups.setdefault(size, []).append(place)
    return list(groups.values())


def side_of(levels: Samples) -> bytes:
    """Levels [channels] in dBFS as a frame holds them. Raises ConfigError for one that it cannot hold."""
    stored = np.rint((levels - QUIETEST) / STEP)
    if not ((stored >= 0) & (stored <= LOUDEST)).all():
        raise ConfigError(f"a level of {levels.min():g} or {levels.max():g} dBFS is not one of -120 to 200")
    return bytes_of_levels(stored.astype(int).tolist())


def numbers(given: Any) -> NDArray[Any]:
    """An array of what may be a tensor on any device."""
    return np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)


def rows_of(given: Any, axes: int, what: str) -> tuple[list[NDArray[Any]], Callable[[NDArray[Any]], Any]]:
    """The members of a batch, and what turns an array into the kind of thing that was given.

    Args:
        given: An array or tensor with `axes` axes, with one less for a batch of one, or a list of members.
        axes: Of a batch.
        what: What to call it in an error.
    """
    several = isinstance(given, list | tuple)
    rows = [numbers(each) for each in (given if several else [given])]
    if not several and rows[0].ndim == axes:
        rows = list(rows[0])
    if not rows or any(row.ndim != axes - 1 for row in rows):
        raise ConfigError(f"{what} has the wrong number of axes", hint=f"use {axes} for a batch, {axes - 1} for one")
    first = given[0] if several else given

    def like(array: NDArray[Any]) -> Any:
        if not hasattr(first, "detach"):
            return array
        import torch

        return torch.from_numpy(array).to(first.device)

    return rows, like

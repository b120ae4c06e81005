"""The pictures of README: the bundled recording and photo, before and after. Part of `make docs`.

Each names in its comment the weights that made it, so that one of a model that was replaced is known to be stale.
"""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageDraw, ImageFont

from vpcodec.codec.arrays import Picture, Recording
from vpcodec.codec.pipeline import Codec
from vpcodec.container import prior_identity
from vpcodec.evaluation.examples import spectrogram
from vpcodec.registry import DEFAULT_MODELS, FACTS, ModelFolder

ROOT = Path(__file__).resolve().parents[1]
MEDIA = ROOT / "tests" / "media"
FOLDER = ROOT / "docs" / "pictures"
WIDTH, CAPTION = 900, 28  # pixels
PAPER, INK = (255, 255, 255), (40, 40, 40)


def speech(codec: Codec) -> Image.Image:
    """The spectrograms of a recording and of what comes back, one above the other."""
    samples, rate = soundfile.read(MEDIA / "speech.flac", dtype="float32")
    content = codec.encode(MEDIA / "speech.flac")
    decoded = codec.decode(content)
    assert isinstance(decoded, Recording)
    bits = 8 * len(content) * rate / len(samples) / 1000
    return stacked(
        [
            (f"{len(samples) / rate:.1f} s of speech, 0 to 8 kHz: {16 * rate // 1000} kbit/s", drawn(samples)),
            (f"{codec.name}: {len(content):,} bytes, {bits:.2f} kbit/s", drawn(decoded.samples[:, 0])),
        ],
        columns=1,
    )


def photo(codec: Codec) -> Image.Image:
    """A photo, and what comes back, side by side."""
    original = Image.open(MEDIA / "coffee.jpg")
    content = codec.encode(MEDIA / "coffee.jpg")
    decoded = codec.decode(content)
    assert isinstance(decoded, Picture)
    size, bits = (MEDIA / "coffee.jpg").stat().st_size, 8 * len(content) / (original.width * original.height)
    return stacked(
        [
            (f"{original.width} x {original.height} pixels: {size:,} bytes of JPEG", original),
            (f"{codec.name}: {len(content):,} bytes, {bits:.3f} bit/pixel", Image.fromarray(decoded.pixels)),
        ],
        columns=2,
    )


def drawn(samples: np.ndarray) -> Image.Image:
    """The spectrogram of samples at 16 kHz, as wide as the picture."""
    small = Image.open(io.BytesIO(spectrogram(samples).getvalue())).convert("RGB")
    return small.resize((WIDTH, small.height), Image.Resampling.BICUBIC)


def stacked(parts: list[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """Pictures of one size in a grid, each under its caption."""
    width, height = parts[0][1].size
    rows = -(-len(parts) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (height + CAPTION)), PAPER)
    for number, (caption, picture) in enumerate(parts):
        left, top = number % columns * width, number // columns * (height + CAPTION)
        ImageDraw.Draw(sheet).text((left + 4, top + 4), caption, INK, ImageFont.load_default(16))
        sheet.paste(picture, (left, top + CAPTION))
    return sheet


# Name of the picture, the kind of model that it needs, and what draws it.
PICTURES: dict[str, tuple[str, Callable[[Codec], Image.Image]]] = {
    "speech.jpg": ("speech", speech),
    "photo.jpg": ("image", photo),
}


def released() -> list[ModelFolder]:
    """The models of this checkout, by name."""
    return [ModelFolder(path.parent) for path in sorted(ROOT.glob(f"models/*/{FACTS}"))]


def default_model(kind: str) -> ModelFolder:
    return ModelFolder(ROOT / "models" / DEFAULT_MODELS[kind])


def made() -> dict[Path, tuple[str, Callable[[], None]]]:
    """Each picture, with what stands in its comment about the weights that made it, and what writes it."""
    return {FOLDER / name: (mark(default_model(PICTURES[name][0])), partial(write_picture, name)) for name in PICTURES}


def mark(model: ModelFolder) -> str:
    """What a picture says about the model that made it."""
    return f"made by scripts/pictures.py with {identity(model)}"


def identity(model: ModelFolder) -> str:
    """Name, weights and prior of a model, which decide what is decoded and how many bytes it takes."""
    return f"{model.name} {model.checksum.hex()} {prior_identity(model.prior(model.checked_codebook(None))).hex()}"


def write_picture(name: str) -> None:
    """Draw one of `PICTURES`."""
    kind, draw = PICTURES[name]
    model = default_model(kind)
    FOLDER.mkdir(exist_ok=True)
    draw(Codec.load(model)).save(FOLDER / name, quality=92, subsampling=0, comment=mark(model).encode())

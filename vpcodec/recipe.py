"""Recipes: all options of a training run. Coding never needs them."""

import tomllib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from vpcodec.config import Network, checked, from_table, read_toml
from vpcodec.errors import ConfigError

KINDS = ("speech", "audio", "image")


@dataclass(frozen=True, kw_only=True)
class Data:
    """The data of a training step."""

    batch: Annotated[int, "Crops per step."] = 8
    crop: Annotated[int, "Positions per crop and axis: 1 is a hop of sound times the stride, or 8 pixels."] = 168
    augment: Annotated[bool, "Vary the level and the band of sound; flip and rescale images."] = True


@dataclass(frozen=True, kw_only=True)
class SpeechLoss:
    """Weights of the terms of the loss of speech and other sound; 0 removes a term."""

    mel: Annotated[float, "Distance of log mel spectra at several resolutions."] = 1.0
    spectrum: Annotated[float, "Distance of compressed magnitudes at several resolutions."] = 4.0
    complex_spectrum: Annotated[float, "Distance of compressed complex spectra; depends on the phase."] = 0.5
    waveform: Annotated[float, "Mean absolute difference of samples, divided by the level of the crop."] = 0.1
    loudness: Annotated[float, "Audible disturbance, modeled after PESQ."] = 0.2
    envelopes: Annotated[float, "1 - correlation of envelopes in third-octave bands, modeled after STOI."] = 0.0


@dataclass(frozen=True, kw_only=True)
class ImageLoss:
    """Weights of the terms of the image loss; 0 removes a term."""

    absolute: Annotated[float, "Mean absolute difference of pixels."] = 1.0
    squared: Annotated[float, "Mean squared difference of pixels."] = 0.0
    structure: Annotated[float, "1 - SSIM."] = 0.1
    lpips: Annotated[float, "LPIPS distance; needs the weights of its backbone."] = 0.25
    backbone: Annotated[str, "Backbone of LPIPS: alex, squeeze or vgg."] = "alex"


@dataclass(frozen=True, kw_only=True)
class Training:
    """Steps, learning rates and checkpoints."""

    steps: Annotated[int, "Optimizer steps of the run; --minutes overrides it."] = 10_000
    seed: Annotated[int, "Seed of all random numbers."] = 0
    matrix_rate: Annotated[float, "Peak learning rate of Muon, for the blocks' matrices."] = 1e-2
    rate: Annotated[float, "Peak learning rate of AdamW, for everything else."] = 5e-3
    warmup: Annotated[float, "Share of the run, at its start, in which the learning rates rise."] = 0.02
    decay: Annotated[float, "Share of the run, at its end, in which the learning rates fall to zero."] = 0.5
    weight_decay: Annotated[float, "Decoupled weight decay of matrices."] = 0.01
    clip: Annotated[float, "Norm to which gradients are clipped."] = 1.0
    average: Annotated[float, "Decay per step of the moving average of the weights. The average ships."] = 0.999
    decoder_only: Annotated[
        bool, "Train only the decoder, on real codes. A last stage; needs --start with a finished model."
    ] = False
    fitting_positions: Annotated[int, "Positions that codebooks are fitted to after training."] = 200_000
    checkpoint_minutes: Annotated[float, "Minutes between checkpoints."] = 5.0
    validate_minutes: Annotated[float, "Minutes between validations."] = 5.0


SIZES = {
    "network": "width encoder_blocks decoder_blocks expansion kernel stride sample_rate hop channels",
    "data": "batch crop",
    "training": "steps fitting_positions",
}  # options that count something, by their section


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All options of a training run except the data."""

    kind: Annotated[str, "speech, audio or image."]
    quantizer: Annotated[dict[str, Any], "The method, its rates (codebook sizes) and its own options."]
    network: Network = field(default_factory=Network)
    data: Data = field(default_factory=Data)
    speech_loss: SpeechLoss = field(default_factory=SpeechLoss)
    image_loss: ImageLoss = field(default_factory=ImageLoss)
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if "method" not in self.quantizer:
            raise ConfigError("[quantizer] lacks method", hint='for example method = "fsp"')
        for section, names in SIZES.items():
            for name in names.split():
                if (value := getattr(getattr(self, section), name)) < 1:
                    raise ConfigError(f"{section}.{name} must be 1 or more, got {value}")
        if self.network.channels > 2:
            raise ConfigError(f"network.channels must be 1 or 2, got {self.network.channels}")
        if self.network.kernel % 2 == 0:
            raise ConfigError(f"network.kernel must be odd, got {self.network.kernel}")
        if self.kind == "image" and self.network.stride > 1:
            raise ConfigError(f"network.stride is for speech, got {self.network.stride} for images")
        spectral = (self.network.spectral_encoder_blocks, self.network.spectral_decoder_blocks)
        if min(spectral) < 0 or (max(spectral) > 0 and self.network.stride == 1):
            raise ConfigError(
                f"network.spectral_encoder_blocks and spectral_decoder_blocks need 0 or more, got {spectral}, "
                "and a stride above 1"
            )


def load_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises ConfigError for anything that is not exactly one."""
    recipe: Recipe = from_table(Recipe, read_toml(path))
    return recipe


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """Apply `section.key=value` settings; values are read as TOML, and bare words as strings."""
    for setting in settings:
        path, separator, text = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set {setting}: expected section.key=value")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        recipe = replaced(recipe, path.strip().split("."), value)
    return recipe


def replaced(section: Any, path: list[str], value: Any) -> Any:
    """A copy of a dataclass with one option, reached by its path of names, set to a value."""
    name, *rest = path
    known = [option.name for option in fields(section)]
    if name not in known:
        raise ConfigError(f"unknown option {name}", hint=f"known here: {', '.join(known)}")
    current = getattr(section, name)
    if rest and is_dataclass(current):
        return replace(section, **{name: replaced(current, rest, value)})
    if rest and isinstance(current, dict) and len(rest) == 1:
        return replace(section, **{name: {**current, rest[0]: value}})
    if rest or is_dataclass(current):
        raise ConfigError(f"{'.'.join(path)} is not an option")
    return replace(section, **{name: checked(get_type_hints(type(section))[name], value, name)})

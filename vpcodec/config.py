"""Recipes: frozen dataclasses in memory, commented TOML on disk.

A field is an option, its default and its documentation at once. Reading is strict: an unknown option or a
value of the wrong type is a ConfigError, never ignored.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from vpcodec.errors import ConfigError

KINDS = ("speech", "audio", "image")


@dataclass(frozen=True, kw_only=True)
class Network:
    """Sizes of the network."""

    architecture: Annotated[
        str, "A network of another package: its installed name or package.module:Class; empty for the one of the kind."
    ] = ""
    width: Annotated[int, "Channels of every block."] = 256
    encoder_blocks: Annotated[int, "Blocks before the quantizer."] = 4
    decoder_blocks: Annotated[int, "Blocks after the quantizer."] = 8
    expansion: Annotated[float, "Hidden channels of a block divided by its width."] = 3.0
    kernel: Annotated[int, "Width of the depthwise convolutions in positions; odd."] = 7
    sample_rate: Annotated[int, "Hz of the sound that the network sees; others are resampled."] = 16_000
    hop: Annotated[int, "Samples from one spectrum of sound to the next."] = 96
    channels: Annotated[int, "Channels of sound that share a token: 1, or 2 for stereo."] = 1
    stride: Annotated[int, "Spectra of sound that share a token; 4 of 6 ms make 42 tokens a second."] = 1
    spectral_encoder_blocks: Annotated[
        int, "Further blocks before the encoder, once per spectrum; for a stride above 1."
    ] = 0
    spectral_decoder_blocks: Annotated[
        int, "Further blocks after the decoder, once per spectrum; for a stride above 1."
    ] = 0

    @property
    def hidden(self) -> int:
        """Channels between the two products of a block."""
        return round(self.expansion * self.width)


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
    "network": (
        "width",
        "encoder_blocks",
        "decoder_blocks",
        "expansion",
        "kernel",
        "stride",
        "sample_rate",
        "hop",
        "channels",
    ),
    "data": ("batch", "crop"),
    "training": ("steps", "fitting_positions"),
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
            for name in names:
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


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a table. Raises ConfigError if it cannot be read or parsed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def from_table(section: type, table: Mapping[str, Any], name: str = "") -> Any:
    """Build a dataclass from its TOML table; an unknown option or a wrong type is a ConfigError."""
    hints = get_type_hints(section)
    known = [option.name for option in fields(section)]
    prefix = f"{name}." if name else ""
    for key in table:
        if key not in known:
            raise ConfigError(f"unknown option {prefix}{key}", hint=f"known here: {', '.join(known)}")
    values = {key: checked(hints[key], value, prefix + key) for key, value in table.items()}
    missing = [o.name for o in fields(section) if o.name not in table and o.default is o.default_factory is MISSING]
    if missing:
        raise ConfigError(f"{prefix}{missing[0]} is missing")
    return section(**values)


def checked(wanted: type, value: Any, name: str) -> Any:
    """A value of the type that its option wants."""
    if is_dataclass(wanted):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{name} must be a table")
        return from_table(wanted, value, name)
    base = get_origin(wanted) or wanted
    if base is float and type(value) is int:
        return float(value)
    if type(value) is not base:
        raise ConfigError(f"{name} must be {base.__name__}, got {value!r}")
    return value


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


def to_toml(section: Any, name: str = "") -> str:
    """A dataclass as TOML, each option under a comment that explains it."""
    lines: list[str] = []
    tables: list[str] = []
    notes = get_type_hints(type(section), include_extras=True)
    for option in fields(section):
        value = getattr(section, option.name)
        path = f"{name}.{option.name}" if name else option.name
        note = get_args(notes[option.name])[1:]
        if is_dataclass(value):
            tables.append(f"\n# {type(value).__doc__}\n[{path}]\n{to_toml(value, path)}")
        elif isinstance(value, dict):
            rows = "".join(f"{toml_key(key)} = {toml_value(item)}\n" for key, item in value.items())
            tables.append(f"\n# {note[0]}\n[{path}]\n{rows}")
        else:
            lines.append(f"# {note[0]}\n{option.name} = {toml_value(value)}\n")
    return "".join(lines + tables)


def toml_key(key: str) -> str:
    """A key as TOML writes it: bare where that is allowed."""
    return key if key.replace("_", "").replace("-", "").isalnum() else toml_value(key)


def toml_value(value: Any) -> str:
    """A number, string, truth value or list of these, as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return repr(value)

"""Options: frozen dataclasses in memory, commented TOML on disk; and those that a model and its recipe share.

A field is an option, its default and its documentation at once. Reading is strict: an unknown option or a
value of the wrong type is a ConfigError, never ignored.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from vpcodec.errors import ConfigError


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

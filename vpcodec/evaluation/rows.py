"""What came out of one item with one candidate, kept line by line so that an interrupted run can go on."""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpcodec.errors import ContainerError, InputError


@dataclass(frozen=True)
class Row:
    """One item with one candidate.

    Attributes:
        candidate: The candidate's name.
        item: The item's name.
        extent: Seconds of speech, or pixels; 0 where the item could not be read.
        size: Bytes of its file; None where it could not be encoded.
        encode_seconds: Time to encode it, and
        decode_seconds: to decode it.
        peak_memory: Bytes that the process occupied at most meanwhile; None where that cannot be told.
        tokens: Its tokens by `pack_tokens`; None for a codec without.
        features: What metrics of a whole set need of it, by `pack_features`; usually none.
        values: Metrics by name.
        failures: Names of steps and metrics, and why they failed.
    """

    candidate: str
    item: str
    extent: float = 0.0
    size: int | None = None
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    peak_memory: int | None = None
    tokens: str | None = None
    features: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """The row as it stands in the results: without what only sums are made of."""
        return {key: value for key, value in asdict(self).items() if key not in ("tokens", "features")}


def row_key(*facts: object) -> str:
    """A name for everything that a row depends on."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


class RowLog:
    """A file of rows, one JSON object a line, each under its key.

    Args:
        path: The file; taken up if it exists. A line cut short by an interruption is dropped.

    Raises:
        InputError: The file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("ab+")
            self.file.seek(0)
            content = self.file.read()
            whole = content.rfind(b"\n") + 1
            self.file.truncate(whole)
        except OSError as error:
            raise InputError(f"{path}: cannot keep results of items there ({error.strerror})") from error
        for line in content[:whole].splitlines():
            try:
                record = json.loads(line)
                self.rows[record["key"]] = Row(**record["row"])
            except (ValueError, KeyError, TypeError):
                continue  # of another version: its item is evaluated again

    def add(self, key: str, row: Row) -> None:
        """Keep a row, on disk before this returns."""
        self.rows[key] = row
        self.file.write(json.dumps({"key": key, "row": asdict(row)}).encode() + b"\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()


def pack_tokens(tokens: NDArray[Any]) -> str:
    """Which ids occur how often, as text: their sorted list, as differences, compressed."""
    steps = np.diff(np.sort(tokens.ravel()), prepend=0).astype("<u4")
    return base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode()


def unpack_tokens(text: str) -> NDArray[np.int64]:
    """The sorted ids of `pack_tokens`. Raises ContainerError for other text."""
    try:
        return np.cumsum(np.frombuffer(zlib.decompress(base64.b64decode(text)), "<u4"), dtype=np.int64)
    except (ValueError, zlib.error) as error:
        raise ContainerError("the tokens kept for an item are damaged", hint="remove the file of items") from error


def pack_features(features: NDArray[np.float32]) -> str:
    """[2, D] features as text; 16 bits are enough for means over many items."""
    return base64.b64encode(features.astype("<f2").tobytes()).decode()


def unpack_features(text: str) -> NDArray[np.float32]:
    """[2, D]: of the decoded item and of the original."""
    return np.frombuffer(base64.b64decode(text), "<f2").reshape(2, -1).astype(np.float32)

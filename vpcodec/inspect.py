"""What is in a token file, a recording, a photo or a model, as plain tables for people and programs."""

import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.token_files import SIGNALS, model_for, model_to_read, prior_of
from vpcodec.container import Reader, verify
from vpcodec.container.header import MAGIC
from vpcodec.data.kinds import file_type_of
from vpcodec.data.streams import open_input, peek, seekable, shown, size_of
from vpcodec.errors import VpcodecError
from vpcodec.registry import EVALUATION, NOTES, ModelFolder, default_model, find_model, list_models

LICENSE = "License: "  # begins the line of a model's notes that says what it may be used for


def describe(source: str, model: str | None = None) -> dict[str, Any]:
    """What a path holds, or the model of that name; "type" says which.

    Args:
        source: The path, or the name of a model.
        model: Name or folder of the model that made a token file; None to look for it.

    Raises:
        InputError: It is nothing that can be read.
        ContainerError: It is a damaged token file.
    """
    if os.path.isdir(source) or (not os.path.exists(source) and source in (model.name for model in list_models())):
        return {"input": source, **describe_model(find_model(source))}
    with open_input(source) as stream:
        head, stream = peek(stream)
        if head.startswith(MAGIC):
            with seekable(stream) as whole:
                return {"input": source, **describe_tokens(whole, model, source)}
        file_type = file_type_of(head, shown(source))
        facts = SIGNALS[file_type.kind].describe(stream)
        facts["default_model"] = default_model(file_type.kind, facts.get("sample_rate", 0))
        return {"input": source, "type": file_type.kind, "format": file_type.format, **facts}


def describe_tokens(stream: BinaryIO, model: str | None, path: str) -> dict[str, Any]:
    """A token file: its model, its source, and its rate by name, by entropy and on disk."""
    size = size_of(stream)
    reader = Reader(stream)
    header = reader.header
    counts = np.zeros(header.vocabulary, np.int64)
    frames = tokens = 0
    folder = model_to_read(header, model, path)
    for frame in reader.frames(prior_of(header, folder)):
        counts += np.bincount(frame.tokens.ravel(), minlength=header.vocabulary)
        frames, tokens = frames + 1, tokens + frame.tokens.size
    amount = header.amount(reader.length)
    source = dict(vars(header.signal))
    if SIGNALS[header.kind].streams:
        source["samples"], source["seconds"] = reader.length, round(amount, 6)
    return {
        "type": "tokens",
        "kind": header.kind,
        "unit": SIGNALS[header.kind].unit,
        "on_disk": rate_of(8 * size, amount),
        "entropy": rate_of(tokens * entropy(counts), amount),
        "nominal": rate_of(tokens * float(np.log2(header.rate)), amount),
        "model": header.model,
        "weights": header.weights.hex(),
        "codebook": folder.codebook_name(header.rate) if folder else header.rate,
        "vocabulary": header.vocabulary,
        "tokens": tokens,
        "frames": frames,
        "bytes": size,
        "source": source,
        "metadata": {name: printable(content) for name, content in header.metadata},
    }


def rate_of(bits: float, amount: float) -> float | None:
    """Bits a second or a pixel; None for a recording of no length."""
    return round(bits / amount, 6) if amount else None


def entropy(counts: NDArray[np.int64]) -> float:
    """Bits a token of an ideal code for these counts."""
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log2(1 / shares)).sum())


def printable(content: bytes) -> str:
    """Metadata as text, or their size."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"{len(content):,} bytes"


def describe_model(model: ModelFolder) -> dict[str, Any]:
    """An installed model; nominal rates follow from its hop and its codebook sizes, `measured` is None without."""
    facts, signal = model.facts, SIGNALS[model.facts.kind]
    per = signal.tokens_per_unit(facts)
    measured: Sequence[float | None] = facts.bits or [None] * len(facts.rates)
    codebooks = [
        {
            "measured": bits,
            "nominal": round(per * float(np.log2(rate)), 6),
            "codebook": name,
            "vocabulary": vocabulary,
        }
        for bits, name, vocabulary, rate in zip(measured, model.codebooks, facts.vocabularies, facts.rates, strict=True)
    ]
    return {
        "type": "model",
        "name": model.name,
        "kind": facts.kind,
        "unit": signal.unit,
        "codebooks": codebooks,
        "parameters": facts.parameters,
        "quantizer": facts.quantizer.get("method", ""),
        "weights": model.checksum.hex(),
        "path": str(model.path),
        "license": license_of(model),
        "quality": quality_of(model),
    }


def license_of(model: ModelFolder) -> str:
    """What a model's notes say that it may be used for; empty where they say nothing."""
    try:
        notes = (model.path / NOTES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.removeprefix(LICENSE) for line in notes if line.startswith(LICENSE)), "")


def quality_of(model: ModelFolder) -> list[dict[str, Any]]:
    """What was measured, one entry for each data set and codebook; empty where nothing readable was recorded.

    Speeds are those of the machine that measured.
    """
    import json

    try:
        runs = json.loads((model.path / EVALUATION).read_text(encoding="utf-8"))["runs"]
        return [
            {
                "dataset": run["dataset"],
                "candidate": each["name"],
                **{name: metric["mean"] for name, metric in each["metrics"].items()},
                **{name: each["speed"][name] for name in ("encode", "decode", "speed_unit") if name in each["speed"]},
            }
            for run in runs
            for each in run["candidates"]
            if each["ours"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def problems_of(source: str, model: str | None = None) -> list[str]:
    """What is wrong with a token file and where, one line each; empty for a sound one whose model is here.

    Args:
        source: The token file.
        model: Name or folder of the model that made it; None to look for it.

    Raises:
        InputError: It cannot be read.
    """
    with open_input(source) as stream, seekable(stream) as whole:
        try:
            header = Reader(whole).header
        except VpcodecError as error:
            return [error.what]
        prior, problems = None, []
        try:
            prior = prior_of(header, model_for(header, model, source))
        except VpcodecError as error:
            problems.append(error.what)
        whole.seek(0)
        return problems + verify(whole, prior)

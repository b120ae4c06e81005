"""What is in a token file, a recording, a photo or a model, as plain tables for people and programs."""

import json
import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vpcodec.codec.matching import model_for, prior_of
from vpcodec.codec.recordings import SAMPLE_RATE
from vpcodec.codec.tokens import model_to_read
from vpcodec.container import Reader, SpeechFacts, verify
from vpcodec.container.header import MAGIC
from vpcodec.data.audio import open_audio
from vpcodec.data.image import open_image
from vpcodec.data.kinds import file_type_of
from vpcodec.data.streams import at_start, open_input, peek, seekable, shown, size_of
from vpcodec.errors import VpcodecError
from vpcodec.registry import EVALUATION, NOTES, ModelFolder, find_model, list_models

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
        facts = describe_recording(stream) if file_type.kind == "speech" else describe_photo(stream)
        return {"input": source, "type": file_type.kind, "format": file_type.format, **facts}


def describe_tokens(stream: BinaryIO, model: str | None, path: str) -> dict[str, Any]:
    """A token file: its model, its source, and its rate by name, by entropy and on disk."""
    size = size_of(stream)
    reader = Reader(stream)
    header = reader.header
    counts = np.zeros(header.vocabulary, np.int64)
    frames = tokens = 0
    folder = model_to_read(header, model, path)
    prior = prior_of(header, folder) if folder else None
    for frame in reader.frames(prior):
        counts += np.bincount(frame.tokens.ravel(), minlength=header.vocabulary)
        frames, tokens = frames + 1, tokens + frame.tokens.size
    amount = header.amount(reader.length)
    source = dict(vars(header.signal))
    if isinstance(header.signal, SpeechFacts):
        source["samples"], source["seconds"] = reader.length, round(amount, 6)
    return {
        "type": "tokens",
        "kind": header.kind,
        "model": header.model,
        "weights": header.weights.hex(),
        "codebook": folder.codebook_name(header.rate) if folder else header.rate,
        "vocabulary": header.vocabulary,
        "tokens": tokens,
        "frames": frames,
        "bytes": size,
        "unit": "bit/s" if header.kind == "speech" else "bit/pixel",
        "nominal": rate_of(tokens * float(np.log2(header.rate)), amount),
        "entropy": rate_of(tokens * entropy(counts), amount),
        "on_disk": rate_of(8 * size, amount),
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


def describe_recording(stream: BinaryIO) -> dict[str, Any]:
    """A recording; read to its end where only that tells its length, or whether it is all there."""
    checked = at_start(stream)
    with open_audio(stream) as audio:
        info = audio.info
        frames = sum(map(len, audio.blocks())) if info.frames is None or not checked else info.frames
    return {
        "sample_rate": info.sample_rate,
        "channels": info.channels,
        "samples": frames,
        "seconds": round(frames / info.sample_rate, 6),
        "sample_format": info.subtype,
        "tags": info.tags,
    }


def describe_photo(stream: BinaryIO) -> dict[str, Any]:
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


def describe_model(model: ModelFolder) -> dict[str, Any]:
    """An installed model; nominal rates follow from its hop and its codebook sizes."""
    facts = model.facts
    speech = facts.kind == "speech"
    per = SAMPLE_RATE / facts.hop if speech else 1 / facts.hop**2
    codebooks = [
        {"codebook": name, "vocabulary": vocabulary, "nominal": round(per * float(np.log2(rate)), 6)}
        for name, vocabulary, rate in zip(model.codebooks, facts.vocabularies, facts.rates, strict=True)
    ]
    return {
        "type": "model",
        "name": model.name,
        "kind": facts.kind,
        "unit": "bit/s" if speech else "bit/pixel",
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

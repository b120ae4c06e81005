"""A token file and the model that made it: which one that is, and whether both fit."""

import os
from importlib import import_module
from pathlib import Path

from vpcodec.codec.signals import Signal
from vpcodec.container import Facts, Header, prior_identity
from vpcodec.data.streams import Source
from vpcodec.errors import ContainerError, ModelError
from vpcodec.registry import FACTS, ModelFolder, find_model, model_roots

CLASSES = {
    "speech": ("vpcodec.codec.sound", "Sound"),
    "audio": ("vpcodec.codec.sound", "Audio"),
    "image": ("vpcodec.codec.image", "Pictures"),
}


class Signals(dict[str, Signal]):
    """What is known of each kind of signal, imported when it is first asked for: a recording needs no Pillow."""

    def __missing__(self, kind: str) -> Signal:
        module, name = CLASSES[kind]
        self[kind] = getattr(import_module(module), name)(kind)
        return self[kind]


SIGNALS = Signals()


def model_for(header: Header, given: str | None = None, source: Source = "") -> ModelFolder:
    """The model that made a token file.

    It is looked for where models are installed, then beside the token file and in the working directory. A model of
    the same name with other weights is passed over.

    Args:
        header: Of the token file.
        given: The model's name or the path of its folder, where the user named it.
        source: Where the token file comes from.

    Raises:
        ModelError: It is not there, or only with other weights.
        ContainerError: The token file does not fit it.
    """
    if given is not None:
        model = find_model(given)
    else:
        beside = [Path(source).parent] if isinstance(source, str | os.PathLike) else []
        roots = (root / header.model for root in (*model_roots(), *beside, Path()))
        folders = [folder for folder in roots if (folder / FACTS).is_file()]
        if not folders:
            hint = "give its folder with -m, or set VPCODEC_MODELS to the folder that holds it"
            raise ModelError(f"needs the model {header.model}, which was not found", hint=hint)
        fitting = (each for each in map(ModelFolder, folders) if each.checksum == header.weights)
        model = next(fitting, None) or ModelFolder(folders[0])
    check_model(model, header)
    return model


def check_model(model: ModelFolder, header: Header) -> None:
    """Raise ModelError or ContainerError unless a token file was made with this very model."""
    if header.model != model.name or header.weights != model.checksum:
        raise ModelError(
            f"the token file was made with {header.model} ({header.weights.hex()}), "
            f"not with this {model.name} ({model.checksum.hex()})",
            hint="install the version of the model that made it, or give its folder with -m",
        )
    kind = model.facts.kind
    fits = header.kind == kind and header.rate in model.facts.rates
    if not fits or header.signal != SIGNALS[kind].facts_for(header.signal, model.facts):
        raise ContainerError(f"the token file does not fit the model {header.model}")
    if header.levels != model.radices(header.rate):
        raise ContainerError(f"levels {header.levels} are not those of {header.model} with codebook {header.rate}")


def new_header(
    model: ModelFolder, rate: int, facts: Facts, metadata: dict[str, bytes], latency: float | None = None
) -> Header:
    """The header of a token file that a model makes. Raises ConfigError for a latency that it cannot have."""
    signal = SIGNALS[model.facts.kind]
    columns, group = (0, 1) if latency is None else signal.windows(model.facts, latency)
    return Header(
        model=model.name,
        weights=model.checksum,
        rate=rate,
        levels=model.radices(rate),
        signal=signal.facts_for(facts, model.facts),
        metadata=tuple(metadata.items()),
        prior=prior_identity(model.prior(rate)),
        columns=columns,
        group=group,
    )


def prior_of(header: Header, model: ModelFolder | None) -> bytes | None:
    """The prior that a token file of a model was coded with; None where it was coded without."""
    return model.prior(header.rate) if model and header.prior else None


def model_to_read(header: Header, given: str | None = None, source: Source = "") -> ModelFolder | None:
    """The model of a token file; None where it is not here, and the file says all about its tokens.

    Takes and raises what `model_for` does.
    """
    try:
        return model_for(header, given, source)
    except ModelError:
        if given is not None or header.prior or SIGNALS[header.kind].needs_model:
            raise
        return None

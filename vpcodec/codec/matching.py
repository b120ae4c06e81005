"""Whether a token file and a model belong together, and what the one needs of the other."""

from vpcodec.container import Header
from vpcodec.errors import ContainerError, ModelError
from vpcodec.registry import ModelFolder, find_model


def check_model(model: ModelFolder, header: Header) -> None:
    """Raise ModelError or ContainerError unless a token file was made with this very model."""
    if header.model != model.name or header.weights != model.checksum:
        raise ModelError(
            f"the token file was made with {header.model} ({header.weights.hex()}), "
            f"not with this {model.name} ({model.checksum.hex()})",
            hint="install the version of the model that made it",
        )
    if header.kind != model.facts.kind or header.rate not in model.facts.rates:
        raise ContainerError(f"the token file does not fit the model {header.model}")
    if header.levels != model.radices(header.rate):
        raise ContainerError(f"levels {header.levels} are not those of {header.model} at rate {header.rate}")


def prior_of(header: Header, model: ModelFolder | None = None) -> bytes | None:
    """The prior that a token file was coded with; None where it was coded without.

    Args:
        header: Of the token file.
        model: The one that made it; None to look for it, which is done only where there is a prior.

    Raises:
        ModelError: The model is looked for and not installed.
    """
    return (model or find_model(header.model)).prior(header.rate) if header.prior else None

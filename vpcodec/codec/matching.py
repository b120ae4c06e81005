"""Whether a token file and a model belong together."""

from vpcodec.container import Header
from vpcodec.errors import ContainerError, ModelError
from vpcodec.registry import ModelFolder


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

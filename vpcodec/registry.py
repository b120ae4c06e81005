"""Models on disk: find, load, save, verify.

A model is a folder:

    model.toml              kind, sizes, quantizer, rates, checksums of the weights and of the graphs
    weights.safetensors     the averaged weights of training
    recipe.toml             what trained it
    evaluation.json         measured by a command
    notes.md                written by hand: data, license, limits
    card.md                 made from the others by a command

Nothing in it is executed when it is loaded. A folder is looked for at a given path, under $VPCODEC_MODELS,
in the checkout's `models/`, and in the data of the installed package, in this order.
"""

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from vpcodec.config import Network, from_table, read_toml, to_toml
from vpcodec.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from vpcodec.autoencoder import Autoencoder
    from vpcodec.recipe import Recipe

FACTS = "model.toml"
WEIGHTS = "weights.safetensors"
EVALUATION = "evaluation.json"
NOTES = "notes.md"
DEFAULT_MODELS = {"speech": "speech-vp", "image": "image-vp"}  # those that encode where none is named
WIDE_MODEL, WIDE = "audio-vp", 32_000  # encodes recordings of so many Hz or more instead, where it is installed


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What `model.toml` says."""

    name: Annotated[str, "How people call it; token files name it."]
    kind: Annotated[str, "speech or image."]
    hop: Annotated[int, "Samples or pixels per token, along each axis."]
    encoder_reach: Annotated[int, "Positions to either side of a token that can change it."]
    decoder_reach: Annotated[int, "Tokens to either side of a position that can change its signal."]
    rates: Annotated[list[int], "Nominal codebook sizes to choose from."]
    vocabularies: Annotated[list[int], "Number of ids that can occur at each rate."]
    radices: Annotated[list[list[int]], "Bases of the digits of an id at each rate, lowest digit first."]
    parameters: Annotated[int, "Number of weights."]
    weights_sha256: Annotated[str, "SHA-256 of weights.safetensors."]
    spectral_parameters: Annotated[int, "Those of them that are used once a spectrum, not once a token."] = 0
    steps: Annotated[int, "Optimizer steps of the training."] = 0
    minutes: Annotated[float, "Minutes of the training."] = 0.0
    bits: Annotated[list[float], "Bits a second and channel, or a pixel, measured at each rate."] = field(
        default_factory=list
    )
    quantizer: Annotated[dict[str, Any], "The method, its rates and its own options."] = field(default_factory=dict)
    network: Network = field(default_factory=Network)
    graphs: Annotated[dict[str, Any], "SHA-256 of each graph of the onnx engine."] = field(default_factory=dict)

    @property
    def sample_rate(self) -> int:
        """Hz of the sound that the network sees; of no meaning for images."""
        return self.network.sample_rate


class ModelFolder:
    """A model on disk, read as far as it is needed.

    Args:
        path: The folder.

    Raises:
        ModelError: There is no readable model in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / FACTS).is_file():
            raise ModelError(f"{path}: not a model folder ({FACTS} is missing)")
        try:
            self.facts: ModelFacts = from_table(ModelFacts, read_toml(path / FACTS))
        except ConfigError as error:
            problem = error.what.removeprefix(f"{path / FACTS}: ")  # which it names where TOML itself is broken
            raise ModelError(f"{path / FACTS}: {problem}") from error

    @property
    def name(self) -> str:
        return self.facts.name

    def __reduce__(self) -> Any:
        """Pickled by its name where it is installed under that, so that other machines find their own; else by path."""
        installed = self.path.parent in model_roots()
        return find_model, (self.path.name if installed else str(self.path.absolute()),)

    @cached_property
    def checksum(self) -> bytes:
        """First 8 bytes of the SHA-256 of the weights, as `model.toml` states it."""
        return bytes.fromhex(self.facts.weights_sha256)[:8]

    def radices(self, rate: int) -> tuple[int, ...]:
        """Bases of the digits of an id: the levels of scalar methods, the codes of each group of others."""
        return tuple(self.facts.radices[self.facts.rates.index(rate)])

    def prior(self, rate: int) -> bytes | None:
        """What the entropy coder knows beforehand about the tokens of a rate; None if the model ships nothing."""
        path = self.prior_path(rate)
        return path.read_bytes() if path.is_file() else None

    def prior_path(self, rate: int) -> Path:
        return self.path / f"prior-{self.codebook_name(rate)}.bin"

    @property
    def codebooks(self) -> tuple[int | str, ...]:
        """Sizes of the codebooks as users name them, 1024 or `2x1024`, in the order of the quantizer's rates."""
        return tuple(self.facts.quantizer.get("rates", self.facts.rates))

    def checked_codebook(self, codebook: int | str | None) -> int:
        """The quantizer's rate for a codebook that a user names, or for the largest.

        Raises ConfigError for one that the model lacks.
        """
        if codebook is None:
            return self.facts.rates[-1]
        for rate, name in zip(self.facts.rates, self.codebooks, strict=True):
            if codebook in (name, str(name), rate):
                return rate
        hint = f"its codebooks: {', '.join(map(str, self.codebooks))}"
        raise ConfigError(f"model {self.name} has no codebook {codebook}", hint=hint)

    def codebook_name(self, rate: int) -> int | str:
        """What users call the codebook of one of the quantizer's rates."""
        return self.codebooks[self.facts.rates.index(rate)]

    def codes(self, rate: int) -> tuple[int, int]:
        """Codes a position and ids of each: 2 and 1024 of `2x1024`, 1 and 1024 of 1024."""
        groups = groups_of(self.codebook_name(rate))
        return groups, round(self.vocabulary(rate) ** (1 / groups))

    def vocabulary(self, rate: int) -> int:
        """Number of ids that can occur at a rate."""
        return self.facts.vocabularies[self.facts.rates.index(self.checked_codebook(rate))]

    def verify(self) -> None:
        """Raises ModelError unless the weights are those that `model.toml` names."""
        found = sha256(self.path / WEIGHTS)
        if found != self.facts.weights_sha256:
            raise ModelError(
                f"{self.path / WEIGHTS}: damaged or exchanged (SHA-256 {found[:12]}..., "
                f"{FACTS} says {self.facts.weights_sha256[:12]}...)",
                hint="install the model again",
            )

    def autoencoder(self) -> "Autoencoder":
        """The trained module, in evaluation mode on the CPU."""
        from vpcodec.autoencoder import Autoencoder

        self.verify()
        model = Autoencoder(self.facts.kind, self.facts.network, self.facts.quantizer)
        weights, own = read_weights(self.path / WEIGHTS), model.state_dict()
        needed = own.keys() - training_state(model)
        if not needed <= weights.keys() <= own.keys() or any(own[name].shape != weights[name].shape for name in needed):
            raise ModelError(f"{self.path}: the weights are not those of the network in {FACTS}")
        model.load_state_dict(weights, strict=False)
        return model.eval().requires_grad_(False)


def groups_of(codebook: int | str) -> int:
    """Codes a position of a codebook: 2 of `2x1024`, 1 of 1024."""
    return int(str(codebook).rpartition("x")[0] or 1)


def save_model(folder: Path, model: "Autoencoder", recipe: "Recipe", training: dict[str, Any]) -> ModelFolder:
    """Write `model.toml` and `weights.safetensors` into a folder, which names the model.

    Args:
        folder: Existing folder.
        model: The trained module.
        recipe: What it was trained with.
        training: `steps` and `minutes` of the training.
    """
    from safetensors.torch import save

    left_out = training_state(model)
    shipped = {name: value.detach().cpu() for name, value in model.state_dict().items() if name not in left_out}
    (folder / WEIGHTS).write_bytes(save({name: stored(name, value).contiguous() for name, value in shipped.items()}))
    quantizer, network = model.quantizer, model.network
    facts = ModelFacts(
        name=folder.resolve().name,
        kind=recipe.kind,
        hop=network.hop,
        encoder_reach=network.encoder_reach,
        decoder_reach=network.decoder_reach,
        rates=list(quantizer.rates),
        vocabularies=[quantizer.vocabulary(rate) for rate in quantizer.rates],
        radices=[list(quantizer.radices(rate)) for rate in quantizer.rates],
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        spectral_parameters=sum(each.numel() for name, each in model.named_parameters() if ".spectral." in name),
        weights_sha256=sha256(folder / WEIGHTS),
        quantizer=recipe.quantizer,
        network=recipe.network,
        **training,
    )
    write_facts(folder, facts)
    return ModelFolder(folder)


def write_facts(folder: Path, facts: ModelFacts) -> None:
    """Write `model.toml`."""
    (folder / FACTS).write_text(to_toml(facts), encoding="utf-8")


def training_state(model: "Autoencoder") -> set[str]:
    """Names of tensors that training needs and a released model does not, such as a queue of latents."""
    return {f"quantizer.{name}" for name in model.quantizer.training_state()}


def stored(name: str, value: "Tensor") -> "Tensor":
    """A tensor as it ships: the network's matrices in 16 bits, everything else as it is.

    The rounded matrices are the released model. Everyone computes with them, in 32 bits, so tokens agree.
    """
    return value.half() if name.startswith("network.") and value.ndim > 1 else value


def model_roots() -> list[Path]:
    """Folders that hold models, in the order in which they are searched."""
    package = Path(__file__).resolve().parent
    roots = [Path(os.environ["VPCODEC_MODELS"])] if os.environ.get("VPCODEC_MODELS") else []
    return [*roots, package.parent / "models", package / "models"]


def list_models() -> list[ModelFolder]:
    """Every installed model that can be read, the first of each name, by name."""
    return survey_models()[0]


def survey_models() -> tuple[list[ModelFolder], list[ModelError]]:
    """The models that `list_models` gives, and why it leaves out others."""
    found: dict[str, ModelFolder] = {}
    failures: list[ModelError] = []
    for root in model_roots():
        for facts in sorted(root.glob(f"*/{FACTS}")):
            try:
                folder = ModelFolder(facts.parent)
            except ModelError as error:
                failures.append(error)
            else:
                found.setdefault(folder.name, folder)
    return [found[name] for name in sorted(found)], failures


def find_model(name: str) -> ModelFolder:
    """A model by its name or by the path of its folder.

    Raises:
        ModelError: There is none of that name.
    """
    if (Path(name) / FACTS).is_file():
        return ModelFolder(Path(name))
    for root in model_roots():
        if (root / name / FACTS).is_file():
            return ModelFolder(root / name)
    if Path(name).is_dir():
        raise ModelError(f"{name}: is a directory without a model")
    installed = ", ".join(model.name for model in list_models()) or "none"
    raise ModelError(f"no model named {name!r}", hint=f"installed: {installed}; or give the path of a model folder")


def is_installed(name: str) -> bool:
    """Whether a model of this name is where models are looked for."""
    return any((root / name / FACTS).is_file() for root in model_roots())


def default_model(media: str, sample_rate: int) -> str:
    """The name of the model that encodes media of a kind where none is named; the rate is a recording's, in Hz."""
    wide = media == "speech" and sample_rate >= WIDE and is_installed(WIDE_MODEL)
    return WIDE_MODEL if wide else DEFAULT_MODELS[media]


def load_weights(model: "Autoencoder", source: Path) -> int:
    """Copy weights of another model folder or checkpoint wherever name and shape agree; returns how many.

    Of a quantizer all is copied or nothing: half a codebook, or one that counts as fitted and is not there, is none.

    Raises:
        ModelError: The source is not readable, or nothing in it fits.
    """
    state = read_weights(source / WEIGHTS if source.is_dir() else source)
    if source.is_file():
        state = {key.removeprefix("average/"): value for key, value in state.items() if key.startswith("average/")}
    own, left_out = model.state_dict(), training_state(model)
    wanted = {key for key in own if key not in left_out}
    fitting = {key: value for key, value in state.items() if key in wanted and own[key].shape == value.shape}
    if any(key.startswith("quantizer.") for key in wanted - fitting.keys()):
        fitting = {key: value for key, value in fitting.items() if not key.startswith("quantizer.")}
    if not fitting:
        raise ModelError(f"{source}: none of its weights fits this network")
    model.load_state_dict(fitting, strict=False)
    return len(fitting)


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file, 16-bit ones widened to 32 bits.

    Raises:
        ModelError: The file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read ({error})") from error


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file. Raises ModelError if it cannot be read."""
    try:
        with path.open("rb") as file:  # at once, which other threads need not wait for
            content = mmap(file.fileno(), 0, access=ACCESS_READ) if os.fstat(file.fileno()).st_size else b""
            return hashlib.sha256(content).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error

"""What every quantizer promises (`vpcodec.testing.quantizers`), and what differs from method to method."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from vpcodec.errors import ConfigError, DependencyError
from vpcodec.quantizers import QUANTIZERS, build_quantizer
from vpcodec.quantizers.base import Noise
from vpcodec.quantizers.fsp import UNIFORM_STD
from vpcodec.testing.quantizers import CHECKS, Subject

SIZES = (256, 1024, 4096, 16384)
LEVELS = (240, 1000, 4375, 15360)  # the products of the levels that the scalar methods have at these sizes


@dataclass
class Method:
    """What a test knows of a method.

    Attributes:
        options: That keep it small.
        attributes: Set after it was built, to the same end.
        channels: Of its latents at each of SIZES.
        vocabularies: Ids that can occur at each of SIZES.
        learned: All that an optimizer sees; what is not listed is a buffer, out of reach of weight decay.
        coded_as: See `Subject`.
    """

    options: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    channels: tuple[int, ...] = (3, 4, 5, 5)
    vocabularies: tuple[int, ...] = SIZES
    learned: tuple[str, ...] = ()
    coded_as: Callable[[torch.Tensor], torch.Tensor] = lambda decoded: decoded


METHODS = {
    "vp": Method({"channels": 3, "rows_per_code": 16}),
    "fsp": Method(vocabularies=LEVELS, coded_as=lambda decoded: torch.atanh(2 * UNIFORM_STD * decoded)),
    "fsq": Method(vocabularies=LEVELS, coded_as=lambda decoded: torch.atanh(decoded * 0.999)),
    "vq": Method(attributes={"start_tokens": 512}, learned=("codebook",)),
    "ema": Method({"restart": True}, {"start_tokens": 512}),
    "vqgan-fc": Method(channels=(8, 8, 8, 8), learned=("codebook",)),
    "simvq": Method(learned=("map.weight", "map.bias")),
    "tokenbridge": Method(
        channels=(4, 5, 6, 7), coded_as=lambda decoded: torch.cat([decoded, torch.zeros_like(decoded)], -1)
    ),
    "nsvq": Method(attributes={"start_tokens": 512}, learned=("codebook",)),
    "transvq": Method({"width": 32}, learned=("map",)),
}

# Two codes of 16 a position make as many ids as one of 256.
GROUPED = {
    "vp in groups": Method({"channels": 2, "rows_per_code": 16}),
    "fsp in groups": Method({"levels": [4, 4]}, coded_as=METHODS["fsp"].coded_as),
    "vq in groups": Method({"channels": 2}, {"start_tokens": 64}, learned=("parts.0.codebook", "parts.1.codebook")),
}
EVERY = METHODS | GROUPED


def build(name):
    quantizer = build_quantizer(
        name.partition(" ")[0], rates=["2x16" if name in GROUPED else 256], **EVERY[name].options
    )
    for part in quantizer.quantizers() if name in GROUPED else [quantizer]:
        vars(part).update(EVERY[name].attributes)
    return quantizer


SUBJECTS = {name: Subject(lambda name=name: build(name), EVERY[name].coded_as) for name in EVERY}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", EVERY)
def test_the_contract(name, check):
    check(SUBJECTS[name])


def test_every_method_of_the_package_is_checked():
    assert list(METHODS) == list(QUANTIZERS)


@pytest.mark.parametrize("name", EVERY)
def test_only_what_is_learned_is_a_parameter(name):
    learned = {key for key, _ in build(name).named_parameters()}
    assert {
        "map" if name == "transvq" else key for key in learned if key.startswith("map.") or name != "transvq"
    } == set(EVERY[name].learned)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("method", QUANTIZERS)
def test_a_quantizer_says_how_many_ids_can_occur(method, place):
    quantizer = build_quantizer(method, rates=[SIZES[place]])
    assert quantizer.vocabulary() == METHODS[method].vocabularies[place]
    assert quantizer.channels == METHODS[method].channels[place]


@pytest.mark.parametrize("method", ["fsp", "fsq", "tokenbridge"])
def test_ids_of_many_codes_survive_low_precision_surroundings(method):
    quantizer = build_quantizer(method, rates=[16384]).eval()
    tokens = torch.arange(quantizer.vocabulary())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        latents = METHODS[method].coded_as(quantizer.decode(tokens))
        assert torch.equal(quantizer.encode(latents), tokens)
        assert torch.equal(quantizer(latents.view(1, -1, quantizer.input_channels)).tokens.flatten(), tokens)


@pytest.mark.parametrize("name", EVERY)
def test_an_unknown_option_is_a_wrong_recipe(name):
    with pytest.raises(ConfigError, match="colour"):
        build_quantizer(name.partition(" ")[0], rates=[256], colour="blue")


@pytest.mark.parametrize("name", ["vp", "fsp", "vp in groups", "fsp in groups"])
def test_a_step_never_waits_for_the_device(name, monkeypatch):
    """On the meta device nothing can be read back: whatever would wait for a graphics card is an error there."""
    quantizer = build(name).train()
    latents = torch.randn(2, 2000, quantizer.input_channels)
    quantizer(latents, 0.5)  # fills the queues of vp
    quantizer.to("meta")
    for draw in ("uniform", "normal"):  # this device has no random numbers of its own
        monkeypatch.setattr(Noise, draw, lambda self, like: torch.empty_like(like))
    for progress in (0.6, 0.8):
        quantized = quantizer.relax(latents.to("meta").requires_grad_(), progress, quantizer.rates[-1])
        (quantized.latents.sum() + quantized.loss).backward()
        assert quantized.latents.is_meta
        assert all(value.is_meta for value in quantized.stats.values())


@pytest.mark.parametrize(("name", "package"), [("vp", "faiss"), ("vp in groups", "scipy"), ("ema", "faiss")])
def test_a_missing_package_is_named_before_a_training_with_what_to_install(monkeypatch, name, package):
    build("fsp").check_packages()
    build(name).check_packages()
    monkeypatch.setattr("vpcodec.quantizers.base.find_spec", lambda asked: None if asked == package else asked)
    with pytest.raises(DependencyError, match=f"needs {package}, which is not installed") as caught:
        build(name).check_packages()
    assert "vpcodec[full]" in caught.value.hint

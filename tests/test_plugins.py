"""Methods from outside of the package: by the entry point of an installed package, or by a dotted name in a recipe."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vpcodec import plugins
from vpcodec.codec.onnx_engine import OnnxEngine
from vpcodec.config import Network
from vpcodec.errors import ConfigError
from vpcodec.networks import build_network
from vpcodec.quantizers import build_quantizer
from vpcodec.recipe import override
from vpcodec.registry import FACTS, ModelFolder
from vpcodec.testing.networks import CHECKS as NETWORK_CHECKS
from vpcodec.testing.quantizers import CHECKS, Subject
from vpcodec.training.loop import Run, train
from vpcodec.training.recipes import find_recipe

MODULE = '''
import torch

from vpcodec.networks.blocks import SignalNetwork
from vpcodec.quantizers.fsp import FSP


class Halved(FSP):
    """FSP at half the strength of its moves."""

    def __init__(self, rates=(256,)):
        super().__init__(rates, reach=0.5)


class Linear(SignalNetwork):
    """One matrix each way, at a token per hop."""

    axes, channels, encoder_reach, decoder_reach = 1, 1, 0, 0

    def __init__(self, options, latent_inputs, latent_channels):
        super().__init__()
        self.hop = options.hop
        self.encoder = torch.nn.Linear(self.hop, latent_inputs)
        self.decoder = torch.nn.Linear(latent_channels, self.hop)

    def encode(self, signal):
        return self.encoder(signal.unflatten(1, (-1, self.hop)))

    def decode(self, latents, condition=None):
        return self.decoder(latents).flatten(1)
'''
ENTRY_POINTS = "[vpcodec.quantizers]\nhalved = my_methods:Halved\nbroken = my_methods:Missing\n"
ENTRY_POINTS += "[vpcodec.networks]\nlinear = my_methods:Linear\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module `my_methods`, on the path of Python and installed there as a package."""
    folder = tmp_path / "packages"
    (folder / "my_methods-1.0.dist-info").mkdir(parents=True)
    (folder / "my_methods.py").write_text(MODULE)
    (folder / "my_methods-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: my-methods\nVersion: 1.0\n"
    )
    (folder / "my_methods-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(plugins, "ALLOWED", set())
    monkeypatch.delitem(sys.modules, "my_methods", raising=False)
    return folder


def test_a_method_of_an_installed_package_is_found_by_its_name_and_keeps_the_contract(package: Path) -> None:
    quantizer = build_quantizer("halved", rates=[256])
    assert (type(quantizer).__name__, quantizer.vocabulary()) == ("Halved", 240)
    subject = Subject(lambda: build_quantizer("halved"), lambda decoded: torch.atanh(decoded / 3**0.5))
    for check in CHECKS:
        check(subject)


def test_a_network_of_an_installed_package_is_found_by_its_name_and_keeps_the_contract(package: Path) -> None:
    network = build_network("speech", Network(architecture="linear"), 4, 4)
    assert (type(network).__name__, network.hop) == ("Linear", 96)
    for check in NETWORK_CHECKS:
        check(network)


@pytest.mark.parametrize("setting", ["quantizer.method=my_methods:Halved", "network.architecture=my_methods:Linear"])
def test_a_dotted_name_in_a_recipe_trains_a_model_that_no_other_process_imports(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    soundfile.write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    recipe = override(find_recipe("speech-fsp-tiny"), [setting, "training.steps=2"])
    folder = train(recipe, Run(data=tmp_path / "noise.wav", out=tmp_path / "model", device="cpu"))
    monkeypatch.setattr(plugins, "ALLOWED", set())  # as in another process
    monkeypatch.delitem(sys.modules, "my_methods")
    model = ModelFolder(folder)
    with pytest.raises(ConfigError, match=r"my_methods:\w+ is not part of vpcodec, and a model folder may not"):
        model.autoencoder()
    assert "my_methods" not in sys.modules
    assert OnnxEngine(model).encode(np.zeros((1, 960), np.float32), 256).shape == (1, 10)  # its graphs need no module


@pytest.mark.parametrize("name", ["my_methods:Halved", "my_methods.Halved", "antigravity:this"])
def test_a_model_folder_cannot_have_a_module_imported(package: Path, tmp_path: Path, name: str) -> None:
    released = next(Path(__file__).parents[1].joinpath("models").glob(f"*/{FACTS}"))
    for file in released.parent.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / FACTS).unlink()
    text = released.read_text(encoding="utf-8")
    method = ModelFolder(released.parent).facts.quantizer["method"]
    (tmp_path / FACTS).write_text(text.replace(f'method = "{method}"', f'method = "{name}"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="quantizer"):
        ModelFolder(tmp_path).autoencoder()
    assert not {"my_methods", "antigravity"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_methods:Missing", "has no attribute 'Missing'"),
        ("no_such_module:Mine", "No module named 'no_such_module'"),
        ("collections:OrderedDict", "no subclass of vpcodec.quantizers.base.Quantizer"),
        ("broken", "has no attribute 'Missing'"),
        ("no-such-name", "unknown quantizer 'no-such-name'"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_wrong_recipe(package: Path, name: str, message: str) -> None:
    plugins.allow(name)
    with pytest.raises(ConfigError, match=message):
        build_quantizer(name, rates=[256])


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("my_methods:Linear", "image", "1 axes of positions, which is not for kind 'image'"),
        ("my_methods:Halved", "speech", r"no subclass of vpcodec\.networks\.blocks\.SignalNetwork"),
        ("no-such-name", "speech", "unknown network 'no-such-name'"),
    ],
)
def test_a_network_that_does_not_fit_is_a_wrong_recipe(package: Path, name: str, kind: str, message: str) -> None:
    plugins.allow(name)
    with pytest.raises(ConfigError, match=message):
        build_network(kind, Network(architecture=name), 4, 4)

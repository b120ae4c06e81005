"""Graphs for ONNX Runtime: every quantizer exports, computes what torch computes, and stores no weight twice."""

import io
import warnings
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

from vpcodec.autoencoder import Autoencoder
from vpcodec.codec.onnx_engine import DECODER, DECODER_8_BITS, ENCODER, OnnxEngine
from vpcodec.codec.torch_engine import TorchEngine
from vpcodec.config import Network
from vpcodec.errors import ModelError
from vpcodec.graphs import write_graphs, writing
from vpcodec.graphs.nodes import OPSET, formulas, registered
from vpcodec.networks.sound import transforms
from vpcodec.quantizers import QUANTIZERS
from vpcodec.quantizers.codebook import nearest
from vpcodec.recipe import Recipe, override
from vpcodec.registry import FACTS, WEIGHTS, ModelFolder, save_model, sha256, write_facts
from vpcodec.training.recipes import find_recipe

KINDS = ("speech", "image")
SMALL = Network(width=32, encoder_blocks=1, decoder_blocks=2, expansion=2, kernel=3)


def small_recipe(kind: str) -> Recipe:
    return Recipe(kind=kind, quantizer={"method": "fsp", "rates": [256]}, network=SMALL)


def make_model(folder: Path, recipe: Recipe) -> ModelFolder:
    """A model of random weights whose latents spread over all of the codebook."""
    torch.manual_seed(0)
    model = Autoencoder(recipe.kind, recipe.network, recipe.quantizer)
    quantizer = model.quantizer
    quantizer.finish(torch.randn(4, 1024, quantizer.input_channels))
    folder.mkdir()
    return save_model(folder, model.eval(), recipe, {"steps": 0, "minutes": 0.0})


def signal_of(kind: str, *positions: int) -> np.ndarray:
    random = np.random.default_rng(1)
    shapes = {
        "speech": (positions[0] * 96,),
        "audio": (positions[0] * 288, 2),
        "image": (positions[0] * 8, positions[-1] * 8, 3),
    }
    return random.uniform(-1, 1, (1, *shapes[kind])).astype(np.float32)


@pytest.mark.parametrize(("kind", "method"), [*product(KINDS, QUANTIZERS), ("audio", "fsp")])
def test_graphs_of_every_quantizer_give_the_tokens_and_the_signal_of_torch(
    tmp_path: Path, kind: str, method: str
) -> None:
    model = make_model(tmp_path / "model", find_recipe(f"{kind}-{method}-tiny"))
    model = write_graphs(model.path)
    reference, engine = TorchEngine(model, "cpu"), OnnxEngine(model)
    (rate,) = model.facts.rates
    for positions in ((1, 1), (7, 50), (70, 3)):
        signal = signal_of(kind, *positions)
        tokens = reference.encode(signal, rate)
        np.testing.assert_array_equal(engine.encode(signal, rate), tokens)
        np.testing.assert_allclose(engine.decode(tokens, rate), reference.decode(tokens, rate), rtol=0, atol=1e-4)


def test_graphs_of_a_network_with_blocks_at_the_rate_of_the_spectra_agree_with_torch(tmp_path: Path) -> None:
    sizes = ("stride=4", "spectral_encoder_blocks=1", "spectral_decoder_blocks=2")
    recipe = override(find_recipe("speech-fsp-tiny"), [f"network.{size}" for size in sizes])
    model = write_graphs(make_model(tmp_path / "model", recipe).path)
    reference, engine = TorchEngine(model, "cpu"), OnnxEngine(model)
    for positions in (4, 200):
        signal = signal_of("speech", positions)
        tokens = reference.encode(signal, 256)
        assert tokens.shape == (1, positions // 4)
        np.testing.assert_array_equal(engine.encode(signal, 256), tokens)
        np.testing.assert_allclose(engine.decode(tokens, 256), reference.decode(tokens, 256), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_each_rate_of_a_model_has_a_quantizer_and_a_decoder_of_its_own(tmp_path: Path, kind: str) -> None:
    settings = ["quantizer.rates=[16, 64, '2x16']"]
    model = make_model(tmp_path / "model", override(find_recipe(f"{kind}-vp-tiny"), settings))
    weights = load_file(model.path / WEIGHTS)
    torch.manual_seed(1)
    weights["rate_conditions"] = torch.randn_like(weights["rate_conditions"])
    change_weights(model.path, weights)
    model = write_graphs(model.path)
    assert {"quantizer-16.onnx", "quantizer-2x16.onnx", "decoder-64.onnx", "decoder-2x16.onnx"} <= {*model.facts.graphs}
    reference, engine = TorchEngine(model, "cpu"), OnnxEngine(model)
    signal = signal_of(kind, 20, 30)
    decoded = []
    for rate in model.facts.rates:
        tokens = engine.encode(signal, rate)
        np.testing.assert_array_equal(tokens, reference.encode(signal, rate))
        decoded.append(engine.decode(tokens % 16, rate))
        np.testing.assert_allclose(decoded[-1], reference.decode(tokens % 16, rate), rtol=0, atol=1e-4)
    assert not np.allclose(decoded[0], decoded[1])


class Search(torch.nn.Module):
    """The nearest codes as a module with one tensor in and one out."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Buffer(table)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return nearest(latents, self.table)


def hard_tables() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Codes and latents between which float32 cannot decide."""
    torch.manual_seed(0)
    table, latents = torch.randn(300, 5), torch.randn(200, 5)
    return {
        "far from the origin": (3e4 + 0.01 * table, 3e4 + 0.01 * latents),
        "close together beside a code far away": (torch.cat([0.01 * table, table[:1] + 100]), 0.01 * latents),
        "every code twice": (torch.cat([table, table]), latents),
        "all codes the same": (table[:1].expand(300, 5), latents),
        "latents that are no numbers": (table, latents.masked_fill(latents > 1, torch.nan)),
    }


@pytest.mark.parametrize("name", hard_tables())
def test_a_graph_finds_the_nearest_code_where_32_bits_do_not(name: str) -> None:
    table, latents = hard_tables()[name]
    written = io.BytesIO()
    with registered(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Search(table), (latents,), written, dynamo=False, opset_version=OPSET)
    session = onnxruntime.InferenceSession(written.getvalue())
    (found,) = session.run(None, {session.get_inputs()[0].name: latents.numpy()})
    differences = latents.double()[:, None] - table.double()[None]
    expected = differences.square().sum(-1).nan_to_num(0).argmin(-1)
    np.testing.assert_array_equal(found, expected)
    assert torch.equal(nearest(latents, table), expected)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("models") / "model"
    model = make_model(folder, small_recipe("speech"))
    return write_graphs(model.path)


def test_graphs_hold_the_places_of_weights_and_not_the_weights(exported: ModelFolder) -> None:
    for path in exported.path.glob("*.onnx"):
        assert path.stat().st_size < 100_000
        for weight in onnx.load(path, load_external_data=False).graph.initializer:
            if weight.name.startswith("model."):
                assert weight.data_location == onnx.TensorProto.EXTERNAL
                assert not weight.raw_data
                assert not weight.float_data
            else:  # a constant, such as a shape
                assert weight.ByteSize() < 4096


def test_no_arithmetic_of_constants_is_left_to_the_loading_of_a_graph(exported: ModelFolder) -> None:
    for path in exported.path.glob("*.onnx"):
        graph = onnx.load(path, load_external_data=False).graph
        assert sum(node.op_type == "Constant" for node in graph.node) < 20, path.name  # the transforms have some


def test_the_transforms_that_a_graph_computes_are_those_of_the_network() -> None:
    session = onnxruntime.InferenceSession(onnx.parser.parse_model(formulas(384)).SerializeToString())
    computed = session.run(["analysis", "synthesis"], {})
    _, *matrices = transforms(384)
    for found, wanted in zip(computed, matrices, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_products_of_8_bits_leave_tokens_alone_and_change_the_signal_a_little(tmp_path: Path, kind: str) -> None:
    model = write_graphs(make_model(tmp_path / "model", small_recipe(kind)).path)
    engine, quicker = OnnxEngine(model), OnnxEngine(model, eight_bits=True)
    signal = signal_of(kind, 40, 30)
    tokens = engine.encode(signal, 256)
    np.testing.assert_array_equal(quicker.encode(signal, 256), tokens)
    expected, found = (one.decode(tokens, 256) for one in (engine, quicker))
    error = np.square(found - expected).mean() / np.square(expected).mean()
    assert 0 < error < 0.01


def test_a_network_that_8_bits_harm_goes_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small_recipe("image")
    model = write_graphs(make_model(tmp_path / "model", recipe).path)
    OnnxEngine(model, eight_bits=True)
    monkeypatch.setattr(writing, "CLOSE_8_BITS", 1e-9)
    model = write_graphs(model.path)
    OnnxEngine(model)
    with pytest.raises(ModelError, match="has no 8-bit graphs, because they would change the signal too much"):
        OnnxEngine(model, eight_bits=True)
    assert not (model.path / DECODER_8_BITS.format(codebook=256)).exists()


def test_only_the_trunk_multiplies_with_8_bits(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", small_recipe("speech")).path
    write_graphs(folder)
    exact, quicker = (
        [node.op_type for node in onnx.load(folder / name.format(codebook=256), load_external_data=False).graph.node]
        for name in (DECODER, DECODER_8_BITS)
    )
    assert quicker.count("MatMulInteger") == exact.count("Gemm") == 2 + 2 * SMALL.decoder_blocks
    assert quicker.count("Gemm") == 0
    assert quicker.count("MatMul") == exact.count("MatMul") == 1  # spectra to sound


def test_weights_stored_in_16_bits_are_widened_to_those_of_torch(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", small_recipe("image"))
    halves = {name: value.half() for name, value in load_file(model.path / WEIGHTS).items()}
    change_weights(model.path, halves)
    model = write_graphs(model.path)
    signal = signal_of("image", 9, 9)
    tokens = OnnxEngine(model).encode(signal, 256)
    np.testing.assert_array_equal(tokens, TorchEngine(model, "cpu").encode(signal, 256))


def test_a_model_whose_graphs_compute_something_else_is_left_without_graphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(tmp_path / "model", small_recipe("speech"))
    monkeypatch.setattr(OnnxEngine, "encode", lambda *_: np.zeros((1, 24), np.int64))
    with pytest.raises(ModelError, match="tokens at rate 256 differ"):
        write_graphs(model.path)
    assert not ModelFolder(model.path).facts.graphs


@pytest.mark.parametrize("method", ["fsp", "vq", "tokenbridge"])
def test_only_a_token_whose_border_is_near_is_excused(method: str) -> None:
    torch.manual_seed(0)
    recipe = find_recipe(f"image-{method}-tiny")
    quantizer = Autoencoder(recipe.kind, recipe.network, recipe.quantizer).quantizer.eval()
    quantizer.finish(torch.randn(4, 1024, quantizer.input_channels))
    (rate,) = quantizer.rates
    near, far = torch.randn(2, 50, quantizer.input_channels)
    own, other = quantizer.encode(near, rate), quantizer.encode(far, rate)
    near, far, own, other = (each[own != other] for each in (near, far, own, other))
    start = near
    for _ in range(30):  # towards the first border between the two
        middle = (near + far) / 2
        inside = (quantizer.encode(middle, rate) == own)[:, None]
        near, far = torch.where(inside, middle, near), torch.where(inside, far, middle)
    beyond = quantizer.encode(far, rate)
    assert writing.at_border(quantizer, near, beyond, rate)
    assert writing.at_border(quantizer, start[:0], own[:0], rate)  # nothing to excuse
    distant = (near - start).abs().amax(1) > 0.05
    excused = [
        writing.at_border(quantizer, start[place : place + 1], beyond[place : place + 1], rate)
        for place in distant.nonzero().flatten().tolist()
    ]
    assert sum(excused) <= 0.1 * len(excused)  # one may start beside a border of another way


def test_a_token_at_a_border_is_accepted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(tmp_path / "model", small_recipe("image"))
    encode = OnnxEngine.encode
    monkeypatch.setattr(OnnxEngine, "encode", lambda *given: np.where(np.indices((24, 25)).sum(0), encode(*given), 7))
    monkeypatch.setattr(writing, "at_border", lambda *_: True)
    notes: list[str] = []
    assert write_graphs(model.path, notes.append).facts.graphs
    assert len(notes) == 1
    assert "1 of 600 tokens at rate 256 differ from torch's; their latents lie within 0.001 of a border" in notes[0]


@pytest.mark.parametrize(("step", "error"), [("point_to_weights", KeyboardInterrupt), ("compare", ModelError)])
def test_graphs_that_are_there_stay_until_new_ones_are_complete(
    exported: ModelFolder, monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]
) -> None:
    def stop(*_: object) -> None:
        raise error("stop")

    before = {path.name: path.read_bytes() for path in exported.path.iterdir()}
    monkeypatch.setattr(f"vpcodec.graphs.writing.{step}", stop)
    with pytest.raises(error):
        write_graphs(exported.path)
    assert {path.name: path.read_bytes() for path in exported.path.iterdir()} == before


def test_a_folder_that_takes_no_graphs_is_named(exported: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(ModelError, match="graphs cannot be written there"):
        write_graphs(exported.path)


@pytest.mark.parametrize("name", [ENCODER, WEIGHTS])
def test_damaged_graphs_and_weights_compute_nothing(exported: ModelFolder, tmp_path: Path, name: str) -> None:
    for path in exported.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = bytearray((tmp_path / name).read_bytes())
    damaged[-1] ^= 1
    (tmp_path / name).write_bytes(damaged)
    engine = OnnxEngine(ModelFolder(tmp_path))
    for _ in range(2):
        with pytest.raises(ModelError, match=f"{name}: damaged or exchanged"):
            engine.encode(np.zeros((1, 96), np.float32), 256)


def test_a_model_without_graphs_says_how_to_get_them(exported: ModelFolder, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes((exported.path / WEIGHTS).read_bytes())
    for kept in ({}, {ENCODER: exported.facts.graphs[ENCODER]}):
        write_facts(tmp_path, replace(exported.facts, graphs=kept))
        with pytest.raises(ModelError, match="has no graphs for this engine"):
            OnnxEngine(ModelFolder(tmp_path))


def change_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """Store other weights in a model folder, and their checksum."""
    before = sha256(folder / WEIGHTS)
    save_file(weights, folder / WEIGHTS)
    facts = (folder / FACTS).read_text().replace(before, sha256(folder / WEIGHTS))
    (folder / FACTS).write_text(facts)

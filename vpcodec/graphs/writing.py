"""What is in the graphs, and how they are traced, pointed at the weights and checked.

    encoder.onnx          signal [1, T*hop] or [1, H*hop, W*hop, 3]  ->  latents [1, T, C] or [1, H, W, C]
    quantizer-K.onnx      latents [rows, C]                          ->  tokens [rows]
    decoder-K.onnx        tokens [1, T] or [1, H, W]                 ->  signal
    decoder-K-8-bits.onnx      the same with products of 8 bits (`nodes`); a network that they harm goes without

K names a codebook, 1024 or 2x1024. Each is a trace of the module, so the arithmetic of ids has one source. Weights are
not copied: the graphs hold, for each, its place in `weights.safetensors`. A quantizer takes a fixed number of rows, as
many as its module searches at a time, so that a large codebook needs no more memory here than there.

The trace is taken by torch's TorchScript exporter: it needs no further package, and keeps the operations of the
modules one to one.
"""

import json
import os
import shutil
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from vpcodec.autoencoder import Autoencoder
from vpcodec.codec.onnx_engine import DECODER, DECODER_8_BITS, ENCODER, QUANTIZER, OnnxEngine
from vpcodec.errors import ModelError
from vpcodec.graphs.nodes import OPSET, compute_transforms, registered, with_eight_bits
from vpcodec.networks.blocks import SignalNetwork
from vpcodec.networks.sound import SoundNetwork
from vpcodec.quantizers.base import Quantizer
from vpcodec.quantizers.codebook import CELLS
from vpcodec.registry import FACTS, WEIGHTS, ModelFolder, sha256, write_facts

ROWS = 2048  # positions that a quantizer without codebook takes at a time
POSITIONS = 24  # along each axis of the example signal
CLOSE_LATENTS = 1e-3  # largest difference of a latent from torch's, and distance from a border that excuses a token
CLOSE = 1e-4  # largest difference of a sample or colour from torch's
CLOSE_8_BITS = 0.05  # largest share of error in the energy of the signal with which an 8-bit decoder is worth having
TYPES = {"F32": onnx.TensorProto.FLOAT, "F16": onnx.TensorProto.FLOAT16, "BF16": onnx.TensorProto.BFLOAT16}
Compute = Callable[[Autoencoder, Tensor], Tensor]
Place = tuple[str, int, int]  # of a tensor in a file: type, first byte, number of bytes


class Part(nn.Module):
    """A part of the model as a module that takes and returns one tensor."""

    def __init__(self, model: Autoencoder, compute: Compute) -> None:
        super().__init__()
        self.model = model
        self.compute = compute

    def forward(self, given: Tensor) -> Tensor:
        return self.compute(self.model, given)


def write_graphs(folder: Path, report: Callable[[str], None] = lambda note: None) -> ModelFolder:
    """Write the graphs of every rate into a model folder, and their checksums into its `model.toml`.

    They are made beside those that are there, compared with torch, and only then put in their place.

    `report` takes a note on tokens that differ from torch's, as `docs/engines.md` explains. Returns the model with its
    graphs.

    Raises:
        ModelError: There is no model in it, it cannot be written to, or the graphs do not compute what torch computes.
    """
    model = ModelFolder(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".graphs-", dir=folder) as draft:
            names = draft_graphs(model, Path(draft), report)
            for name in (*names, FACTS):  # the checksums last
                os.replace(Path(draft, name), folder / name)
            for name in model.facts.graphs.keys() - names:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"{folder}: graphs cannot be written there ({error.strerror or error})") from error
    return ModelFolder(folder)


def draft_graphs(model: ModelFolder, draft: Path, report: Callable[[str], None]) -> list[str]:
    """Make another folder the same model with new graphs, and compare these with torch; returns their names."""
    autoencoder = model.autoencoder()
    autoencoder.quantizer.freeze()  # a graph holds the codebook, not what it is made from
    places = places_of_tensors(model.path / WEIGHTS)
    shutil.copyfile(model.path / WEIGHTS, draft / WEIGHTS)
    checksums = {}
    for name, traced in parts(autoencoder, model):
        graph = fold_constants(traced)
        if isinstance(autoencoder.network, SoundNetwork):
            compute_transforms(graph, autoencoder.network)
        point_to_weights(graph, places)
        (draft / name).write_bytes(graph.SerializeToString())
        checksums[name] = sha256(draft / name)
    write_facts(draft, replace(model.facts, graphs=checksums))
    drafted = ModelFolder(draft)
    engine = OnnxEngine(drafted)
    for note in compare(engine, drafted, autoencoder):
        report(f"{model.name}: {note}")
    if not stands_eight_bits(engine, drafted, autoencoder):
        for codebook in model.codebooks:
            del checksums[DECODER_8_BITS.format(codebook=codebook)]
        write_facts(draft, replace(model.facts, graphs=checksums))
    return list(checksums)


def parts(model: Autoencoder, folder: ModelFolder) -> Iterator[tuple[str, onnx.ModelProto]]:
    """File name and graph of all that the engine needs of a model."""
    quantizer, network = model.quantizer, model.network
    axes = {1: "time"} if network.axes == 1 else {1: "height", 2: "width"}
    signal = example(model.network)
    latents = network.encode(signal).flatten(0, -2)
    yield ENCODER, trace(model, lambda m, x: m.network.encode(x).float(), signal, ("signal", "latents"), axes)
    for rate, codebook in zip(quantizer.rates, folder.codebooks, strict=True):
        rows = max(1, min(ROWS, CELLS["cpu"] // max(quantizer.radices(rate))))
        some = latents[torch.arange(rows) % len(latents)]
        quantize = partial(lambda rate, m, x: m.quantizer.encode(x, rate), rate)
        yield QUANTIZER.format(codebook=codebook), trace(model, quantize, some, ("latents", "tokens"), {})
        decode = partial(lambda rate, m, x: m.decode(x, rate), rate)
        decoder = trace(model, decode, model.encode(signal, rate), ("tokens", "signal"), axes)
        yield DECODER_8_BITS.format(codebook=codebook), with_eight_bits(decoder)
        yield DECODER.format(codebook=codebook), decoder


def trace(
    model: Autoencoder, compute: Compute, given: Tensor, names: tuple[str, str], axes: dict[int, str]
) -> onnx.ModelProto:
    """The graph of what a part of a model computes, for an example of what it is given.

    `names` are those of its input and output, `axes` the axes of the input whose size may vary, each with its name.
    """
    part = Part(model, compute).eval()
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings(), registered():
        warnings.simplefilter("ignore")  # of the exporter's age, and of facts about the model that a trace fixes
        path = Path(temporary) / "graph.onnx"
        torch.onnx.export(
            part,
            (given,),
            path,
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=False,  # it would store transposed weights
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={names[0]: axes},
        )
        return onnx.load(path)


def fold_constants(traced: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with the arithmetic of its shapes computed, which ONNX Runtime would do each time it loads it.

    Only its basic rules are used, which keep to the operations of ONNX. What follows from weights is left to the
    loading: it would be stored a second time.
    """
    graph, weights = onnx.ModelProto.FromString(traced.SerializeToString()), traced.graph.initializer
    del graph.graph.initializer[:]
    for weight in weights:  # nothing is known of an input
        graph.graph.input.append(onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3  # errors
    with tempfile.TemporaryDirectory() as temporary:
        options.optimized_model_filepath = str(Path(temporary, "graph.onnx"))
        onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        folded = onnx.load(options.optimized_model_filepath)
    del folded.graph.input[len(traced.graph.input) :]
    folded.graph.initializer.extend(weights)
    return folded


def places_of_tensors(path: Path) -> dict[str, Place]:
    """Where a safetensors file holds each of its tensors."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    data = 8 + length
    return {
        name: (entry["dtype"], data + entry["data_offsets"][0], entry["data_offsets"][1] - entry["data_offsets"][0])
        for name, entry in header.items()
    }


def point_to_weights(graph: onnx.ModelProto, places: dict[str, Place]) -> None:
    """Replace the numbers of every weight by where `weights.safetensors` holds them; the graph widens 16 bits."""
    for weight in graph.graph.initializer:
        if weight.name.removeprefix("model.") not in places:  # a folded constant
            continue
        stored, offset, length = places[weight.name.removeprefix("model.")]
        if TYPES[stored] != weight.data_type:
            wide = weight.name
            weight.name += ".stored"
            widen = onnx.helper.make_node("Cast", [weight.name], [wide], to=weight.data_type)
            graph.graph.node.insert(0, widen)
        weight.data_type = TYPES[stored]
        onnx.external_data_helper.set_external_data(weight, WEIGHTS, offset, length)
        weight.ClearField("raw_data")


def compare(engine: OnnxEngine, model: ModelFolder, autoencoder: Autoencoder) -> list[str]:
    """Notes on tokens that differ from torch's because their latents lie at a border.

    Raises ModelError for anything else in which the graphs do not compute what torch computes, for every rate.
    """
    signal = example(autoencoder.network)
    latents = autoencoder.network.encode(signal).float()
    furthest = np.abs(engine.run(ENCODER, signal.numpy()) - latents.numpy()).max()
    if not furthest <= CLOSE_LATENTS:
        raise ModelError(f"{model.name}: the latents are up to {furthest:.1e} off torch's")
    notes = []
    for rate in model.facts.rates:
        tokens = autoencoder.quantizer.encode(latents, rate)
        found = torch.from_numpy(engine.encode(signal.numpy(), rate))
        wrong = found != tokens
        differing = f"{wrong.sum()} of {found.numel()} tokens at rate {rate} differ from torch's"
        if not at_border(autoencoder.quantizer, latents[wrong], found[wrong], rate):
            raise ModelError(f"{model.name}: {differing}")
        if wrong.any():
            notes.append(f"{differing}; their latents lie within {CLOSE_LATENTS:g} of a border")
        decoded = engine.decode(found.numpy(), rate)
        furthest = np.abs(decoded - autoencoder.decode(found, rate).numpy()).max()
        if not furthest <= CLOSE:
            raise ModelError(f"{model.name}: the signal at rate {rate} is up to {furthest:.1e} off torch's")
    return notes


def at_border(quantizer: Quantizer, latents: Tensor, tokens: Tensor, rate: int) -> bool:
    """Whether each of some latents [n, C] gets its token [n] after a step of `CLOSE_LATENTS` along one channel."""
    steps = CLOSE_LATENTS * torch.eye(latents.shape[-1])
    moved = latents[:, None] + torch.cat([steps, -steps])
    return bool((quantizer.encode(moved, rate) == tokens[:, None]).any(1).all())


def stands_eight_bits(engine: OnnxEngine, model: ModelFolder, autoencoder: Autoencoder) -> bool:
    """Whether products of 8 bits change the signal little, on average over the rates; early in a training they may not.

    Single rates do not decide: the example is noise, of which some codebook may have hardly a code.
    """
    quicker = OnnxEngine(model, eight_bits=True)
    signal = example(autoencoder.network).numpy()
    shares = []
    for rate in model.facts.rates:
        tokens = engine.encode(signal, rate)
        exact = engine.decode(tokens, rate)
        shares.append(np.square(quicker.decode(tokens, rate) - exact).mean() / np.square(exact).mean())
    return bool(np.mean(shares) <= CLOSE_8_BITS)


def example(network: SignalNetwork) -> Tensor:
    """A signal that is the same every time: noise that changes in strength."""
    random = np.random.default_rng(0)
    shape = network.shape(POSITIONS)
    noise = random.uniform(-1, 1, shape) * np.linspace(0.01, 1, shape[1]).reshape(1, -1, *[1] * (len(shape) - 2))
    return torch.from_numpy(noise.astype(np.float32))

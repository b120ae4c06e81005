"""Nodes of graphs where torch's exporter lacks them, makes slow ones or stores what is better computed.

`registered` teaches the exporter some operations of torch:

    linear      one product that takes the weight as it is stored; the exporter transposes it, in a copy
    unflatten   keeps sizes that vary; the exporter freezes them to those of the example
    flatten     states the shape where it can, so that no nodes compute it
    ndtr        the normal distribution function, by way of the error function

`compute_transforms` replaces the transforms of sound, as numbers ten times larger than all the rest of a graph, by
formulas, which ONNX Runtime computes once, when it loads the graph. They are those of `networks.sound.transforms`, in
the same order and in float64, and a test compares the two.

`with_eight_bits` makes the products of the decoder's trunk products of whole numbers of 8 bits:

    x ── to 8 bits ─┬── product of whole numbers ── times both scales ── plus bias
    weight, 7 bits ─┘

Weights stay as they are stored: ONNX Runtime turns them to whole numbers when it loads the graph, each output channel
with its own scale. Activations get one scale per window. Weights use 7 of the 8 bits, because without VNNI
instructions an x86 processor adds two products in 16 bits, which 8 bits overflow. The transform from spectra to sound
stays as it is: its sums have a wide range, and 8 bits of them are heard.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from onnx.numpy_helper import to_array
from torch.onnx import symbolic_helper, symbolic_opset9
from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic

from vpcodec.networks.sound import SoundNetwork

OPSET = 20  # the first with a GELU of its own
LAST = 2**31  # beyond the last axis of any tensor
LARGEST = 63  # of a weight's whole numbers
Graph = Any  # torch's types of a graph under construction, and of a value in it, are private
Value = Any


def constant(graph: Graph, *numbers: int) -> Value:
    return graph.op("Constant", value_t=torch.tensor(numbers))


def linear(graph: Graph, x: Value, weight: Value, bias: Value) -> Value:
    """[..., C] -> [..., D], as a product of two matrices."""
    flat = symbolic_helper._get_tensor_rank(x) == 2
    rows = x if flat else graph.op("Reshape", x, constant(graph, -1, weight.type().sizes()[1]))
    terms = (rows, weight) if symbolic_helper._is_none(bias) else (rows, weight, bias)
    product = graph.op("Gemm", *terms, transB_i=1)
    if flat:
        return product
    kept = graph.op("Shape", x, start_i=0, end_i=-1)
    wide = graph.op("Concat", kept, constant(graph, weight.type().sizes()[0]), axis_i=0)
    return graph.op("Reshape", product, wide)


@symbolic_helper.parse_args("v", "i", "is")
def unflatten(graph: Graph, x: Value, axis: int, sizes: list[int]) -> Value:
    """[..., a*b, ...] -> [..., a, b, ...]"""
    known = symbolic_helper._get_tensor_sizes(x)
    after = known[axis % len(known) + 1 :]
    if None not in after:
        return graph.op("Reshape", x, constant(graph, *[0] * (axis % len(known)), *sizes, *after))  # 0 keeps a size
    before = graph.op("Shape", x, start_i=0, end_i=axis)
    after = graph.op("Shape", x, start_i=LAST if axis == -1 else axis + 1, end_i=LAST)
    return graph.op("Reshape", x, graph.op("Concat", before, constant(graph, *sizes), after, axis_i=0))


@symbolic_helper.parse_args("v", "i", "i")
def flatten(graph: Graph, x: Value, start: int, end: int) -> Value:
    """Axes from start to end, the end included, as one."""
    known = symbolic_helper._get_tensor_sizes(x)
    after = known[end % len(known) + 1 :]
    if None not in after:
        return graph.op("Reshape", x, constant(graph, *[0] * (start % len(known)), -1, *after))
    return symbolic_opset9.flatten(graph, x, start, end)


def log(graph: Graph, x: Value) -> Value:
    """The logarithm of sums of one term."""
    last = constant(graph, -1)
    return graph.op("ReduceLogSum", graph.op("Unsqueeze", x, last), last, keepdims_i=0)


def ndtr(graph: Graph, x: Value) -> Value:
    half = graph.op("Constant", value_t=torch.tensor(0.5))
    scaled = graph.op("Mul", x, graph.op("Constant", value_t=torch.tensor(math.sqrt(0.5))))
    return graph.op("Add", graph.op("Mul", graph.op("Erf", scaled), half), half)


OPERATIONS: dict[str, Callable[..., Value]] = {
    "aten::linear": linear,
    "aten::unflatten": unflatten,
    "aten::flatten": flatten,
    "aten::log": log,
    "aten::special_ndtr": ndtr,
}


@contextmanager
def registered() -> Iterator[None]:
    """Have torch's exporter use these operations for as long as the context lasts."""
    for name, operation in OPERATIONS.items():
        register_custom_op_symbolic(name, operation, OPSET)
    try:
        yield
    finally:
        for name in OPERATIONS:
            unregister_custom_op_symbolic(name, OPSET)


def formulas(size: int) -> str:
    """The matrices of windows of `size` samples."""
    bins = size // 2 + 1
    return f"""
<ir_version: 9, opset_import: ["" : 20]>
transforms () => (float[{size}, {2 * bins}] analysis, float[{2 * bins}, {size}] synthesis) {{
    zero = Constant <value = double {{0}}> ()
    half = Constant <value = double {{0.5}}> ()
    one = Constant <value = double {{1}}> ()
    two = Constant <value = double {{2}}> ()
    full_turn = Constant <value = double {{{2 * math.pi!r}}}> ()
    length = Constant <value = double {{{size}}}> ()
    bins = Constant <value = double {{{bins}}}> ()
    last = Constant <value_ints = [-1]> ()

    time = Range(zero, length, one)
    bin = Range(zero, bins, one)
    turned = Mul(full_turn, time)
    one_turn = Div(turned, length)
    swing = Cos(one_turn)
    half_swing = Mul(half, swing)
    window = Sub(half, half_swing)

    turned_column = Unsqueeze(turned, last)
    turns = Mul(turned_column, bin)
    angle = Div(turns, length)
    real = Cos(angle)
    sine = Sin(angle)
    imaginary = Neg(sine)
    forward = Concat <axis = 1> (real, imaginary)
    window_column = Unsqueeze(window, last)
    windowed = Mul(window_column, forward)
    analysis = Cast <to = {onnx.TensorProto.FLOAT}> (windowed)

    rising = Add(bin, one)
    falling = Sub(bins, bin)
    twice = Min(rising, two, falling)
    twice_each = Concat <axis = 0> (twice, twice)
    twice_column = Unsqueeze(twice_each, last)
    backward = Transpose(forward)
    weighted = Mul(backward, twice_column)
    scaled = Div(weighted, length)
    rewindowed = Mul(scaled, window)
    synthesis = Cast <to = {onnx.TensorProto.FLOAT}> (rewindowed)
}}
"""


def compute_transforms(model: onnx.ModelProto, network: SoundNetwork) -> None:
    """Replace the analysis and synthesis matrices of a graph by the nodes that compute them."""
    matrices = {"analysis": network.analysis.numpy(), "synthesis": network.synthesis.numpy()}
    nodes = onnx.parser.parse_model(formulas(len(network.window))).graph.node
    used = set()  # a network of two channels uses a matrix twice
    for constant in list(model.graph.initializer):
        value = to_array(constant)
        for name, matrix in matrices.items():
            if value.shape == matrix.shape and (value == matrix).all():
                model.graph.initializer.remove(constant)
                rename(model.graph, constant.name, name)
                used.add(name)
    for name in used:
        prepend(model.graph, needed(nodes, name))


def needed(nodes: list[onnx.NodeProto], name: str) -> list[onnx.NodeProto]:
    """Those nodes, in their order, that a value is made of."""
    wanted = {name}
    found: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if node.output[0] in wanted:
            wanted.update(node.input)
            found.insert(0, node)
    return found


def prepend(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    later = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *later])


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Have every node that reads a value read another one."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


PRODUCT = f"""
<ir_version: 9, opset_import: ["" : 20]>
product (x, weight, bias) => (y) {{
    largest = Constant <value = float {{{LARGEST}}}> ()
    inputs = Constant <value = int64[1] {{1}}> ()
    sizes = Abs(weight)
    peaks = ReduceMax <keepdims = 0> (sizes, inputs)
    weight_scales = Div(peaks, largest)
    weight_zero = Constant <value = int8 {{0}}> ()
    channels = Shape(weight_scales)
    weight_zeros = Expand(weight_zero, channels)
    whole_rows = QuantizeLinear <axis = 0> (weight, weight_scales, weight_zeros)
    whole_weight = Transpose(whole_rows)
    whole_x, x_scale, x_zero = DynamicQuantizeLinear(x)
    whole_y = MatMulInteger(whole_x, whole_weight, x_zero, weight_zeros)
    wide_y = Cast <to = {onnx.TensorProto.FLOAT}> (whole_y)
    scales = Mul(x_scale, weight_scales)
    scaled_y = Mul(wide_y, scales)
    y = Add(scaled_y, bias)
}}
"""


def with_eight_bits(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a graph, in which every product of a trunk (`Gemm`) is one of whole numbers."""
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    formula = onnx.parser.parse_model(PRODUCT).graph
    nodes = list(changed.graph.node)
    del changed.graph.node[:]
    for node in nodes:
        changed.graph.node.extend(whole_product(node, formula) if node.op_type == "Gemm" else [node])
    return changed


def whole_product(gemm: onnx.NodeProto, formula: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The formula's nodes between the inputs and the output of a product x @ weight.T + bias."""
    inner_names = [value.name for value in (*formula.input, *formula.output)]
    outer = dict(zip(inner_names, (*gemm.input, *gemm.output), strict=True))
    nodes = []
    for inner in formula.node:
        node = onnx.NodeProto()
        node.CopyFrom(inner)
        for names in (node.input, node.output):
            names[:] = [outer.get(name, f"{gemm.output[0]}/{name}") for name in names]
        nodes.append(node)
    return nodes

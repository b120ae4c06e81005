"""The transforms of speech as nodes of a graph: as numbers they would be ten times larger than all the rest of it.

The formulas are those of `networks.sound.transforms`, in the same order and in float64, and a test holds the two
together. ONNX Runtime computes them once, when it loads the graph.
"""

import math

import onnx
from onnx.numpy_helper import to_array

from vpcodec.networks.sound import SoundNetwork


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

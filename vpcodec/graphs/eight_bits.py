"""The decoder's products with whole numbers of 8 bits, as nodes of its graph.

    x ── to 8 bits ─┬── product of whole numbers ── times both scales ── plus bias
    weight, 7 bits ─┘

Weights stay as they are stored: ONNX Runtime turns them to whole numbers when it loads the graph, each output channel
with a scale of its own. Activations get one scale a window, as they come. Weights use 7 of the 8 bits, because without
instructions of its own for this (VNNI) an x86 processor adds two products in 16 bits, which 8 bits overflow.

Only the products of the trunk are treated so. The transform from spectra to sound stays as it is: its sums are wide in
range, and 8 bits of them are heard.
"""

import onnx

LARGEST = 63  # of a weight's whole numbers

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

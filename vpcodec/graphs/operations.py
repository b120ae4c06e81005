"""How a few operations of torch are written in ONNX, where torch's exporter lacks them or makes slow graphs of them.

linear      one product that takes the weight as it is stored; the exporter transposes it, in a copy
unflatten   keeps sizes that vary; the exporter freezes them to those of the example
ndtr        the normal distribution function, by way of the error function
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.onnx import symbolic_helper
from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic

OPSET = 20  # the first with a GELU of its own
LAST = 2**31  # beyond the last axis of any tensor
Graph = Any  # torch's types of a graph under construction, and of a value in it, are private
Value = Any


def constant(graph: Graph, *numbers: int) -> Value:
    return graph.op("Constant", value_t=torch.tensor(numbers))


def linear(graph: Graph, x: Value, weight: Value, bias: Value) -> Value:
    """[..., C] -> [..., D], as a product of two matrices."""
    rows = graph.op("Reshape", x, constant(graph, -1, weight.type().sizes()[1]))
    terms = (rows, weight) if symbolic_helper._is_none(bias) else (rows, weight, bias)
    product = graph.op("Gemm", *terms, transB_i=1)
    kept = graph.op("Shape", x, start_i=0, end_i=-1)
    wide = graph.op("Concat", kept, constant(graph, weight.type().sizes()[0]), axis_i=0)
    return graph.op("Reshape", product, wide)


@symbolic_helper.parse_args("v", "i", "is")
def unflatten(graph: Graph, x: Value, axis: int, sizes: list[int]) -> Value:
    """[..., a*b, ...] -> [..., a, b, ...]"""
    before = graph.op("Shape", x, start_i=0, end_i=axis)
    after = graph.op("Shape", x, start_i=LAST if axis == -1 else axis + 1, end_i=LAST)
    return graph.op("Reshape", x, graph.op("Concat", before, constant(graph, *sizes), after, axis_i=0))


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

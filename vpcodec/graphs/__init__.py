"""Graphs for ONNX Runtime, made from trained models (`write_graphs`)."""

from vpcodec.graphs.writing import write_graphs

__all__ = ["write_graphs"]

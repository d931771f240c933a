"""Numbers that say what a model is made of, from its trace alone: nothing in them belongs to one task."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evoarch.evaluators.trace import INPUT, Node, Trace

Features = tuple[float, ...]

SIZES = 3
"""The first features are sizes, as decimal logarithms: parameters, FLOPs and activation elements. With few
labels these alone carry the model (nan where FLOPs were not counted)."""

CLOSE = 0.05
"""Models of one structure are near-copies where no number of one differs by a larger share."""

_RECURRENT = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")
_MAX_POOLS = (
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "amax",
    "max",
    "adaptive_max_pool1d",
)
_MEAN_POOLS = ("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "mean", "adaptive_avg_pool1d")
_FLAT = ("Flatten", "flatten", "reshape", "view")


def sizes(trace: Trace) -> Features:
    """The three sizes, as decimal logarithms."""
    flops = math.nan if trace.flops is None else _log(trace.flops)
    return _log(trace.params), flops, _log(trace.activations)


def features(trace: Trace) -> Features:
    """All features: the sizes, then what the nodes are and how they hang together."""
    nodes = trace.nodes
    convolutions = [place for place, node in enumerate(nodes) if _is_convolution(node)]
    recurrent = [place for place, node in enumerate(nodes) if node.kind in _RECURRENT]
    weighted = [node for node in nodes if node.params]
    first = nodes[convolutions[0]] if convolutions else None
    widths = [node.shape[0] for node in map(nodes.__getitem__, convolutions) if node.shape] or [0]
    widest = max((math.prod(node.shape) for node in nodes), default=0)
    return (
        *sizes(trace),
        *(_log(sum(kind(node) for node in nodes)) for kind in _COUNTED),
        _log(len(nodes)),
        _log(len(weighted)),
        _log(_depth(nodes)),
        _log(_hint(first, "stride", 1.0)),
        _log(_hint(first, "kernel_size", 0.0)),
        _log(max((_hint(nodes[place], "kernel_size", 0.0) for place in convolutions), default=0.0)),
        _log(max((_hint(nodes[place], "dilation", 1.0) for place in convolutions), default=0.0)),
        _log(math.prod(_hint(nodes[place], "stride", 1.0) for place in convolutions)),
        float(any(_hint(nodes[place], "groups", 1.0) > 1 for place in convolutions)),
        float(bool(recurrent)),
        float(bool(recurrent) and (not convolutions or recurrent[0] < convolutions[0])),
        max((_hint(nodes[place], "num_layers", 1.0) for place in recurrent), default=0.0),
        max((_hint(nodes[place], "bidirectional", 0.0) for place in recurrent), default=0.0),
        max((_hint(node, "p", 0.0) for node in nodes if "Dropout" in node.kind), default=0.0),
        _log(max(widths)),
        _log(min(widths)),
        _log(widest),
        max((node.params for node in weighted), default=0) / max(1, trace.params),
        weighted[-1].params / max(1, trace.params) if weighted else 0.0,
        *_head(nodes),
    )


def _is_convolution(node: Node) -> bool:
    return node.kind.startswith(("Conv", "conv"))


def _joins(kinds: Sequence[str]) -> Callable[[Node], bool]:
    return lambda node: node.kind in kinds and len(node.reads) > 1


_COUNTED: tuple[Callable[[Node], bool], ...] = (
    _is_convolution,
    lambda node: node.kind in ("Linear", "linear", "Bilinear"),
    lambda node: node.kind in _RECURRENT,
    lambda node: "Attention" in node.kind or "attention" in node.kind or node.kind.startswith("Transformer"),
    lambda node: "Norm" in node.kind or "norm" in node.kind,
    lambda node: "Dropout" in node.kind,
    lambda node: "MaxPool" in node.kind or "max_pool" in node.kind,
    lambda node: "AvgPool" in node.kind or "avg_pool" in node.kind,
    lambda node: node.kind.lower() in ("relu", "leakyrelu", "leaky_relu", "relu6", "elu", "prelu", "selu"),
    lambda node: node.kind.lower() in ("gelu", "silu", "hardswish", "mish"),
    lambda node: node.kind in ("Tanh", "tanh", "Sigmoid", "sigmoid", "Softmax", "softmax"),
    lambda node: node.kind in ("matmul", "bmm", "einsum"),
    # The joins of branches: residual, star, concatenation.
    _joins(("add", "add_", "iadd", "__add__")),
    _joins(("mul", "mul_", "imul", "__mul__")),
    _joins(("cat", "concat", "stack")),
)
"""Kinds of nodes whose number is a feature."""


def _head(nodes: Sequence[Node]) -> Features:
    """How the positions become one vector: by a global maximum, a mean, or flat; as 0 or 1 each."""
    last = [
        node.kind
        for node in nodes
        if node.kind in (*_MEAN_POOLS, *_FLAT) or (node.kind in _MAX_POOLS and len(node.reads) <= 1)
    ]
    pools = [kind for kind in last if kind not in _FLAT]
    return (
        float(any(kind in _MAX_POOLS for kind in pools)),
        float(any(kind in _MEAN_POOLS for kind in pools)),
        float(bool(last) and not pools),
    )


def _depth(nodes: Sequence[Node]) -> int:
    """Nodes with parameters on the longest way from the input."""
    depths: list[int] = []
    for node in nodes:
        before = max((depths[place] for place in node.reads if place != INPUT), default=0)
        depths.append(before + bool(node.params))
    return max(depths, default=0)


def _hint(node: Node | None, name: str, default: float) -> float:
    """A setting of a node; `default` where the trace leaves it out, 0 where there is no such node."""
    return 0.0 if node is None else max(0.0, node.hints.get(name, default))


def _log(value: float) -> float:
    """Of counts: 0 stays 0."""
    return math.log10(1.0 + value)


@dataclass(frozen=True)
class Form:
    """What near-copies are known by: the structure, and every number that hangs on it."""

    structure: tuple[tuple[str, tuple[int, ...], tuple[str, ...]], ...]
    numbers: tuple[float, ...]

    def near(self, other: Form) -> bool:
        """Whether one is a near-copy of the other."""
        return self.structure == other.structure and all(
            abs(mine - theirs) <= CLOSE * max(mine, theirs)
            for mine, theirs in zip(self.numbers, other.numbers, strict=True)
        )


def form(trace: Trace) -> Form:
    """The form of a model: kinds, reads and kinds of settings of its nodes; shapes, sizes and settings."""
    structure = tuple((node.kind, node.reads, tuple(sorted(node.hints))) for node in trace.nodes)
    numbers = [float(trace.params), float(trace.flops or 0), float(trace.activations)]
    for node in trace.nodes:
        numbers += [*node.shape, node.params, node.flops]
        numbers += [node.hints[name] for name in sorted(node.hints)]
    # Structures that agree may still differ in the number of dimensions.
    return Form((*structure, ("", (len(numbers),), ())), tuple(numbers))

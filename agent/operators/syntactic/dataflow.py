"""What flows where, as far as the source shows it: which width leaves a layer, and who consumes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import libcst as cst

from evoarch.agent.operators.base import width
from evoarch.agent.operators.syntactic.view import Layer, View, code
from evoarch.agent.operators.syntactic.vocabulary import LARGEST


@dataclass(frozen=True)
class FlowContext:
    """What an operator knows of the task: what is offered to the entry, and the entry's name; and whether
    the campaign searches recipes too.
    """

    offers: Mapping[str, object] = field(default_factory=dict)
    entry: str = "Model"
    recipe: bool = False

    @property
    def classes(self) -> int | None:
        """The number of outputs that the task asks for; None if unknown."""
        return width(self.offers)


@dataclass(frozen=True)
class Change:
    """An edited module and what was done, in a few words."""

    module: cst.Module
    what: str


@dataclass(frozen=True)
class DataFlow:
    """What leaves a layer: its width (a number, a name, None: unknown) and the spatial rank (0: features)."""

    width: str | None
    rank: int
    recurrent: bool = False


def gives_classes(view: View, layer: Layer, context: FlowContext) -> bool:
    """Whether a layer makes the class scores, whose width belongs to the task."""
    text = layer.text(layer.spec.gives) if layer.spec.gives else ""
    if text.rpartition(".")[2] in context.offers:
        return True
    if context.classes is None or text != str(context.classes):
        return False
    return layer is [other for other in view.layers if other.spec.gives][-1]


def chain(view: View, layer: Layer) -> list[Layer]:
    """The layers of the same owner in source order, which is mostly the order of the data."""
    return [other for other in view.layers if other.owner == layer.owner]


def flow_after(view: View, layer: Layer) -> DataFlow:
    """What leaves `layer`, read from it and the layers before it."""
    before = chain(view, layer)
    width: str | None = None
    for other in reversed(before[: before.index(layer) + 1]):
        spec = other.spec
        if spec.gives:
            text = width or other.text(spec.gives) or None
            if spec.kind == "recurrent":
                both = width is None and other.text("bidirectional") == "True"
                return DataFlow(_doubled(text) if both else text, 0, True)
            return DataFlow(text, spec.rank)
        if spec.kind == "flatten":
            return DataFlow(None, 0)
        if spec.kind == "norm" and width is None:
            width = other.text(spec.takes) or None
    return DataFlow(width, 0)


def _doubled(text: str | None) -> str | None:
    if text is None:
        return None
    return str(2 * int(text)) if text.isdigit() else f"2 * {text}"


def propagated(view: View, layer: Layer, old: int, new: int) -> dict[cst.CSTNode, cst.Call]:
    """Edits to the consumers of a width that changed from `old` to `new`, as far as they are evident: the
    norms that follow and the first layer that takes it; a linear after a flatten scales along."""
    following = chain(view, layer)
    edits: dict[cst.CSTNode, cst.Call] = {}
    for other in following[following.index(layer) + 1 :]:
        spec = other.spec
        if not spec.takes:
            continue
        width = other.number(spec.takes)
        if width == old:
            edits[other.call] = depthwise_along(other, new)
        elif spec.kind == "linear" and width is not None and width > old and width % old == 0:
            edits[other.call] = other.with_argument(spec.takes, width // old * new)
        depthwise = width == old == other.number("groups") == other.number(spec.gives)
        if spec.gives and not depthwise:
            break
    return edits


def depthwise_along(layer: Layer, width: int) -> cst.Call:
    """The layer taking another width; a depthwise convolution changes all its widths together."""
    spec = layer.spec
    taken = layer.number(spec.takes)
    call = layer.with_argument(spec.takes, width)
    depthwise = taken is not None and taken == layer.number("groups") == layer.number(
        spec.gives or spec.takes
    )
    if not spec.gives or not depthwise:
        return call
    for parameter in (spec.gives, "groups"):
        call = Layer(call, layer.name, layer.owner).with_argument(parameter, width)
    return call


def capped(width: float) -> int:
    """`width` as a whole number from 1 to LARGEST."""
    return max(1, min(LARGEST, round(width)))


def brief(node: cst.CSTNode) -> str:
    """Source of a node on one line, short enough for a description."""
    text = " ".join(code(node).split())
    return text if len(text) <= 60 else text[:57] + "..."

"""Repairs of layers over (batch, length, features) that got (batch, channels, length)."""

from __future__ import annotations

import re

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider

from evoarch.agent.operators.shape_repair.locate import Edits, Fix, RepairSite, Trouble, set_value, uses_of
from evoarch.agent.operators.syntactic.view import code, layer_name, with_argument
from evoarch.agent.operators.syntactic.vocabulary import SPECS

CHANNELS, FEATURES = "channels", "features"
"""What stands behind the batch in a tensor of three dimensions: channels, or the length before features."""

_GIVES = {
    "conv": CHANNELS,
    "upconv": CHANNELS,
    "pool": CHANNELS,
    "adaptive": CHANNELS,
    "recurrent": FEATURES,
    "attention": FEATURES,
}
_WRAPPERS = {"recurrent": "Recurrent", "attention": "Transposed"}
"""Helper classes that turn the axes of a layer's input and output, by the layer's kind."""

_TURNS = re.compile(r"\.transpose\((?:1, 2|2, 1|-1, -2|-2, -1)\)|\.permute\(0, 2, 1\)|\.mT\b")
_HIDES = re.compile(r"\.(?:flatten|unflatten|unsqueeze|view|reshape|squeeze)\(|\[")


def either_way(
    trouble: Trouble, site: RepairSite, parameter: str, wants: int | None, plain: Fix | None
) -> Fix | None:
    """`plain` sets `parameter` to the last size of the input; the other way turns the axes first.

    Where the source shows which axis is which, that decides; elsewhere the size that the layer was built for;
    and where that fits neither, both are offered.
    """
    if len(trouble.shape) != 3:
        return plain
    shown = layout(trouble, site)
    turned = None if shown == FEATURES else _turned(trouble, site, parameter)
    if turned is None or plain is None:
        return plain or turned
    if shown == CHANNELS or wants == trouble.shape[1]:
        return turned
    return Fix(plain.edits, plain.what, other=turned)


def layout(trouble: Trouble, site: RepairSite) -> str:
    """What stands behind the batch in the site's input, by the layer before it; "" where nothing shows it."""
    if site.container is not None:
        before = [arg.value for arg in site.container.args][: site.index]
        names = [layer_name(item, trouble.view) for item in before if isinstance(item, cst.Call)]
        kinds = [SPECS[name].kind for name in names if name in SPECS]
        return next((_GIVES[kind] for kind in reversed(kinds) if kind in _GIVES), "")
    found, between = _producer(trouble, site)
    if not found or _HIDES.search(between):
        return ""
    if len(_TURNS.findall(between)) % 2:
        return FEATURES if found == CHANNELS else CHANNELS
    return found


def _producer(trouble: Trouble, site: RepairSite) -> tuple[str, str]:
    """What the last call before the failing one gives, of a layer whose output has known axes; and the text
    between the two.
    """
    view, last = trouble.view, trouble.failure.line
    positions = MetadataWrapper(view.module, unsafe_skip_copy=True).resolve(PositionProvider)
    best, gives, call = 0, "", ""
    for (owner, attribute), uses in view.uses.items():
        defined = view.definitions.get((owner, attribute))
        value = defined[-1].value if defined else None
        name = layer_name(value, view) if isinstance(value, cst.Call) else ""
        if owner != site.owner or name not in SPECS or SPECS[name].kind not in _GIVES:
            continue
        for use in uses:
            at = positions[use].start.line
            if best < at < last:
                best, gives, call = at, _GIVES[SPECS[name].kind], code(use)
    lines = view.module.code.split("\n")
    behind = lines[best - 1].partition(call)[2] if best else ""
    inputs = [code(use.args[0].value) for use in uses_of(view, site) if positions[use].start.line == last]
    return gives, "\n".join([behind, *lines[best : last - 1], *inputs])


def _turned(trouble: Trouble, site: RepairSite, parameter: str) -> Fix | None:
    """The layer within a helper that turns the axes of its inputs and output, as wide as the channels."""
    if site.layer is None or _wrapped(trouble, site):
        return None
    kind, names = site.layer.spec.kind, site.layer.spec.parameters
    wrapper, width = _WRAPPERS[kind], trouble.shape[1]
    edits: Edits = dict(set_value(site, parameter, width))
    here = site.call in edits

    def wrap(node: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(node, cst.Call)
        inner = with_argument(node, names, parameter, width) if here else node
        inner = with_argument(inner, names, "batch_first", "True")
        return cst.Call(cst.Name(wrapper), [cst.Arg(inner)])

    edits[site.call] = wrap
    edits |= _one_output(trouble, site)
    what = f"axes of {site.attribute or site.name} turned, {parameter} -> {width}"
    return Fix(edits, what)


def _wrapped(trouble: Trouble, site: RepairSite) -> bool:
    calls = [call for _, call in trouble.view.calls if code(call.func) in _WRAPPERS.values()]
    return any(arg.value is site.call for call in calls for arg in call.args)


def _one_output(trouble: Trouble, site: RepairSite) -> Edits:
    """The helper gives one tensor: `x, _ = self.layer(x)` and `self.layer(x)[0]` take it as it is."""
    edits: Edits = {}
    uses = uses_of(trouble.view, site)
    for node in m.findall(trouble.view.module, m.Assign() | m.Subscript()):
        if isinstance(node, cst.Subscript) and any(node.value is use for use in uses):
            edits[node] = node.value
        elif isinstance(node, cst.Assign) and any(node.value is use for use in uses):
            target = node.targets[0]
            if isinstance(target.target, cst.Tuple) and target.target.elements:
                edits[target] = target.with_changes(target=target.target.elements[0].value)
    return edits

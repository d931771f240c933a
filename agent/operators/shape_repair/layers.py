"""Repairs where a layer got a size, or a number of dimensions, that it wasn't built for."""

from __future__ import annotations

from math import prod

import libcst as cst

from evoarch.agent.operators.shape_repair.axes import CHANNELS, either_way, layout
from evoarch.agent.operators.shape_repair.locate import (
    Edits,
    Fix,
    RepairSite,
    Trouble,
    around_input,
    on_line,
    set_value,
    value_of,
)
from evoarch.agent.operators.syntactic.view import argument, code, layer_name, with_argument
from evoarch.agent.operators.syntactic.vocabulary import SPECS, expression
from evoarch.agent.operators.syntactic.walking import Edit


def _named(site: RepairSite) -> str:
    return site.attribute or (f"item {site.index}" if site.container is not None else "") or site.name


def _set(site: RepairSite, parameter: str, value: int) -> Fix | None:
    old = value_of(site, parameter)
    if value < 1 or old == value:
        return None
    before = "" if old is None else f" {old} ->"
    return Fix(set_value(site, parameter, value), f"{parameter} of {_named(site)}{before} {value}")


def linear(trouble: Trouble) -> Fix | None:
    """in_features as it came; or the flatten or the pooling over the length that the layer was built for."""
    site = trouble.site("linear")
    sizes = trouble.numbers()
    if site is None:
        return None
    got = trouble.shape[-1] if trouble.shape else sizes[3] if len(sizes) > 4 else sizes[1]
    wants, shape = value_of(site, "in_features"), trouble.shape
    if len(shape) > 2 and wants is not None:
        if prod(shape[1:]) == wants:
            edits = around_input(trouble.view, site, "nn.Flatten()", "{x}.flatten(1)")
            return Fix(edits, f"flatten before {_named(site)}") if edits else None
        # Deep inside a block the length must stay.
        if len(shape) == 3 and shape[1] == wants and trouble.failure.module.count(".") < 2:
            pooling = "nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())"
            edits = around_input(trouble.view, site, pooling, "{x}.mean(-1)")
            return Fix(edits, f"mean over the length before {_named(site)}") if edits else None
    return _set(site, "in_features", got)


def _rank_of_input(trouble: Trouble, site: RepairSite, rank: int) -> Fix | None:
    """Brings the input of a layer over `rank` spatial dimensions to (batch, channels, *spatial)."""
    have = len(trouble.shape)
    if have == rank + 2 or have == 0:
        return None
    if rank == 2 and have <= 3:
        return _flat_files(trouble)
    if have == 2:
        edits = around_input(trouble.view, site, "nn.Unflatten(1, (1, -1))", "{x}.unsqueeze(1)")
        return Fix(edits, f"channel dimension before {_named(site)}") if edits else None
    if have > rank + 2:
        last = -rank - 1 if rank > 1 else -2
        edits = around_input(
            trouble.view, site, f"nn.Flatten(1, {last})", "{x}.flatten(1, " + str(last) + ")"
        )
        return Fix(edits, f"flatten to {rank + 2} dimensions before {_named(site)}") if edits else None
    return None


def _flat_files(trouble: Trouble) -> Fix | None:
    """Layers over two spatial dimensions become those over one, in the whole file."""
    edits: Edits = {}

    def shorter(name: str) -> Edit:
        def change(node: cst.CSTNode) -> cst.CSTNode:
            assert isinstance(node, cst.Call)
            return node.with_changes(func=expression(name))

        return change

    for _, call in trouble.view.calls:
        name = code(call.func)
        known = layer_name(call, trouble.view) in SPECS or name.startswith(("F.", "nn.functional."))
        if name.endswith("2d") and known:
            edits[call] = shorter(name[:-2] + "1d")
    return Fix(edits, "2d layers -> 1d") if edits else None


def conv(trouble: Trouble) -> Fix | None:
    """in_channels as it came, after the number of dimensions is right."""
    site = trouble.site("conv", "upconv")
    if site is None or site.layer is None:
        return None
    ranked = _rank_of_input(trouble, site, site.layer.spec.rank)
    if ranked is not None:
        return ranked
    got = trouble.shape[1] if len(trouble.shape) == site.layer.spec.rank + 2 else int(trouble.match[2])
    wants, groups = value_of(site, "in_channels"), value_of(site, "groups")
    gives = value_of(site, "out_channels")
    if groups is not None and groups > 1 and groups == wants == gives:
        edits = {
            **set_value(site, "in_channels", got),
            **set_value(site, "out_channels", got),
            **set_value(site, "groups", got),
        }
        return Fix(edits, f"depthwise {_named(site)} {wants} -> {got} channels")
    return _set(site, "in_channels", got)


def conv_rank(trouble: Trouble) -> Fix | None:
    """A convolution of as many dimensions as its input has."""
    site = trouble.site("conv", "upconv")
    return _rank_of_input(trouble, site, site.layer.spec.rank) if site is not None and site.layer else None


def norm(trouble: Trouble) -> Fix | None:
    """A norm as wide as its input."""
    site = trouble.site("norm")
    if site is None or site.layer is None:
        return None
    got = trouble.shape[1] if len(trouble.shape) > 1 else int(trouble.match[1])
    return _set(site, site.layer.spec.takes, got)


def norm_rank(trouble: Trouble) -> Fix | None:
    """A norm of as many dimensions as its input has."""
    site = trouble.site("norm")
    if site is None or site.layer is None or not site.layer.spec.rank:
        return None
    if site.layer.spec.rank == 1 and len(trouble.shape) == 2:
        return None
    return _rank_of_input(trouble, site, site.layer.spec.rank)


def layer_norm(trouble: Trouble) -> Fix | None:
    """The width as it came; over channels a GroupNorm with one group does what was meant."""
    site = trouble.site("norm")
    if site is None or site.layer is None or site.name != "LayerNorm" or not trouble.shape:
        return None
    wants = value_of(site, "normalized_shape")
    channels = trouble.shape[1] if len(trouble.shape) == 3 else None
    if channels is not None and (wants == channels or layout(trouble, site) == CHANNELS):
        return Fix({site.call: expression(f"nn.GroupNorm(1, {channels})")}, f"{_named(site)} over channels")
    return _set(site, "normalized_shape", trouble.shape[-1])


def group_norm(trouble: Trouble) -> Fix | None:
    """A group norm of as many channels as its input has."""
    site = trouble.site("norm")
    if site is None or site.name != "GroupNorm" or len(trouble.shape) < 2:
        return None
    got = trouble.shape[1]
    groups = value_of(site, "num_groups") or 1
    edits = set_value(site, "num_channels", got)
    if got % groups:
        edits |= set_value(site, "num_groups", next(n for n in range(groups, 0, -1) if got % n == 0))
    return Fix(edits, f"num_channels of {_named(site)} -> {got}")


def recurrent(trouble: Trouble) -> Fix | None:
    """A recurrent layer as wide as its input."""
    site = trouble.site("recurrent")
    if site is None:
        return None
    sizes = trouble.numbers()
    plain = _set(site, "input_size", trouble.shape[-1] if trouble.shape else sizes[-1])
    return either_way(trouble, site, "input_size", value_of(site, "input_size"), plain)


def recurrent_rank(trouble: Trouble) -> Fix | None:
    """A recurrent layer that gets one sequence of vectors."""
    site = trouble.site("recurrent")
    if site is None or len(trouble.shape) < 4:
        return None
    edits = around_input(trouble.view, site, "nn.Flatten(1, -2)", "{x}.flatten(1, -2)")
    return Fix(edits, f"flatten to 3 dimensions before {_named(site)}") if edits else None


def attention(trouble: Trouble) -> Fix | None:
    """An attention layer as wide as its input."""
    site = trouble.site("attention")
    if site is None or site.layer is None:
        return None
    takes = site.layer.spec.takes
    plain = _set(site, takes, int(trouble.match[2]))
    return either_way(trouble, site, takes, value_of(site, takes), plain)


def kernel(trouble: Trouble) -> Fix | None:
    """Padding that keeps the length; a kernel of 1 where there is padding already."""
    site = trouble.site("conv")
    if site is None or site.layer is None:
        return None
    size, dilated = value_of(site, "kernel_size"), value_of(site, "dilation") or 1
    if value_of(site, "padding") in (None, 0) and size is not None and size > 1:
        return _set(site, "padding", dilated * (size - 1) // 2 + (size % 2 == 0))
    call = site.call
    for parameter, value in (("kernel_size", 1), ("padding", 0), ("dilation", 1)):
        if parameter == "kernel_size" or argument(call, site.layer.spec.parameters, parameter):
            call = with_argument(call, site.layer.spec.parameters, parameter, value)
    return Fix({site.call: call}, f"kernel of {_named(site)} -> 1")


_FUNCTIONAL_POOLS = ("max_pool1d", "avg_pool1d", "max_pool2d", "avg_pool2d")


def pool(trouble: Trouble) -> Fix | None:
    """What is too short to be pooled by steps is pooled as a whole."""
    site = trouble.site("pool")
    if site is not None:
        kind, rank = ("Max", site.name[-2]) if site.name.startswith("Max") else ("Avg", site.name[-2])
        new = f"nn.Adaptive{kind}Pool{rank}d(1)"
        return Fix({site.call: expression(new)}, f"{_named(site)} -> {new[3:]}")
    for node in on_line(trouble.view, trouble.failure.line):
        if (
            isinstance(node, cst.Call)
            and code(node.func).rpartition(".")[2] in _FUNCTIONAL_POOLS
            and node.args
        ):
            name = code(node.func).rpartition(".")[2]
            new_call = f"F.adaptive_{name}({code(node.args[0].value)}, 1)"
            return Fix({node: expression(new_call)}, f"{name} -> adaptive_{name}")
    return None


def pool_padding(trouble: Trouble) -> Fix | None:
    """No padding, where it is more than half the kernel."""
    site = trouble.site("pool")
    return Fix(set_value(site, "padding", 0), f"padding of {_named(site)} -> 0") if site is not None else None


def pool_rank(trouble: Trouble) -> Fix | None:
    """A pool of as many dimensions as its input has."""
    site = trouble.site("pool", "adaptive")
    return _rank_of_input(trouble, site, site.layer.spec.rank) if site is not None and site.layer else None

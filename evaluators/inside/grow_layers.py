"""How the tensors of one layer of a larger network follow from those of the layer that it grew from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

Step = Callable[[Mapping[str, Tensor]], Tensor]
"""One tensor of the larger network, from the state of the smaller one."""

Plan = Mapping[str, Step]
"""Steps by the name of the larger network's tensor."""

Rule = Callable[[Any, Any, str, str, Tensor, Tensor], Plan]
"""The plan of a layer, from the smaller and the larger layer, their names, and what each of them reads."""

ALIKE = 1e-7
"""Two channels are one where they differ by no more than this share of the largest value."""

SEEN = 2048
"""Values of a channel that are compared."""


class ApartError(Exception):
    """The larger network can't be made to compute what the smaller one does; the message says where."""


def spread(few: int, many: int) -> Tensor:
    """Which of `few` each of `many` repeats: in order, each as often as the next, to one."""
    return torch.arange(many) * few // many


def repeated(old: Tensor, new: Tensor, dim: int, name: str) -> Tensor:
    """Which channel of `old` each channel of `new` repeats, by their values. Raises ApartError."""
    few, many = (value.movedim(dim, 0).flatten(1) for value in (old, new))
    if few.shape[1] != many.shape[1]:
        raise ApartError(f"{name}: reads another number of places than before")
    few, many = few[:, :SEEN], many[:, :SEEN]
    near = torch.cdist(many, few, p=torch.inf) <= ALIKE * few.abs().max().clamp(min=1e-300)
    if not near.any(1).all():
        raise ApartError(f"{name}: reads what no channel was before")
    # Where two old channels are alike, the one that stands in this place.
    usual = spread(len(few), len(many))
    places = torch.where(near[torch.arange(len(many)), usual], usual, near.int().argmax(1))
    if len(set(places.tolist())) < len(few):
        raise ApartError(f"{name}: a channel is no longer read")
    return places


def shares(places: Tensor) -> Tensor:
    """How the weight of each old channel is shared out among its repeats: unequally, so that training can
    tell them apart.
    """
    draw = torch.Generator().manual_seed(len(places))
    parts = 0.5 + torch.rand(len(places), generator=draw, dtype=torch.float64)
    totals = torch.zeros(int(places.max()) + 1, dtype=torch.float64).index_add(0, places, parts)
    return parts / totals[places]


def rows(old: str, places: Tensor) -> Step:
    """The rows `places` of the tensor `old`."""
    return lambda state: state[old][places]


def by_shape(small: Any, large: Any, old: str, new: str) -> Plan:
    """The tensors that a module holds itself, repeated in order along each dimension that grew."""
    plan: dict[str, Step] = {}
    theirs = {**small._parameters, **small._buffers}
    for key, value in {**large._parameters, **large._buffers}.items():
        given = theirs.get(key)
        if (
            value is None
            or given is None
            or given.ndim != value.ndim
            or key in large._non_persistent_buffers_set
        ):
            continue
        plan[_join(new, key)] = _tiled(_join(old, key), given.shape, value.shape)
    return plan


def _tiled(name: str, before: torch.Size, after: torch.Size) -> Step:
    places = [spread(few, many) for few, many in zip(before, after, strict=True)]

    def step(state: Mapping[str, Tensor]) -> Tensor:
        value = state[name]
        for dim, chosen in enumerate(places):
            value = value.index_select(dim, chosen)
        return value

    return step


def _join(module: str, key: str) -> str:
    return f"{module}.{key}" if module else key


def _per_channel(small: Any, large: Any, old: str, new: str, places: Tensor) -> Plan:
    """Every tensor of the layer that has one number a channel."""
    count = len(set(places.tolist()))
    own = {**small._parameters, **small._buffers}
    return {
        _join(new, key): rows(_join(old, key), places)
        for key, value in own.items()
        if value is not None and value.ndim == 1 and len(value) == count
    }


def _norm(small: Any, large: Any, old: str, new: str, before: Tensor, after: Tensor) -> Plan:
    return _per_channel(small, large, old, new, repeated(before, after, 1, new))


def _last_norm(small: Any, large: Any, old: str, new: str, before: Tensor, after: Tensor) -> Plan:
    return _per_channel(small, large, old, new, repeated(before, after, -1, new))


def _linear(small: Any, large: Any, old: str, new: str, before: Tensor, after: Tensor) -> Plan:
    reads = repeated(before, after, -1, new)
    gives = spread(small.out_features, large.out_features)
    return {
        _join(new, "weight"): _matrix(_join(old, "weight"), gives, reads),
        **({_join(new, "bias"): rows(_join(old, "bias"), gives)} if small.bias is not None else {}),
    }


def _matrix(name: str, gives: Tensor, reads: Tensor, factor: float = 1.0) -> Step:
    part = factor * shares(reads)
    return lambda state: state[name][gives][:, reads] * part


def _conv(small: Any, large: Any, old: str, new: str, before: Tensor, after: Tensor) -> Plan:
    """A convolution of any number of groups: each new output repeats one whose inputs its group reads."""
    reads = repeated(before, after, 1, new)
    inner, width = small.in_channels // small.groups, large.in_channels // large.groups
    outer, height = small.out_channels // small.groups, large.out_channels // large.groups
    gives, local, part = [], [], []
    for group in range(large.groups):
        given = reads[group * width : (group + 1) * width]
        groups = (given // inner).tolist()
        whole = [p for p in sorted(set(groups)) if len(set(given[given // inner == p].tolist())) == inner]
        if not whole:
            raise ApartError(f"{new}: no group reads what a group read before")
        outputs = torch.tensor([p * outer + i for p in whole for i in range(outer)])
        outputs = outputs[spread(len(outputs), height)]
        for output in outputs:
            used = given // inner == output // outer
            places = torch.where(used, given % inner, 0)
            share = torch.zeros(width, dtype=torch.float64)
            share[used] = shares(places[used])
            gives.append(int(output))
            local.append(places)
            part.append(share)
    if len(set(gives)) < small.out_channels:
        raise ApartError(f"{new}: an output is no longer made")
    chosen, columns, scale = torch.tensor(gives), torch.stack(local), torch.stack(part)

    def weight(state: Mapping[str, Tensor]) -> Tensor:
        kernels = state[_join(old, "weight")][chosen[:, None], columns]
        return kernels * scale.view(*scale.shape, *[1] * (kernels.ndim - 2))

    bias = {_join(new, "bias"): rows(_join(old, "bias"), chosen)} if small.bias is not None else {}
    return {_join(new, "weight"): weight, **bias}


def _recurrent(small: Any, large: Any, old: str, new: str, before: Tensor, after: Tensor) -> Plan:
    """GRU, LSTM and RNN: gates stand one below the other; a further layer reads both directions."""
    few, many = small.hidden_size, large.hidden_size
    hidden, gates = spread(few, many), small.weight_hh_l0.shape[0] // few
    stacked = torch.cat([gate * few + hidden for gate in range(gates)])
    reads = repeated(before, after, -1, new)
    both = 2 if small.bidirectional else 1
    plan: dict[str, Step] = {}
    for layer in range(small.num_layers):
        for end in ["", "_reverse"][:both]:
            name = f"l{layer}{end}"
            plan[_join(new, f"weight_ih_{name}")] = _matrix(_join(old, f"weight_ih_{name}"), stacked, reads)
            plan[_join(new, f"weight_hh_{name}")] = _matrix(_join(old, f"weight_hh_{name}"), stacked, hidden)
            if small.bias:
                for kind in ("bias_ih", "bias_hh"):
                    plan[_join(new, f"{kind}_{name}")] = rows(_join(old, f"{kind}_{name}"), stacked)
        reads = torch.cat([hidden + side * few for side in range(both)])
    return plan


def _attention(small: Any, large: Any, old: str, new: str, before: Tensor, after: Tensor) -> Plan:
    """Queries are scaled, because a dot product over repeats is as many times as large."""
    few, many = small.embed_dim, large.embed_dim
    reads, inner = repeated(before, after, -1, new), spread(few, many)
    stacked = torch.cat([part * few + inner for part in range(3)])
    scale = torch.ones(3 * many, 1, dtype=torch.float64)
    scale[:many] = ((few // small.num_heads) / (many // large.num_heads)) ** 0.5
    plain = _matrix(_join(old, "in_proj_weight"), stacked, reads)
    plan: dict[str, Step] = {
        _join(new, "in_proj_weight"): lambda state: plain(state) * scale,
        _join(new, "out_proj.weight"): _matrix(_join(old, "out_proj.weight"), inner, inner),
    }
    if small.in_proj_bias is not None:
        biases = rows(_join(old, "in_proj_bias"), stacked)
        plan[_join(new, "in_proj_bias")] = lambda state: biases(state) * scale[:, 0]
        plan[_join(new, "out_proj.bias")] = rows(_join(old, "out_proj.bias"), inner)
    return plan


def _slopes(small: Any, large: Any, old: str, new: str, before: Tensor, after: Tensor) -> Plan:
    return _norm(small, large, old, new, before, after) if small.num_parameters > 1 else {}


RULES: Mapping[tuple[type[nn.Module], ...], Rule] = {
    (nn.Linear,): _linear,
    (nn.Conv1d, nn.Conv2d, nn.Conv3d): _conv,
    (_NormBase, nn.GroupNorm): _norm,
    (nn.LayerNorm, nn.RMSNorm): _last_norm,
    (nn.RNNBase,): _recurrent,
    (nn.MultiheadAttention,): _attention,
    (nn.PReLU,): _slopes,
}


def rule_of(module: nn.Module) -> Rule | None:
    """What a layer of this kind does with what it reads; None: its tensors are repeated in order
    (`by_shape`).
    """
    return next((rule for kinds, rule in RULES.items() if isinstance(module, kinds)), None)


def as_identity(block: nn.Module, given: Tensor) -> Plan:
    """The tensors of a new block with which it returns what it gets, in evaluation mode. Raises ApartError.

    First with nothing from its last layer, as in a branch beside a shortcut; else with each layer passing on
    what it gets.
    """
    owners = [module for module in block.modules() if module._parameters]
    begun = {name: value.clone() for name, value in block.state_dict().items()}
    for owner in reversed(owners):
        for value in owner._parameters.values():
            if value is not None:
                value.zero_()
        if _same(block, given):
            return _constants(block)
        block.load_state_dict(begun)
    for owner in owners:
        _pass_on(owner)
    if not _same(block, given):
        raise ApartError(f"a new {type(block).__name__} can't begin as the identity")
    return _constants(block)


def _same(block: nn.Module, given: Tensor) -> bool:
    got = block(given)
    return isinstance(got, Tensor) and got.shape == given.shape and torch.allclose(got, given, 1e-12, 1e-12)


def _constants(block: nn.Module) -> Plan:
    return {name: _constant(value.clone()) for name, value in block.state_dict().items()}


def _constant(value: Tensor) -> Step:
    return lambda _: value


def _pass_on(layer: nn.Module) -> None:
    """Sets a layer to the identity, where a layer of its kind can be that."""
    for key, value in layer._parameters.items():
        if value is None:
            continue
        value.fill_(float(key == "weight" and value.ndim == 1))
        if key == "weight" and value.ndim == 2 and value.shape[0] == value.shape[1]:
            value.copy_(torch.eye(len(value)))
        elif key == "weight" and value.ndim > 2:
            nn.init.dirac_(value, getattr(layer, "groups", 1))
    if isinstance(layer, _NormBase) and layer.running_var is not None and layer.running_mean is not None:
        layer.running_mean.zero_()
        layer.running_var.fill_(1.0)
        if layer.weight is not None:
            layer.weight.fill_((1.0 + layer.eps) ** 0.5)

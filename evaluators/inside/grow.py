"""Weights for a larger network with which it computes what a smaller one does, before any further training.

Net2Net's steps (Chen, Goodfellow, Shlens 2016, arXiv 1511.05641; for deeper networks as EAS, Cai et al. 2018,
arXiv 1707.04873): new channels repeat old ones, and who reads them shares the old weight out among the
repeats; new blocks begin as the identity.

No rules of a graph are needed: the larger network runs once, and the weights of each layer are set just
before it computes. Which old channel a channel repeats is read from its values, so that what joins, splits or
shuffles channels needs no rule. That run is of a smaller network with random weights, in which no two
channels are alike; what is found is a plan by which the real weights are copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import SequenceMatcher
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from evoarch.evaluators.inside.build import Announce, Reply, build
from evoarch.evaluators.inside.grow_layers import ApartError, Plan, Step, as_identity, by_shape, rule_of
from evoarch.evaluators.inside.made_up import made_up_inputs
from evoarch.evaluators.inside.resume import part_of
from evoarch.evaluators.inside.state import load_state, named_state

EXAMPLES = 64
"""Random inputs of the run that finds the plan."""

EXACT = 1e-9
"""How far apart outputs in float64 may be, as a share of the largest output or of 1."""


def grow(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """The state of the genome's model, grown from the state `inherit/<name>` in `arrays` of the model of
    `options["parent"]`, a source text; without `arrays`, of that model as it is initialised.

    The notes hold `apart`, by how much outputs differ in float64, or `inexact`, why it can't be grown.
    """
    announce("build")
    parent = ModuleType("parent")
    exec(compile(options["parent"], "parent", "exec"), parent.__dict__)  # behind the walls, as any genome
    draw = torch.Generator().manual_seed(1)
    inputs = [_made_up(options, draw) for _ in range(2)]
    small, large = (_ready(build(module, options), inputs[0]) for module in (parent, genome))
    if given := part_of(arrays, "inherit/"):
        load_state(small, {name: value.double() for name, value in given.items()})
    announce("grow")
    try:
        apart = grown(small, large, *inputs)
    except ApartError as error:
        return {}, {"inexact": str(error)}
    except Exception as error:  # noqa: BLE001 - a genome may do anything with inputs and weights in float64
        return {}, {"inexact": f"{type(error).__name__}: {error}"[:300]}
    state = {name: value.detach() for name, value in named_state(large).items()}
    return {n: v.float() if v.is_floating_point() else v for n, v in state.items()}, {"apart": apart}


def _made_up(options: Mapping[str, Any], draw: torch.Generator) -> Tensor:
    inputs = made_up_inputs(options["offers"], EXAMPLES, draw)
    return inputs.double() if inputs.is_floating_point() else inputs


def _ready(model: nn.Module, inputs: Tensor) -> nn.Module:
    model = model.double().eval()
    with torch.no_grad():
        model(inputs[:2])  # lazy layers get their shapes
    return model


@torch.no_grad()
def grown(small: nn.Module, large: nn.Module, inputs: Tensor, others: Tensor) -> float:
    """Sets the state of `large` so that it computes what `small` does; by how much outputs still differ.

    Both are in float64 and in evaluation mode. `inputs` find the plan, `others` try it. Raises ApartError
    where this can't be done.
    """
    torch.backends.mha.set_fastpath_enabled(False)
    own = {name: value.clone() for name, value in named_state(small).items()}
    scramble(small, inputs)
    plan = _planned(small, large, inputs)
    for name, value in named_state(small).items():
        value.copy_(own[name])
    state = named_state(large)
    for name, step in plan.items():
        state[name].copy_(step(own))
    wanted, got = small(others), large(others)
    apart = float((wanted - got).abs().max())
    if not apart <= EXACT * max(1.0, float(wanted.abs().max())):
        raise ApartError(f"outputs differ by {apart:.2g}")
    return apart


def scramble(model: nn.Module, inputs: Tensor) -> None:
    """Random weights with which no two channels are alike on `inputs`, and none is silent behind a norm."""
    draw = torch.Generator().manual_seed(2)
    for name, value in named_state(model).items():
        if not value.is_floating_point():
            continue
        new = torch.randn(value.shape, generator=draw, dtype=value.dtype)
        if name.endswith("running_var") or (name.endswith("weight") and value.ndim == 1):
            new = 0.5 + new.abs()
        elif value.ndim > 1:
            new *= (value.shape[0] / value.numel()) ** 0.5
        else:
            new *= 0.3
        value.copy_(new)
    norms = [each for each in model.modules() if isinstance(each, _NormBase)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # the statistics become those of these inputs
    model.train()(inputs)
    model.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _planned(small: nn.Module, large: nn.Module, inputs: Tensor) -> Plan:
    """How each tensor of `large` follows from the state of `small`; both are run on `inputs`."""
    pairs, added = _aligned(small, large)
    seen: dict[str, Tensor] = {}
    plan: dict[str, Step] = {}
    told: set[str] = set()
    modules, parents = dict(large.named_modules()), dict(small.named_modules())
    state = named_state(small)

    def settle(steps: Mapping[str, Step]) -> None:
        plan.update(steps)
        target = named_state(large)
        for name, step in steps.items():
            target[name].copy_(step(state))

    def remember(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_: nn.Module, given: tuple[Any, ...]) -> None:
            if given:
                seen.setdefault(name, given[0])

        return hook

    def set_paired(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, given: tuple[Any, ...]) -> None:
            old = pairs[name]
            if name in told or old not in seen or not given:
                return
            told.add(name)
            rule = rule_of(module)
            if rule is not None:
                settle(rule(parents[old], module, old, name, seen[old], given[0]))

        return hook

    def set_added(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, given: tuple[Any, ...]) -> None:
            if name not in told:
                told.add(name)
                settle({f"{name}.{key}": step for key, step in as_identity(module, given[0]).items()})

        return hook

    for new, old in pairs.items():
        settle(by_shape(parents[old], modules[new], old, new))
    handles = [parents[old].register_forward_pre_hook(remember(old)) for old in _owners(small)]
    handles += [modules[new].register_forward_pre_hook(set_paired(new)) for new in _owners(large, pairs)]
    handles += [modules[new].register_forward_pre_hook(set_added(new)) for new in added]
    try:
        small(inputs)
        large(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return plan


def _owners(model: nn.Module, among: Mapping[str, str] | None = None) -> Iterator[str]:
    """The names of modules that hold tensors themselves."""
    for name, module in model.named_modules():
        own = module._parameters or module._buffers
        if own and (among is None or name in among):
            yield name


def _aligned(small: nn.Module, large: nn.Module) -> tuple[dict[str, str], list[str]]:
    """Pairs of modules, by the larger one's name, and the names of modules that only it has.

    Raises ApartError where the larger one lacks a module.
    """
    pairs, added = {"": ""}, list[str]()

    def descend(old: nn.Module, new: nn.Module, before: str, after: str) -> None:
        olds, news = dict(old.named_children()), dict(new.named_children())
        matched = _matched(olds, news)
        if lost := set(olds) - set(matched.values()):
            raise ApartError(f"nothing stands in the place of {before}{min(lost)}")
        for name, child in news.items():
            if name in matched:
                pairs[after + name] = before + matched[name]
                descend(olds[matched[name]], child, f"{before}{matched[name]}.", f"{after}{name}.")
            elif list(child.parameters()):
                added.append(after + name)

    descend(small, large, "", "")
    return pairs, added


def _matched(olds: Mapping[str, nn.Module], news: Mapping[str, nn.Module]) -> dict[str, str]:
    """The old name of each new child that has one, by their order and structure."""
    if list(olds) == list(news):
        return {name: name for name in news}
    before, after = list(olds), list(news)
    matcher = SequenceMatcher(
        None, [_form(olds[name]) for name in before], [_form(news[name]) for name in after], autojunk=False
    )
    return {
        after[place.b + i]: before[place.a + i]
        for place in matcher.get_matching_blocks()
        for i in range(place.size)
    }


def _form(module: nn.Module) -> str:
    """What a module is made of, without its sizes."""
    inner = ",".join(_form(child) for child in module.children())
    step = f"/{getattr(module, 'kernel_size', '')}/{getattr(module, 'stride', '')}"
    return f"{type(module).__name__}{step if not inner else ''}({inner})"

"""Compares a genome of the zoo with the network of the same name in torchvision or timm.

Both are run once; the tensors of each are listed in the order in which their modules are first called, and
matched shape by shape. Only a right match makes the outputs equal, so a wrong one can't pass.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

ON_TORCHVISION = {"torchvision", "timm", "effdet", "segmentation_models_pytorch"}
"""Packages that import torchvision."""

_LIBRARIES: list[torch.library.Library] = []
"""Kept alive: an operator is forgotten with the library that declared it."""


def oracle(path: str, kwargs: Mapping[str, Any]) -> nn.Module:
    """The network at `path`, such as `torchvision.models:mnasnet1_0`.

    Skips the test where the package is not installed.
    """
    package, _, name = path.partition(":")
    root = package.partition(".")[0]
    needed = ["torchvision", root] if root in ON_TORCHVISION else [root]
    for name_of_package in needed:
        if importlib.util.find_spec(name_of_package) is None:
            pytest.skip(f"{name_of_package} is not installed: it is an oracle for development only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, not ours
        if "torchvision" in needed:
            _import_torchvision()
        make: Callable[..., nn.Module] = getattr(importlib.import_module(package), name)
        return make(**kwargs)


def _import_torchvision() -> ModuleType:
    """torchvision, whose wheel of compiled operators wants CUDA libraries that a CPU torch lacks.

    Its Python part only needs two of them to be declared, and no model here calls one.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    _LIBRARIES.append(library)
    return importlib.import_module("torchvision")


def count(model: nn.Module) -> int:
    """Elements of trainable tensors, each tensor once."""
    return sum(parameter.numel() for parameter in model.parameters())


def scatter(model: nn.Module, inputs: Tensor, seed: int = 0) -> None:
    """Draws what starts at 0 or 1 (biases, norms, scales), so that each counts in the outputs.

    Scales go up to 3.5, so that activations also reach the upper bound of those that have one.

    Then one training pass over `inputs` sets the norms' statistics to those of its batch, so that signals
    keep their size in evaluation mode too.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim > 1 and not tensor.eq(tensor.flatten()[0]).all():
                continue
            drawn = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
            tensor.copy_(drawn - 0.5 if name.endswith("bias") else 3 * drawn + 0.5)
        norms = [module for module in model.modules() if hasattr(module, "running_var")]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        model.train()(inputs)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def copy_state(source: nn.Module, target: nn.Module, inputs: Tensor, first: str = "") -> None:
    """Gives `target` the tensors of `source`, in the order of calls, shape by shape.

    `first`: part of the name of modules that `source` calls last in a block and `target` first.
    """
    theirs, ours = _by_shape(source, inputs, first), _by_shape(target, inputs)
    counts = [{shape: len(found) for shape, found in side.items()} for side in (theirs, ours)]
    differing = {shape for side in counts for shape in side if counts[0].get(shape) != counts[1].get(shape)}
    found = {shape: (counts[0].get(shape, 0), counts[1].get(shape, 0)) for shape in sorted(differing)}
    assert not found, f"tensors of each shape: expected the oracle's number, got (oracle, zoo) {found}"
    with torch.no_grad():
        for shape, tensors in ours.items():
            for tensor, wanted in zip(tensors, theirs[shape], strict=True):
                tensor.copy_(wanted.reshape(tensor.shape))


def _by_shape(model: nn.Module, inputs: Tensor, first: str = "") -> Mapping[tuple[int, ...], list[Tensor]]:
    found: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
    kept = model.state_dict().keys()
    for name, module in _called(model, inputs, first):
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for key, tensor in own:
            if tensor.is_floating_point() and (f"{name}.{key}" if name else key) in kept:
                found[tuple(size for size in tensor.shape if size > 1)].append(tensor)
    return found


def _called(model: nn.Module, inputs: Tensor, first: str) -> Iterator[tuple[str, nn.Module]]:
    """Each module with its name in the order of the first calls; those that are never called come last."""
    order: dict[str, nn.Module] = {}
    names_of = {module: name for name, module in model.named_modules()}

    def note(module: nn.Module, _: object) -> None:
        order.setdefault(names_of[module], module)

    hooks = [module.register_forward_pre_hook(note) for module in names_of]
    with torch.no_grad():
        model.eval()(inputs)
    for hook in hooks:
        hook.remove()
    names = list(order)
    if first:
        for name in [name for name in names if first in name]:
            block = name.partition(f".{first}")[0]
            place = next(i for i, other in enumerate(names) if other.startswith(f"{block}."))
            moved = names.pop(names.index(name))
            while first in names[place] and names[place].startswith(f"{block}.{first}"):
                place += 1
            names.insert(place, moved)
    yield from ((name, order[name]) for name in names)
    yield from ((name, module) for name, module in model.named_modules() if name not in order)


def difference(ours: nn.Module, theirs: nn.Module, inputs: Tensor, *, training: bool) -> float:
    """The largest difference of their outputs, as a part of the oracle's largest output."""
    with torch.no_grad():
        got, expected = ours.train(training)(inputs), theirs.train(training)(inputs)
    assert got.shape == expected.shape
    scale = expected.abs().max()
    assert (expected[0] - expected[1]).abs().max() > 1e-3 * scale, (
        "the oracle's outputs do not tell inputs apart"
    )
    return float((got - expected).abs().max() / scale)

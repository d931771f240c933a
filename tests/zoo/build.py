"""Builds the genomes of the zoo as a task would: by the entry's name, with the offers and the knobs."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from torch import nn

from evoarch.evaluators.zoo.catalogue import Family, Small, Variant


def entry(family: Family) -> Any:
    """The entry of a family's genome, fresh from its file."""
    module = ModuleType(family.name)
    exec(compile(family.source, str(family.path), "exec"), module.__dict__)
    return module.Model


def build(family: Family, variant: Variant | Small, shape: Sequence[int] = ()) -> nn.Module:
    """A network of the family; `shape` in place of the variant's own input."""
    model: nn.Module = entry(family)(tuple(shape or variant.input), variant.classes, **variant.kwargs)
    return model

"""The first generation of a new campaign by name: families of the zoo, baselines of the task, files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evoarch.agent.base.errors import UserError, files_told, nearest
from evoarch.evaluators.task import Task
from evoarch.evaluators.zoo.catalogue import load_catalogue
from evoarch.evaluators.zoo.fit import FitError, fit

_SUFFIXES = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


@dataclass(frozen=True)
class NamedSeeds:
    """`sources`: text of each file by its stem. `sizes`: in words, of those that were fitted."""

    sources: Mapping[str, str]
    sizes: Mapping[str, str]


def budget_of(text: str, option: str = "--params") -> int:
    """The number that `option` was given, such as 5000, 50k or 1.5M. Raises UserError."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d+)?)([kKmMgG]?)", text.strip())
    budget = round(float(found[1]) * _SUFFIXES[found[2].lower()]) if found else 0
    if budget < 1:
        raise UserError(f"{option}: expected a number such as 5000, 50k or 2M, got {text!r}")
    return budget


def named_seeds(names: Sequence[str], task: Task, budget: int, *, flops: bool = False) -> NamedSeeds:
    """The files that `names` stand for, families with about `budget` parameters, or `flops` of one example.
    Raises UserError.
    """
    families = load_catalogue()
    sources: dict[str, str] = {}
    sizes: dict[str, str] = {}
    for name in (each.strip() for each in names):
        stem = Path(name).stem
        if stem in sources:
            raise UserError(f"--seeds: expected each name once, got {stem!r} twice")
        if name.endswith(".py"):
            sources[stem] = _text(Path(name))
        elif name in families:
            try:
                fitted = fit(families[name], task.offers, budget, flops=flops)
            except FitError as error:
                raise UserError(f"--seeds: {error}") from None
            sources[name] = fitted.source
            size = f"{fitted.size:,} FLOPs with " if flops else ""
            sizes[name] = f"{size}{fitted.parameters:,} parameters, {fitted.off:+.1%} of {budget:,}"
        elif name in task.seeds:
            sources[name] = task.seeds[name]
        else:
            known = nearest(name, [*families, *task.seeds])
            raise UserError(
                f"--seeds: expected families of the zoo, baselines of {task.name} or FILE.py, "
                f"got {name!r}; {known}"
            )
    return NamedSeeds(sources, sizes)


def _text(path: Path) -> str:
    with files_told(path):
        data = path.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected UTF-8 text: {error.reason}") from None

"""Profiles: what `init --profile` lays over the campaign.toml that it would write otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evoarch.agent.base.errors import UserError, nearest

Overlay = Mapping[str, Any]


@dataclass(frozen=True)
class Profile:
    """A profile in words; `overlay` replaces or adds tables, as an arm of a comparison does. `page`: of the
    docs, which says more.
    """

    words: str
    overlay: Overlay
    page: str = "docs/evoprompting.md"


_PAPER: Overlay = {
    "budget": {"evaluations": 1600, "stall": 1600},
    "constraints": {"error": 0.5},
    "evaluation": {"recipe": "paper", "wall_clock": 600.0, "cpu_seconds": 600.0, "repairs": 0},
    "rounds": {
        "rounds": 10,
        "prompts": 10,
        "samples": 16,
        "examples": 2,
        "survivors": 10,
        "threshold": 0.5,
        "temperatures": [0.2, 0.6, 0.8, 1.0],
        "parents": "top",
    },
    "tuning": {
        "enabled": True,
        "tokens": 16,
        "epochs": 5,
        "batch": 4,
        "accumulation": 4,
        "learning_rate": 0.1,
    },
    "operators": [{"name": "lm.rewrite", "lm": "small"}],
    # The paper's prompt says nothing of the task.
    "prompts": {"card": False, "target": "parents"},
}


def _merged(below: Overlay, above: Overlay) -> Overlay:
    both: dict[str, Any] = dict(below)
    for key, value in above.items():
        known = both.get(key)
        both[key] = {**known, **value} if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return both


_NO_TUNING: Overlay = {"tuning": {"enabled": False}}
_SMALL: Overlay = {
    "budget": {"evaluations": 72, "stall": 72},
    "evaluation": {"recipe": "fast", "wall_clock": 60.0, "cpu_seconds": 60.0, "repairs": 6, "repeats": 1},
    "rounds": {"rounds": 3, "prompts": 3, "samples": 8, "survivors": 2},
}

_QUICK: Overlay = {
    "budget": {"evaluations": 80},
    "selection": {"method": "strata", "region": {"params": [1000, 10000]}},
    "surrogate": {"drafts": 32},
    # The embedded model computes a tenth of the time: two children may train beside it on two cores.
    "evaluation": {"recipe": "fast", "workers": 2, "repeats": 3, "race": 8},
    "operators": [
        {"name": "random", "weight": 2.0},
        {"name": "syntactic.mutate", "weight": 2.0},
        {"name": "lm.scoped", "lm": "small", "weight": 8.0, "screened": False},
    ],
}

PROFILES: Mapping[str, Profile] = {
    "quick": Profile(
        "minutes on two cores: models of 1,000 to 10,000 parameters; the most promising of 32 drafts is "
        "trained, and each child of the language model",
        _QUICK,
        "docs/screening.md",
    ),
    "evoprompting": Profile("the whole algorithm, as in the paper", _PAPER),
    "evoprompting-small": Profile(
        "the same for one CPU: T=3, m=3, n=8, p=2, shape repair, recipe fast",
        _merged(_PAPER, _SMALL),
    ),
    "naive-few-shot": Profile(
        "the paper's baseline: parents always the seeds, no tuning",
        _merged(_merged(_PAPER, _NO_TUNING), {"rounds": {"parents": "seeds"}}),
    ),
    "no-tuning": Profile("without the soft prompt", _merged(_PAPER, _NO_TUNING)),
    "random-parents": Profile(
        "parents drawn from all that were kept", _merged(_PAPER, {"rounds": {"parents": "random"}})
    ),
}


def profile(name: str) -> Profile:
    """Raises UserError that names the nearest."""
    if name not in PROFILES:
        raise UserError(f"--profile: no profile {name!r}; {nearest(name, PROFILES)}")
    return PROFILES[name]

"""Arms: overlays on campaign.toml. A table's keys are merged, a list of tables replaces the whole list."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evoarch.agent.base.errors import UserError, files_told, nearest
from evoarch.agent.config.profiles import PROFILES

FOLDER = "arms"
"""Where a campaign's folder keeps arms of its own, as NAME.toml."""

_SYNTACTIC = [
    {"name": "syntactic.mutate", "weight": 4.0},
    {"name": "syntactic.crossover", "weight": 1.0},
]
_RANDOM = [{"name": "random"}]
_HALF_RANDOM = [*_SYNTACTIC, {"name": "random", "weight": 5.0}]
_SMALL = {"name": "small", "backend": "embedded"}
_DRAFTS = 32
_WITHOUT_MODEL = {"drafts": _DRAFTS, "unscreened": 0.0, "start": 1_000_000}

ARMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "syntactic": ("mutation and crossover by rule", {"lm": [], "operators": _SYNTACTIC}),
    "syntactic-no-selection": (
        "mutation and crossover by rule, parents drawn uniformly from all that were scored",
        {"lm": [], "operators": _SYNTACTIC, "selection": {"method": "uniform"}},
    ),
    "syntactic-strata": (
        "as `syntactic`, parents of each size alike, and a share of random draws",
        {
            "lm": [],
            "operators": [*_SYNTACTIC, {"name": "random", "weight": 2.0}],
            "selection": {"method": "strata"},
        },
    ),
    "random": (
        "every child drawn from nothing, from the layer vocabulary",
        {"lm": [], "operators": _RANDOM},
    ),
    "strata": (
        "drawn from nothing, of 32 drafts the one whose size is due: the control of `screened`",
        {"lm": [], "operators": _RANDOM, "surrogate": _WITHOUT_MODEL},
    ),
    "screened": (
        "drawn from nothing, of 32 drafts the one that a model of this campaign picks",
        {"lm": [], "operators": _RANDOM, "surrogate": {"drafts": _DRAFTS}},
    ),
    "screened-warm": (
        "as `screened`, the model also learns from the runs of `random` of other seeds, made before",
        {
            "lm": [],
            "operators": _RANDOM,
            "surrogate": {"drafts": _DRAFTS, "archives": ["../../random/seed-*"]},
        },
    ),
    "portfolio": (
        "of 32 drafts, half of them random and half by rule, the one that a model picks",
        {"lm": [], "operators": _HALF_RANDOM, "surrogate": {"drafts": _DRAFTS}},
    ),
    "portfolio-lm": (
        "as `portfolio`, and the embedded model's children compete with the drafts",
        {
            "lm": [_SMALL],
            "operators": [*_HALF_RANDOM, {"name": "lm.scoped", "lm": "small", "weight": 10.0}],
            "surrogate": {"drafts": _DRAFTS},
        },
    ),
    "fill": (
        "other numbers for the files of the first generation and their descendants, by a classical search",
        {"lm": [], "operators": [{"name": "space.fill"}], "selection": {"method": "strata"}},
    ),
    "hybrid": (
        "of 32 drafts, random, by rule and by filling, the one that a model picks",
        {
            "lm": [],
            "operators": [*_HALF_RANDOM, {"name": "space.fill", "weight": 5.0}],
            "surrogate": {"drafts": _DRAFTS},
        },
    ),
    "grammar": (
        "derivations of a typed grammar, evolved",
        {
            "lm": [],
            "operators": [
                {"name": "grammar.mutate", "weight": 4.0},
                {"name": "grammar.crossover", "weight": 1.0},
                {"name": "grammar.draw", "weight": 0.5},
            ],
        },
    ),
    "grammar-random": (
        "every child drawn from nothing, from the grammar",
        {"lm": [], "operators": [{"name": "grammar.draw"}]},
    ),
    "lm": (
        "the embedded model rewrites a statement, a layer or a method of a parent",
        {"lm": [_SMALL], "operators": [{"name": "lm.scoped", "lm": "small"}]},
    ),
    "lm-no-selection": (
        "as `lm`, parents drawn uniformly from all that were scored",
        {
            "lm": [_SMALL],
            "operators": [{"name": "lm.scoped", "lm": "small"}],
            "selection": {"method": "uniform"},
        },
    ),
    "best-of-n": (
        "the embedded model, parents always the seeds: sampling without evolution",
        {
            "lm": [_SMALL],
            "operators": [{"name": "lm.scoped", "lm": "small"}],
            "selection": {"method": "seeds"},
        },
    ),
}
"""What `--arms` knows: a name, what it is in words, and its overlay."""


def find(folder: Path, name: str) -> tuple[str, Mapping[str, Any]]:
    """What the arm `name` is in words, and its overlay on campaign.toml.

    It is looked for among the files of the campaign's `arms/`, the profiles, and the built-in arms. Raises
    UserError where there is none of that name, or its file is no TOML.
    """
    path = folder / FOLDER / f"{name}.toml"
    if path.is_file():
        with files_told(path):
            text = path.read_bytes()
        try:
            return f"as {FOLDER}/{name}.toml says", tomllib.loads(text.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: not valid TOML: {error}") from None
    if name in PROFILES:
        return PROFILES[name].words, {"lm": [_SMALL], **PROFILES[name].overlay}
    if name not in ARMS:
        own = [file.stem for file in sorted((folder / FOLDER).glob("*.toml"))]
        raise UserError(f"--arms: no arm {name!r} and no {path}; {nearest(name, [*ARMS, *PROFILES, *own])}")
    return ARMS[name]

"""What `evoarch init` writes: a commented campaign.toml and the task's baseline model files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomlkit

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import FILE
from evoarch.agent.config.loops import loop_of
from evoarch.agent.config.overlay import overlaid
from evoarch.agent.config.profiles import Profile
from evoarch.agent.operators.base import width
from evoarch.agent.search.campaign_template import (
    EVALUATIONS,
    LM_OPERATORS,
    LM_TABLES,
    PROFILED,
    RANDOM_OPERATOR,
    SYNTACTIC_OPERATORS,
    TEMPLATE,
)
from evoarch.evaluators.task import Task


def profiled(text: str, name: str, profile: Profile, evaluations: int | None, task: Task) -> str:
    """The campaign.toml `text` under a profile; `evaluations` in the place of the profile's, if any.

    Where `task` has no recipe of the profile's name, its own stands there, and the file says so.
    """
    loop = loop_of(profile.overlay.get("rounds"))
    merged = overlaid(loop.pruned(tomllib.loads(text)), profile.overlay)
    merged["campaign"] = {**merged["campaign"], "profile": name}
    if evaluations is not None:
        merged["budget"] = {**merged["budget"], "evaluations": evaluations}
    words, recipe = profile.words, merged["evaluation"]["recipe"]
    if recipe not in task.recipes:
        own = "fast" if "fast" in task.recipes else min(task.recipes)
        merged["evaluation"] = {**merged["evaluation"], "recipe": own}
        words += f".\n# Fitted to the task, which has no recipe {recipe!r}: recipe {own!r}, of its own"
    return PROFILED.format(name=name, words=words) + tomlkit.dumps(merged)


def _random_for(task: Task) -> str:
    """The table of `random` where it can draw: it makes models of examples, not message functions."""
    return RANDOM_OPERATOR if "input_shape" in task.offers and width(task.offers) else ""


def write_campaign(
    folder: Path,
    task: Task,
    *,
    task_name: str = "",
    name: str,
    seed: int,
    evaluations: int | None,
    lm: str,
    profile: tuple[str, Profile] | None = None,
    seeds: Mapping[str, str] | None = None,
) -> list[Path]:
    """Writes campaign.toml and seeds/ into `folder`; the paths written. Raises UserError if one is there.

    `task_name`: how campaign.toml names the task ("": by its own name). `seeds`: the first generation by
    name, in the place of the task's baselines.
    """
    config = folder / FILE
    if config.exists():
        raise UserError(f"{config}: is there already; choose another folder, or `evoarch run {folder}`")
    place = folder / "seeds"
    chosen = task.seeds if seeds is None else seeds
    files = {place / f"{stem}.py": source for stem, source in sorted(chosen.items())}
    text = TEMPLATE.format(
        name=json.dumps(name, ensure_ascii=False),
        task=json.dumps(task_name or task.name, ensure_ascii=False),
        seed=seed,
        profile="default" if lm != "none" else "syntactic",
        evaluations=evaluations or EVALUATIONS,
        files=", ".join(f'"seeds/{path.name}"' for path in files),
        lm=LM_TABLES[lm],
        operators=(LM_OPERATORS if lm != "none" else "") + SYNTACTIC_OPERATORS + _random_for(task),
        recipes=", ".join(sorted(task.recipes)),
    )
    if profile is not None:
        text = profiled(text, *profile, evaluations, task)
    try:
        # The configuration last: it says that the folder is whole.
        encoded = {path: content.encode() for path, content in {**files, config: text}.items()}
    except UnicodeEncodeError as error:
        raise UserError(f"{config}: expected UTF-8 text, got {error.object[error.start]!r}") from None
    try:
        place.mkdir(parents=True, exist_ok=True)
        for path, content in encoded.items():
            path.write_bytes(content)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}", code=1) from None
    return [config, *files]

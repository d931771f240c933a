"""What `evoarch init` writes: a commented campaign.toml and the task's baseline model files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.formatting import command
from evoarch.agent.config.load import FILE, LOCAL, Config, parse
from evoarch.agent.config.loops import loop_of
from evoarch.agent.config.overlay import overlaid
from evoarch.agent.config.profiles import Profile
from evoarch.agent.config.schema import DIRECTIVE, schema_text
from evoarch.agent.config.schema import FILE as SCHEMA
from evoarch.agent.evaluation.bench import choose_recipe
from evoarch.agent.evaluation.vetting import findings_of
from evoarch.agent.operators.base import width
from evoarch.agent.operators.registry import build_operators
from evoarch.agent.search.campaign_template import (
    EVALUATIONS,
    LM_OPERATORS,
    LM_TABLES,
    PROFILED,
    RANDOM_OPERATOR,
    SYNTACTIC_OPERATORS,
    TEMPLATE,
)
from evoarch.agent.search.own_parts import open_metrics
from evoarch.evaluators.task import Task


@dataclass(frozen=True)
class NewCampaign:
    """What was written: `paths`, campaign.toml first, then seeds; `schema`: what editors check campaign.toml
    by; `notes`: how a profile was fitted, a sentence each.
    """

    paths: tuple[Path, ...]
    schema: Path
    notes: tuple[str, ...] = ()


def usual_recipe(task: Task) -> str:
    """The recipe of a search on `task` where nobody says: "fast", else the first of its own."""
    return "fast" if "fast" in task.recipes else min(task.recipes)


def profiled(
    text: str, name: str, profile: Profile, evaluations: int | None, task: Task
) -> tuple[str, tuple[str, ...]]:
    """The campaign.toml `text` under a profile, and how the profile was fitted to the task and the language
    model, which the file says too. `evaluations`: in the place of the profile's, if any.
    """
    loop = loop_of(profile.overlay.get("rounds"))
    merged = overlaid(loop.pruned(tomllib.loads(text)), profile.overlay)
    merged["campaign"] = {**merged["campaign"], "profile": name}
    if evaluations is not None:
        merged["budget"] = {**merged["budget"], "evaluations": evaluations}
    notes, recipe = [], merged["evaluation"]["recipe"]
    if recipe not in task.recipes:
        own = usual_recipe(task)
        merged["evaluation"] = {**merged["evaluation"], "recipe": own}
        notes.append(f"fitted to the task, which has no recipe {recipe!r}: recipe {own!r}, of its own")
    backend = merged["lm"][0]["backend"]
    if merged.get("tuning", {}).get("enabled") and backend not in LOCAL:
        merged["tuning"] = {"enabled": False}
        notes.append(f"fitted to the language model, whose weights are elsewhere ({backend}): no soft prompt")
    names = [operator["name"] for operator in merged["operators"]]
    if "random" in names and not _random_for(task):
        merged["operators"] = [each for each in merged["operators"] if each["name"] != "random"]
        notes.append("fitted to the task, whose models can't be drawn from nothing: no operator random")
    words = "".join([profile.words, *(f".\n# {note[0].upper()}{note[1:]}" for note in notes)])
    return PROFILED.format(name=name, words=words, page=profile.page) + tomlkit.dumps(merged), tuple(notes)


def check_new(config: Config, task: Task, folder: Path, sources: Mapping[str, str]) -> None:
    """Looks over what is about to be written as a run would, as far as that needs no walls.

    `sources`: the seeds by file. Raises UserError or TaskError, one line but for findings in seeds.
    """
    choose_recipe(task, config.evaluation.recipe)
    build_operators(config, folder=folder)
    open_metrics(config, task, folder)
    found = {file: findings_of(source, config, task.offers) for file, source in sources.items()}
    lines = [f"{file}:{finding}" for file, findings in found.items() for finding in findings]
    if lines:
        raise UserError("\n".join(["a seed does not hold, nothing was written", *lines]), code=1)


def _random_for(task: Task) -> str:
    """The table of `random` where it can draw: models that sort or value whole examples of numbers."""
    offers = task.offers
    able = "input_shape" in offers and "vocab_size" not in offers and width(offers)
    return RANDOM_OPERATOR if able and getattr(task, "loss", "") != "pixel_cross_entropy" else ""


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
) -> NewCampaign:
    """Writes campaign.toml and seeds/ into `folder`, once they were checked against the task.

    Raises UserError if one is there, or for what could not be run.

    `task_name`: how campaign.toml names the task ("": by its own name). `seeds`: the first generation by
    name, in the place of the task's baselines.
    """
    config = folder / FILE
    if config.exists():
        run = command("run", folder)
        raise UserError(f"{config}: is there already; choose another folder, or `{run}`")
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
        recipe=json.dumps(usual_recipe(task)),
        recipes=", ".join(sorted(task.recipes)),
    )
    notes: tuple[str, ...] = ()
    if profile is not None:
        text, notes = profiled(text, *profile, evaluations, task)
    text, described = DIRECTIVE + text, folder / SCHEMA
    # The configuration last: it says that the folder is whole.
    contents = _encoded({**files, described: schema_text(), config: text}, config)
    check_new(
        parse(tomllib.loads(text), str(config)),
        task,
        folder,
        {f"seeds/{stem}.py": source for stem, source in chosen.items()},
    )
    _write(contents, place)
    return NewCampaign((config, *files), described, notes)


def _encoded(contents: Mapping[Path, str], config: Path) -> dict[Path, bytes]:
    """The files as UTF-8. Raises UserError for a name that has none."""
    try:
        return {path: content.encode() for path, content in contents.items()}
    except UnicodeEncodeError as error:
        raise UserError(f"{config}: expected UTF-8 text, got {error.object[error.start]!r}") from None


def _write(contents: Mapping[Path, bytes], seeds: Path) -> None:
    """Writes the files in their order. Raises UserError where the disk refuses one."""
    try:
        seeds.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            path.write_bytes(content)
    except OSError as error:
        raise UserError(f"{error.filename or seeds.parent}: {error.strerror}", code=1) from None

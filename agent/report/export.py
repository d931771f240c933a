"""A candidate as a clean model file: its own code in a normal layout, under a header that says what it is."""

from __future__ import annotations

import ast
import re
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from evoarch.agent.base.errors import UserError, files_told
from evoarch.agent.base.formatting import cell, command
from evoarch.agent.base.versions import versions
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.one_file import needs_campaign
from evoarch.agent.seeding.patch import changed_files
from evoarch.agent.seeding.record import FrozenSeed, packed
from evoarch.agent.statistics.noise import read_noise
from evoarch.archive.records import FULL, Candidate, Evaluation, Scored, State
from evoarch.archive.store import Store
from evoarch.archive.weights import weights_path
from evoarch.evaluators.tasks import scales
from evoarch.sandbox.genome import source_digest, strip_prose
from evoarch.sandbox.limits import Level
from evoarch.sandbox.recipe import read

WIDTH = 96
"""Columns of the header's text."""

AGAIN = "To train it again: "
"""Begins the line of the header that names a command."""

STANDARDISED = (
    "It expects inputs as the task scales them: evoarch.load_task({task!r}, Path(FOLDER)).scale(x) with "
    "the campaign's folder; what it says of a regression is in units of target_scale (docs/own-task.md)."
)
"""What the header says of a task from data files."""


def clean(source: str) -> str:
    """`source` in a normal layout, without prose: what an ancestor's docstring said need not hold any more.

    It has the same source digest. A file that would not have it is left as it is.
    """
    tidy = ast.unparse(ast.parse(strip_prose(source))) + "\n"
    lines: list[str] = []
    for line in tidy.splitlines():
        # PEP 8: two blank lines around what stands at the top level.
        if line.startswith(("class ", "def ", "@")) and lines and not lines[-1].startswith("@"):
            while lines and not lines[-1]:
                lines.pop()
            lines += ["", ""] if lines else []
        lines.append(line)
    tidy = "\n".join(lines) + "\n"
    return tidy if source_digest(tidy) == source_digest(source) else source


def model_file(store: Store, config: Config, candidate: Candidate, weights: str = "") -> str:
    """The text of the exported file; `weights` is the name of the file of weights beside it, if any.

    Raises UserError for a candidate without a score.
    """
    if candidate.state is not State.SCORED:
        raise UserError(
            f"#{candidate.id} is {candidate.state}; expected a scored candidate "
            f"(`{command('list', store.folder, '--state', 'scored')}`)",
            code=1,
        )
    evaluations = [each for each in store.evaluations(candidate.id) if each.rung == FULL]
    return "\n".join(_header(store, config, candidate, evaluations, weights)) + "\n" + clean(candidate.source)


MODEL = "evoarch_model"
"""The module of an exported archive that has `Model`."""


def model_archive(
    store: Store, config: Config, candidate: Candidate, seed: FrozenSeed, weights: str = ""
) -> bytes:
    """A candidate of a repository as a zip archive that Python imports from: the frozen modules, with its
    open definitions in their place, and `evoarch_model.py`. Raises UserError as `model_file`.
    """
    header = model_file(store, config, candidate, weights).split(clean(candidate.source))[0]
    changed = changed_files(seed, candidate.source)
    files = {}
    for name, (path, package) in seed.record.modules.items():
        place = name.replace(".", "/") + ("/__init__.py" if package else ".py")
        files[place] = changed.get(path, seed.contents.get(path, b""))
    lines = [header.rstrip(), "import torch", *seed.record.program, "", "", seed.record.adapter]
    lines[0] += "\n# Use: sys.path.insert(0, THIS_FILE); from evoarch_model import Model\n"
    files[f"{MODEL}.py"] = "\n".join(lines).encode()
    return packed(files)


def _own_recipe(config: Config, candidate: Candidate) -> list[str]:
    """How its training differs from the recipe, where the campaign searched that too."""
    own = read(candidate.source) if config.evaluation.recipe_search else {}
    said = ", ".join(f"{key} {value}" for key, value in own.items())
    return [f"Trained with a RECIPE of its own: {said}."] if own else []


def _header(
    store: Store, config: Config, candidate: Candidate, evaluations: Sequence[Evaluation], weights: str
) -> list[str]:
    interval = read_noise(store).interval(candidate.metrics["error"], candidate.seeds)
    span = f" (95% interval {interval.low:.4f} to {interval.high:.4f})" if interval else ""
    values = [
        f"{name} {cell(value)}{span if name == 'error' else ''}"
        for name, value in sorted(candidate.metrics.items())
    ]
    seeds = ", ".join(
        f"{e.outcome.metrics['error']:.4f}" for e in evaluations if isinstance(e.outcome, Scored)
    )
    session = store.last_event_detail("session")
    known = session.get("versions")
    made_with = ", ".join(f"{k} {v}" for k, v in (known if isinstance(known, dict) else versions()).items())
    lines = [
        f"Candidate {candidate.id} of the evoarch campaign {config.campaign.name!r}, "
        f"task {config.campaign.task}.",
        f"Validation: {', '.join(values)}; error on each of {candidate.seeds} training seeds: {seeds}. "
        f"{'The interval is over training seeds and validation examples. ' if interval else ''}"
        "The test split was not looked at.",
        f"Lineage: {_line(store, candidate)}.",
        *[f"Repaired: {repair}." for repair in candidate.repairs],
        *_own_recipe(config, candidate),
        f"Source digest {candidate.source_digest}",
        *([f"Function digest {candidate.function_digest}"] if candidate.function_digest else []),
        f"Measured with {made_with}; isolation {session.get('level', 'unknown')}.",
        f"{AGAIN}{_again(store, config, candidate)}",
        *([STANDARDISED.format(task=config.campaign.task)] if scales(config.campaign.task) else []),
    ]
    if weights:
        lines.append(
            f"Weights of training seed 0: {weights}. model = Model(...); "
            f"model.load_state_dict(safetensors.torch.load_file({weights!r}), strict=False); model.eval()"
        )
    return [f"# {part}" for line in lines for part in _wrapped(line)]


def _wrapped(line: str) -> list[str]:
    """`line` in lines of the header's width; a command stays on one, so that it can be copied."""
    return [line] if line.startswith(AGAIN) else textwrap.wrap(line, WIDTH, break_long_words=False)


def _again(store: Store, config: Config, candidate: Candidate) -> str:
    """The command that trains the exported file once more: by its options alone where they do, else with the
    campaign's folder, as it was named for the export.
    """
    words = ["evaluate", "THIS_FILE"]
    if needs_campaign(config):
        words += ["--campaign", str(store.folder)]
    else:
        words += ["--task", config.campaign.task, "--recipe", config.evaluation.recipe]
        words += ["--seed", str(config.campaign.seed)]
        # What is imported by a name, whole or in part, has the name's last word in the source.
        for name in config.sandbox.imports:
            if re.search(rf"\b{name.rpartition('.')[2]}\b", candidate.source):
                words += ["--import", name]
    if config.sandbox.vet == "report":
        words += ["--vet", "report"]
    if store.last_event_detail("session").get("level") == Level.NONE:
        words += ["--unsafe"]
    return command(*words)


def _line(store: Store, candidate: Candidate) -> str:
    """From the seed to the candidate along first parents, with what was done at each step."""
    steps = []
    while True:
        change, _ = store.change(candidate.id)
        said = f" ({' '.join(change.split())[:120]})" if change else ""
        steps.append(f"#{candidate.id} {candidate.name or candidate.operator}{said}")
        if not candidate.parents:
            return " -> ".join(reversed(steps))
        candidate = store.candidate(candidate.parents[0])


def copy_weights(store: Store, candidate: Candidate, target: Path) -> None:
    """The weights of the candidate's first training seed. Raises UserError where none are kept."""
    own = store.evaluations(candidate.id)
    scored = [e for e in own if isinstance(e.outcome, Scored) and e.rung == FULL]
    source = (
        weights_path(Path(store.folder), candidate.id, scored[0].rung, scored[0].seed) if scored else None
    )
    if source is None or not source.is_file():
        raise UserError(f"#{candidate.id}: no weights are kept in {store.folder}", code=1)
    with files_told(target):
        shutil.copyfile(source, target)

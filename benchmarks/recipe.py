"""What each part of [recipe] brings: errors and CPU seconds on three tasks, each beside the plain recipe.

`python -m benchmarks.recipe [--seeds 3] [--task NAME] [--json FILE]`: digits, scikit-learn's wine table and a
part of the standard library's source, each by one baseline and its recipe `fast`, behind the walls. All parts
of one seed are trained in turn, so that a busy machine slows them alike; ratios are of means over the seeds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from sklearn.datasets import load_wine

from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.recipe import augmentations
from evoarch.evaluators.task import Recipe, SupervisedTask
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.runner import start

PARTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "sgd, 5 x the rate": {"optimiser": "sgd", "rate_factor": 5.0},
    "muon": {"optimiser": "muon"},
    "cosine, warmup 0.1": {"schedule": "cosine", "warmup": 0.1},
    "clip 1": {"clip": 1.0},
    "average 0.98": {"average": 0.98},
    "label_smoothing 0.1": {"label_smoothing": 0.1},
    "class_weights": {"class_weights": "balanced"},
    **{f"augment {name}": {"augment": (name,)} for name in ("flip", "crop", "cutout", "noise", "mixup")},
}
"""Each part, as keys of [recipe]."""

SOURCE_FILES = 40
"""Files of the standard library that make the text."""


def with_part(recipe: Recipe, part: Mapping[str, Any]) -> Recipe:
    """`recipe` with one part on."""
    keys = {key: value for key, value in part.items() if key != "rate_factor"}
    return replace(recipe, rate=recipe.rate * part.get("rate_factor", 1.0), **keys)


def possible(task: SupervisedTask, part: Mapping[str, Any]) -> bool:
    """Whether the task can be trained with it."""
    if "class_weights" in part and task.loss == "next_token":
        return False
    return set(part.get("augment", ())) <= set(augmentations(task))


def tasks_in(folder: Path) -> dict[str, tuple[SupervisedTask, str]]:
    """The three tasks, by name, and the baseline of each that is trained."""
    wine = load_wine()
    header = [*(f"c{n}" for n in range(wine.data.shape[1])), "kind"]
    rows = [[*map(str, x), f"wine{y}"] for x, y in zip(wine.data, wine.target, strict=True)]
    (folder / "wine.csv").write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    library = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:SOURCE_FILES]
    (folder / "library.txt").write_text("\n".join(file.read_text("utf-8") for file in library))
    named = {
        "digits": ("digits", "conv"),
        "wine": (f"table:{folder / 'wine.csv'},target=kind", "mlp"),
        "library": (f"text:{folder / 'library.txt'},context=32,bytes=300000", "conv"),
    }
    found: dict[str, tuple[SupervisedTask, str]] = {}
    for name, (word, seed) in named.items():
        task = load_task(word)
        assert isinstance(task, SupervisedTask)
        found[name] = task, task.seeds[seed]
    return found


async def measure(task: SupervisedTask, source: str, seeds: int) -> dict[str, dict[str, list[float]]]:
    """Errors and CPU seconds of each part that is possible, one of each for a seed."""
    runner = await start(inside_program())
    found: dict[str, dict[str, list[float]]] = {}
    try:
        for seed in range(seeds):
            for name, part in PARTS.items():
                if not possible(task, part):
                    continue
                recipe = with_part(task.recipes["fast"], part)
                evaluator = Evaluator(task, recipe, runner, campaign_seed=seed, ceiling=1.0)
                evaluated = await evaluator.evaluate(source, digest="recipe", repeat=0)
                assert isinstance(evaluated.outcome, Scored), (name, evaluated.outcome)
                of = found.setdefault(name, {"error": [], "seconds": []})
                of["error"].append(evaluated.outcome.metrics["error"])
                of["seconds"].append(evaluated.cpu_seconds)
    finally:
        await runner.close()
    return found


def table(measured: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> str:
    """As docs/recipe.md shows it: of each part the error, and error and seconds over the plain ones."""
    lines = ["| part | " + " | ".join(measured) + " |", "|---|" + "---|" * len(measured)]
    for name in PARTS:
        cells = []
        for parts in measured.values():
            if name not in parts:
                cells.append("-")
                continue
            error, plain = parts[name]["error"], parts["plain"]
            gaps = np.subtract(error, plain["error"])
            seconds = fmean(parts[name]["seconds"]) / fmean(plain["seconds"])
            if name == "plain":
                cells.append(f"error {fmean(error):.4f}, {fmean(plain['seconds']):.2f} s")
                continue
            spread = f" ± {stdev(gaps):.4f}" if len(gaps) > 1 else ""
            ratio = fmean(error) / fmean(plain["error"])
            cells.append(f"{ratio:.2f} x error ({gaps.mean():+.4f}{spread}), {seconds:.2f} x s")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--task", action="append", choices=("digits", "wine", "library"))
    arguments = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (task, source) in tasks_in(Path(folder)).items():
            if arguments.task and name not in arguments.task:
                continue
            measured[name] = asyncio.run(measure(task, source, arguments.seeds))
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1))
    print(table(measured))


if __name__ == "__main__":
    main()

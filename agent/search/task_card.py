"""The task card of a campaign: what its prompts say of the task, its objectives and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evoarch.agent.config.tables import ConstraintsTable
from evoarch.evaluators.facts import task_facts
from evoarch.evaluators.task import Recipe, Task
from evoarch.prompts.contexts import TaskCard
from evoarch.prompts.render import SHOWN_AS, value_text
from evoarch.sandbox.rules.imports import ALLOWED

UNITS: Mapping[str, str] = {
    "error": "as the task says",
    "params": "trained numbers, ties counted once",
    "flops": "of one example forward, multiply and add counted as two",
    "latency": "time of a forward pass, as a ratio to the reference model's",
    "train_seconds": "CPU seconds of the training",
    "memory": "MiB that a training takes",
}
"""What metrics are, which prompts show by name."""

LAYERS: Mapping[int, Sequence[str]] = {
    1: (
        *("nn.Linear", "nn.BatchNorm1d", "nn.LayerNorm", "nn.GELU", "nn.Dropout"),
        *("nn.Conv1d, nn.MaxPool1d and nn.GRU (after x.unsqueeze(...))",),
    ),
    2: (
        *("nn.Conv1d", "nn.BatchNorm1d", "nn.GroupNorm", "nn.MaxPool1d", "nn.AdaptiveAvgPool1d", "nn.GELU"),
        *("nn.GRU and nn.MultiheadAttention over (batch, length, channels)", "nn.Linear"),
    ),
    3: (
        *("nn.Conv2d", "nn.BatchNorm2d", "nn.GroupNorm", "nn.MaxPool2d", "nn.AdaptiveAvgPool2d", "nn.GELU"),
        *("nn.Linear",),
    ),
}
"""Layers by the number of an input's axes, without numbers: models copy these."""


def task_card(
    task: Task,
    recipe: Recipe,
    objectives: Sequence[str],
    *,
    limits: ConstraintsTable | None = None,
    imports: Sequence[str] = (),
    seed: int = 0,
) -> TaskCard:
    """The card of `task` under `recipe`, its splits drawn by `seed`.

    `objectives`: the metrics that decide; `limits`: the campaign's; `imports`: modules that genomes may
    import beside the usual ones. Raises TaskError.
    """
    facts = task_facts(task, recipe, seed)
    return TaskCard(
        facts.lines,
        facts.interface,
        [f"{SHOWN_AS.get(name, name)}: {UNITS.get(name, 'as measured')}" for name in objectives],
        _limits(limits or ConstraintsTable()),
        dict(task.offers),
        (*ALLOWED, *imports),
        LAYERS.get(facts.rank, ()),
    )


def _limits(table: ConstraintsTable) -> list[str]:
    found = {
        **{name: getattr(table, name) for name in ("error", "params", "flops", "latency", "memory")},
        "train_seconds": table.seconds,
        **table.metrics,
    }
    return [
        f"{SHOWN_AS.get(name, name)} at most {value_text(name, value)}"
        for name, value in found.items()
        if value is not None
    ]

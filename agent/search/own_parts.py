"""Parts of a user's own in a campaign: those handed over as objects, and its metrics, looked over early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.config.lm import HANDED
from evoarch.agent.config.load import Config
from evoarch.agent.lm.base import LM
from evoarch.agent.lm.registry import build_lm
from evoarch.agent.operators.base import Operator
from evoarch.agent.operators.registry import build_operators
from evoarch.agent.search.selection import own_method
from evoarch.evaluators.checks import asked, check_splits, output_shape
from evoarch.evaluators.metrics.base import Metric, names_of
from evoarch.evaluators.metrics.registry import joined, load_metrics, try_out
from evoarch.evaluators.registry import OwnTask
from evoarch.evaluators.task import SupervisedTask, Task

ALWAYS = ("error", "params", "flops", "latency", "train_seconds", "memory")
"""What is measured of a candidate whatever the task."""


@dataclass(frozen=True)
class GivenParts:
    """Objects that `evoarch.run_campaign` was handed: operators and metrics, which bear their names, and
    language models by the names of the `[[lm]]` tables whose backend is "given".
    """

    operators: Sequence[Operator] = ()
    lms: Mapping[str, LM] = field(default_factory=dict)
    metrics: Sequence[Metric] = ()


NO_PARTS = GivenParts()


def open_metrics(
    config: Config, task: Task, folder: Path, given: Sequence[Metric] = ()
) -> tuple[Metric, ...]:
    """The metrics of `evaluation.metrics`, each tried on made-up outputs of the task.

    Raises UserError or TaskError, one line, for a metric that can't be used, and for an objective or a limit
    on one that nothing measures.
    """
    metrics = load_metrics(config.evaluation.metrics, folder, given)
    known: list[str] = list(names_of(metrics))
    if isinstance(task, SupervisedTask) and not isinstance(task, OwnTask):
        everything = joined(task, metrics)
        known = list(names_of(everything))
        if everything:
            seed = config.campaign.seed
            splits = check_splits(task, asked(task, "splits", lambda: task.splits(seed)))
            try_out(everything, splits.validation.targets, output_shape(task))
    maximised = {metric.name: name for metric, name in zip(metrics, names_of(metrics), strict=True)}
    _refuse_unknown("selection.objectives", config.selection.objectives, (*ALWAYS, *known), maximised)
    _refuse_unknown("constraints.metrics", tuple(config.constraints.metrics), known, maximised)
    return metrics


def with_own_names(config: Config, operators: Sequence[Operator]) -> Config:
    """`config` whose [[operators]] tables bear the names of their operators, which stand in the archive; a
    path differs from folder to folder.
    """
    tables = zip(config.operators, operators, strict=True)
    named = tuple(table.model_copy(update={"name": operator.name}) for table, operator in tables)
    return config.model_copy(update={"operators": named})


def check_parts(config: Config, folder: Path) -> None:
    """Looks over the parts that the campaign in `folder` names. Raises UserError or TaskError, one line, for
    one that is not there or does not hold.
    """
    build_operators(config, folder=folder)
    own_method(config.selection, folder)
    load_metrics(config.evaluation.metrics, folder)
    for settings in config.lm:
        if settings.backend != HANDED:
            build_lm(settings, folder=folder)


def _refuse_unknown(
    key: str, names: Sequence[str], known: Sequence[str], recorded: Mapping[str, str]
) -> None:
    for name in names:
        if name in known:
            continue
        if name in recorded:
            raise UserError(
                f"{key}: {name} is maximised, and a campaign minimises; expected {recorded[name]!r}"
            )
        hint = nearest(name, known) if known else "evaluation.metrics names none"
        raise UserError(f"{key}: no metric {name!r}; {hint}")

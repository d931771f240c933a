"""Hard limits, and the measures that they hold for: what can be known before training is checked before it.

A limit is never weighed against anything. Measures of the machine (latency, memory, seconds) come out a
little different each time, so a replay takes them from the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evoarch.agent.config.load import Config
from evoarch.agent.config.tables import ConstraintsTable
from evoarch.archive.records import Evaluation, Failed, Fault, Outcome, Scored
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Evaluated

STATIC = ("flops", "latency")
"""Metrics that are known before training, beside `params`."""

MEASURED = "measured"
"""Where an evaluation's detail holds what the machine showed: `latency`, and of training so far
`train_seconds` (CPU) and `memory` (MiB at its peak)."""


@dataclass(frozen=True)
class Limit:
    """The key of [constraints], the metric that it limits, and the words for it."""

    key: str
    metric: str
    words: str

    def of(self, table: ConstraintsTable) -> float | None:
        """The largest value that is allowed; None where there is no limit."""
        most: float | None = getattr(table, self.key)
        return most


@dataclass(frozen=True)
class MetricLimit(Limit):
    """A limit of [constraints.metrics]: the metric's name is its key."""

    def of(self, table: ConstraintsTable) -> float | None:
        """The largest value that is allowed; None where there is no limit."""
        return table.metrics.get(self.metric)


LIMITS = (
    Limit("params", "params", "parameters"),
    Limit("flops", "flops", "FLOPs an example"),
    Limit("latency", "latency", "x the latency of the reference"),
    Limit("memory", "memory", "MiB of memory in training"),
    Limit("seconds", "train_seconds", "CPU seconds of training"),
)


def limits_of(table: ConstraintsTable) -> tuple[Limit, ...]:
    """All limits that a campaign may have: those of every campaign, and those on its own metrics."""
    return (*LIMITS, *(MetricLimit(f"metrics.{name}", name, name) for name in table.metrics))


def excess(table: ConstraintsTable, metrics: Mapping[str, float]) -> str:
    """Which limits `metrics` break, and by how much; "" where they keep all those that they know of."""
    found = []
    for limit in limits_of(table):
        most, got = limit.of(table), metrics.get(limit.metric)
        if most is None or got is None or got <= most:
            continue
        over = f"{number(got - most)}{f' ({(got - most) / most:.1%})' if most > 0 else ''} above"
        found.append(
            f"expected at most {number(most)} {limit.words}, got {number(got)}: {over}; "
            f"limit constraints.{limit.key}"
        )
    return "; ".join(found)


def wanted(config: Config, metric: str) -> str:
    """The key that makes `metric` necessary, "" where a campaign does without it."""
    for limit in limits_of(config.constraints):
        if limit.metric == metric and limit.of(config.constraints) is not None:
            return f"constraints.{limit.key}"
    return "selection.objectives" if metric in config.selection.objectives else ""


def reference_of(config: Config) -> str:
    """The name of the seed whose latency is 1."""
    first = config.seeds.files[0] if config.seeds.files else ""
    return config.constraints.reference or Path(first).stem


def unknown(config: Config, sound: DryRunPassed) -> str:
    """Why a candidate can't be measured as the campaign asks, "" where it can."""
    key = wanted(config, "flops")
    return (
        f"its FLOPs can't be counted: {sound.no_flops}; needed by {key}"
        if key and sound.flops is None
        else ""
    )


def static_metrics(sound: DryRunPassed, latency: float | None) -> dict[str, float]:
    """`flops` and `latency`, as far as they are known."""
    known = {"flops": sound.flops, "latency": latency}
    return {name: float(value) for name, value in known.items() if value is not None}


def cumulated(evaluated: Evaluated, earlier: Sequence[Evaluation]) -> dict[str, float]:
    """What training took up to the end of this part: `earlier` are the parts before it, in order."""
    training = evaluated.detail.get("training")
    if not isinstance(training, Mapping):
        return {}
    seconds, memory = float(training["cpu_seconds"]), float(training["memory"])
    if earlier:
        before = measured_in(earlier[-1])
        seconds += before.get("train_seconds", 0.0)
        memory = max(memory, before.get("memory", 0.0))
    return {"train_seconds": round(seconds, 3), "memory": round(memory, 1)}


def parts_of(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The parts of a candidate's first training that came to an outcome, in order."""
    return [
        each
        for each in evaluations
        if each.seed == 0
        and not (isinstance(each.outcome, Failed) and each.outcome.fault is Fault.INFRASTRUCTURE)
    ]


def measured_in(evaluation: Evaluation) -> dict[str, float]:
    """The machine's measures in an evaluation's record."""
    found = evaluation.detail.get(MEASURED, {})
    return {str(k): float(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


def completed(
    evaluated: Evaluated,
    config: Config,
    params: int | None,
    static: Mapping[str, float],
    machine: Mapping[str, float],
    *,
    partly: bool = False,
) -> Evaluated:
    """`evaluated` with all measures in its metrics, or failed where they break a limit.

    `params`: as the dry run found them. A model that was trained at another size is not the one whose FLOPs
    and latency are known. `partly`: of a training that goes on, on whose metrics there is no limit yet.
    """
    detail = {k: v for k, v in evaluated.detail.items() if k != "training"}
    if known := {**machine, **{k: static[k] for k in ("latency",) if k in static}}:
        detail |= {MEASURED: known}
    if partly:
        constraints = config.constraints.model_copy(update={"metrics": {}})
        config = config.model_copy(update={"constraints": constraints})
    outcome = _outcome(evaluated.outcome, config, params, static, machine)
    return replace(evaluated, outcome=outcome, detail=detail)


def _outcome(
    outcome: Outcome,
    config: Config,
    params: int | None,
    static: Mapping[str, float],
    machine: Mapping[str, float],
) -> Outcome:
    if isinstance(outcome, Failed):
        return outcome
    trained = int(outcome.metrics["params"])
    if params is not None and trained != params:
        keys = [key for metric in STATIC if (key := wanted(config, metric))]
        if keys:
            reason = f"expected the {params} parameters of its dry run after training, got {trained}"
            return Failed("constraint", f"{reason}; its measures, needed by {keys[0]}, are not this model's")
        static = {}
    metrics = {**outcome.metrics, **static, **machine}
    for limit in limits_of(config.constraints):
        if limit.of(config.constraints) is not None and limit.metric not in metrics:
            return Failed("constraint", f"this task tells no {limit.metric}; limit constraints.{limit.key}")
    if problem := excess(config.constraints, metrics):
        return Failed("constraint", problem)
    return Scored(metrics)


def number(value: float) -> str:
    """Counts in full, measures to four figures."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"

"""The metrics by name, looked over before anything is spent, and what they say of two predictions."""

from __future__ import annotations

import importlib
import math
import numbers
import pkgutil
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

import evoarch.evaluators.metrics as room
from evoarch.archive.records import Failed, Fault
from evoarch.evaluators.checks import WIDTH
from evoarch.evaluators.errors import PartError
from evoarch.evaluators.metrics.base import METRICS, Metric, names_of, recorded
from evoarch.evaluators.own_code import GIVEN, METRIC, Found, find, made, said
from evoarch.evaluators.task import Floats, SupervisedTask, Targets, TaskError

MEASURED = ("error", "params", "flops", "latency", "memory", "seconds", "train_seconds")
"""What is measured of every candidate; no metric may bear one of these names."""

STAGE = "score"
"""The stage of an evaluation that a metric failed."""

LOSSES = (*WIDTH, "")

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@cache
def built_in() -> Mapping[str, type[Metric]]:
    """evoarch's own metrics by name: every file of this folder is one."""
    for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(METRICS.items()))


def load_metrics(
    names: Sequence[str], folder: Path | None = None, given: Sequence[Metric] = ()
) -> tuple[Metric, ...]:
    """The metrics that `names` says: built-in ones, "FILE.py:CLASS" relative to `folder`, an installed
    package's, or some of the objects `given`.

    Raises TaskError, one line, for one that is not there, does not hold, or shares its name with another.
    """
    objects: dict[str, object] = {}
    for number, each in enumerate(given):
        metric = _made(Found(f"metrics[{number}]", each, GIVEN))
        if metric.name not in names:
            raise TaskError(f"{GIVEN}: metric {metric.name!r}: expected to be named in evaluation.metrics")
        objects[metric.name] = metric
    metrics: dict[str, Metric] = {}
    for name in dict.fromkeys(names):
        try:
            found = find(METRIC, name, built_in(), folder, objects)
        except PartError as error:
            raise TaskError(str(error)) from None
        metric = _made(found)
        if found.path is None and metric.name != name:
            raise TaskError(
                f"{found.place}: name: expected {name!r}, as its entry point, got {metric.name!r}"
            )
        if recorded(metric) in metrics:
            raise TaskError(f"{found.place}: expected a name of its own, got {metric.name!r} for two metrics")
        metrics[recorded(metric)] = metric
    return tuple(metrics.values())


def metrics_of(task: SupervisedTask) -> tuple[Metric, ...]:
    """The metrics that a task brings itself: its `metrics`, names of built-in ones or objects.

    Raises TaskError.
    """
    place = f"task {task.name}: metrics"
    brought: object = getattr(task, "metrics", ())
    if not isinstance(brought, tuple | list):
        raise TaskError(f"{place}: expected a tuple of metrics, got {brought!r}")
    metrics: dict[str, Metric] = {}
    for each in brought:
        if isinstance(each, str):
            try:
                metric = _made(find(METRIC, each, built_in()))
            except PartError as error:
                raise TaskError(f"{place}: {error}") from None
        else:
            metric = _made(Found(type(each).__name__, each, place))
        metrics[recorded(metric)] = metric
    return tuple(metrics.values())


def joined(task: SupervisedTask, further: Sequence[Metric]) -> tuple[Metric, ...]:
    """A task's own metrics and `further` ones, each once. Raises TaskError for one of another loss, and for
    two different ones of one name.
    """
    metrics = {recorded(each): each for each in metrics_of(task)}
    for each in further:
        if type(metrics.setdefault(recorded(each), each)) is not type(each):
            raise TaskError(f"metric {each.name}: task {task.name} brings another one of this name")
    for each in metrics.values():
        if each.loss not in ("", task.loss):
            raise TaskError(
                f"metric {each.name}: expected a task of loss {each.loss}, got {task.name} with {task.loss}"
            )
    return tuple(metrics.values())


def values_of(
    metrics: Sequence[Metric], predictions: Sequence[Floats], targets: Targets
) -> dict[str, float] | Failed:
    """Each metric as it is recorded, of the worse of `predictions` of the same examples.

    Failed, as the infrastructure's and never the candidate's, where a metric raises or gives no number within
    its bounds.
    """
    values: dict[str, float] = {}
    for metric in metrics:
        found = []
        for outputs in predictions:
            value = _asked(metric, outputs, targets)
            problem = value if isinstance(value, str) else _outside(metric, value)
            if problem or isinstance(value, str):
                return Failed(STAGE, f"metric {metric.name}: {problem}", Fault.INFRASTRUCTURE)
            found.append(value if metric.minimise else metric.bounds[1] - value)
        values[recorded(metric)] = max(found)
    return values


def try_out(metrics: Sequence[Metric], targets: Targets, shape: tuple[int, ...]) -> None:
    """Asks each metric once about made-up outputs (n, *shape). Raises TaskError for one that raises or gives
    no number; of made-up outputs it may have nothing to say, so that NaN is let pass.
    """
    outputs = np.random.default_rng(0).normal(size=(len(targets), *shape)).astype(np.float32)
    for metric in metrics:
        value = _asked(metric, outputs, targets)
        if isinstance(value, str):
            raise TaskError(f"metric {metric.name}: {value}")


def _asked(metric: Metric, outputs: Floats, targets: Targets) -> float | str:
    """The metric's value, or why there is none."""
    shown, known = outputs.view(), targets.view()
    shown.setflags(write=False)
    known.setflags(write=False)
    try:
        value: object = metric(shown, known)
    except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        return said(error, _file_of(metric))
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return f"expected a number, got {type(value).__name__}"
    return float(value)


def _outside(metric: Metric, value: float) -> str:
    """Why a value is none that the metric may have, "" where it is one."""
    low, high = metric.bounds
    if not math.isfinite(value):
        return f"expected a finite number, got {value}"
    return "" if low <= value <= high else f"expected a number from {low:g} to {high:g}, got {value:g}"


def _file_of(metric: Metric) -> Path | None:
    file = getattr(sys.modules.get(type(metric).__module__), "__file__", None)
    return Path(file) if file else None


def _made(found: Found) -> Metric:
    """The metric that was found. Raises TaskError where it is none, or bears a built-in one's name."""
    try:
        metric = made(found)
        problem = _problem(metric)
    except PartError as error:
        raise TaskError(str(error)) from None
    except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        problem = said(error, found.path)
    if problem:
        raise TaskError(f"{found.place}: {problem}")
    taken = {*built_in(), *names_of([kind() for kind in built_in().values()]), *MEASURED}
    if found.own and not taken.isdisjoint((metric.name, recorded(metric))):
        raise TaskError(
            f"{found.place}: name: expected one of its own, got {metric.name!r}, which is a built-in metric's"
        )
    return metric  # type: ignore[no-any-return]


def _problem(metric: object) -> str:
    """Why an object is no metric, "" where it is one."""
    if not callable(metric):
        return f"expected a metric, called with outputs and targets, got {type(metric).__name__}"
    for part in ("name", "minimise", "bounds", "loss"):
        if not hasattr(metric, part):
            return f"{part}: expected, but it is not there (evoarch.Metric says what a metric has)"
    name, minimise, bounds, loss = (getattr(metric, p) for p in ("name", "minimise", "bounds", "loss"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f'name: expected small letters, digits and "_", got {name!r}'
    if not isinstance(minimise, bool):
        return f"minimise: expected True or False, got {minimise!r}"
    if loss not in LOSSES:
        return f"loss: expected one of {', '.join(map(repr, LOSSES))}, got {loss!r}"
    if not isinstance(bounds, tuple | list) or [type(each) in (int, float) for each in bounds] != [
        True,
        True,
    ]:
        return f"bounds: expected two numbers, got {bounds!r}"
    if not bounds[0] < bounds[1]:
        return f"bounds: expected the smaller number first, got {bounds!r}"
    if not minimise and not math.isfinite(bounds[1]):
        return f"bounds: expected a finite upper bound of what is maximised, got {bounds[1]}"
    return ""

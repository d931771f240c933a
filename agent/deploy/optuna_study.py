"""A campaign as a study of Optuna, for its dashboard and its plots of importance.

A trial is a scored candidate. Its parameters are what the trace says of the model: they were not drawn by
Optuna, and importances say what goes along with the values, not what brings them about.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store
from evoarch.evaluators.trace import Trace, TraceError


@dataclass(frozen=True)
class Described:
    """A candidate as a trial: `numbers` (layers, widths, parameters; 1 or more), and `kinds` of its layers
    with parameters, in the order of the alphabet.
    """

    candidate: Candidate
    numbers: Mapping[str, int]
    kinds: str
    values: tuple[float, ...]


def described(store: Store, objectives: Sequence[str]) -> list[Described]:
    """The scored candidates that have all `objectives` and a trace."""
    scored = [each for each in store.scored() if all(name in each.metrics for name in objectives)]
    traces = store.traces.many([each.id for each in scored])
    found = []
    for candidate in scored:
        try:
            trace = Trace.from_json(traces[candidate.id])
        except (KeyError, TraceError):
            continue
        layers = [node for node in trace.nodes if node.params]
        widths = [node.shape[0] for node in layers if node.shape and node.shape[0]] or [1]
        numbers = {
            "layers": max(1, len(layers)),
            "widest": max(widths),
            "narrowest": min(widths),
            "params": max(1, int(candidate.metrics["params"])),
        }
        kinds = ", ".join(sorted({node.kind for node in layers})) or "none"
        values = tuple(candidate.metrics[name] for name in objectives)
        found.append(Described(candidate, numbers, kinds, values))
    return found


def write_study(store: Store, config: Config, path: Path) -> int:
    """Writes a new SQLite file that Optuna reads, with one study of the campaign's name. How many trials it
    has.

    Raises UserError: the extra is missing, the file is there, or no scored candidate has a trace.
    """
    if find_spec("optuna") is None:
        raise UserError("--optuna needs optuna: pip install 'evoarch[spaces]'")
    if path.exists():
        raise UserError(f"--optuna {path}: is there already; expected a new file")
    if not path.parent.is_dir():
        raise UserError(f"--optuna {path}: there is no folder {path.parent}", code=1)
    trials = described(store, config.selection.objectives)
    if not trials:
        raise UserError(f"{store.folder}: no scored candidate has a trace; nothing to write", code=1)
    import optuna

    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.IntDistribution(
            min(each.numbers[name] for each in trials), max(each.numbers[name] for each in trials), log=True
        )
        for name in trials[0].numbers
    }
    ranges["kinds"] = optuna.distributions.CategoricalDistribution(sorted({each.kinds for each in trials}))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = list(config.selection.objectives)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of values are marked as experimental
        study = optuna.create_study(
            storage=f"sqlite:///{path}", study_name=config.campaign.name, directions=["minimize"] * len(names)
        )
        study.set_metric_names(names)
    study.add_trials([_trial(each, ranges) for each in trials])
    return len(trials)


def _trial(each: Described, ranges: Mapping[str, Any]) -> Any:
    import optuna

    of = each.candidate
    return optuna.trial.create_trial(
        params={**each.numbers, "kinds": each.kinds},
        distributions=dict(ranges),
        values=list(each.values),
        user_attrs={"candidate": of.id, "operator": of.operator, "parents": list(of.parents), **of.metrics},
    )

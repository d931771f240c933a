"""What an attack on a score or a count is, and when it has won."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from evoarch.archive.records import Failed, Fault, Scored
from evoarch.evaluators.task import Evaluated
from evoarch.sandbox.visible import first_unsafe

KNOWS = 0.85
"""An error that only a model has that knows something: ten balanced classes, where chance errs on 0.9."""

ALLOWANCE = 64
"""Parameters that data in a source may fall short of what it replaces: the free allowance (32), and numbers
that are shorter than 32 bits."""


@dataclass(frozen=True)
class ModelAttack:
    """One model file that attacks. `aim` says what would be a win (`won`), `defence` what stands against it
    (defences.DEFENCES), `twin` is the honest model of the same kind, which must be scored.

    count    counts fewer parameters than its twin, and knows something all the same
    data     the same, by more than the free allowance of data in a source
    score    knows something, though its weights are worth nothing
    poison   makes the trusted process raise, or its failure the infrastructure's
    blame    makes its failure the infrastructure's
    text     gets characters that a terminal obeys or hides into the reason of its failure
    """

    name: str
    aim: str
    defence: str
    source: str
    twin: str


def won(attack: ModelAttack, found: Evaluated | Exception, twin: Evaluated) -> bool:
    """Whether an attack reached its aim; `found` may be what the trusted process raised over it."""
    if isinstance(found, Exception):
        return attack.aim == "poison"
    outcome = found.outcome
    if isinstance(outcome, Failed):
        if attack.aim == "text":
            return first_unsafe(outcome.reason) is not None
        blames = attack.aim in ("poison", "blame") and outcome.fault is Fault.INFRASTRUCTURE
        return blames or (attack.aim == "poison" and not _can_be_stored(found))
    if attack.aim in ("count", "data"):
        slack = ALLOWANCE if attack.aim == "data" else 0
        return outcome.metrics["error"] < KNOWS and outcome.metrics["params"] < _params(twin) - slack
    if attack.aim == "score":
        return outcome.metrics["error"] < KNOWS
    return attack.aim == "poison" and not _can_be_stored(found)


def _params(twin: Evaluated) -> float:
    assert isinstance(twin.outcome, Scored), twin.outcome
    return twin.outcome.metrics["params"]


def _can_be_stored(found: Evaluated) -> bool:
    outcome = found.outcome
    told = outcome.reason if isinstance(outcome, Failed) else dict(outcome.metrics)
    try:
        text = json.dumps([told, dict(found.detail)], allow_nan=False, ensure_ascii=False)
        with sqlite3.connect(":memory:") as db:
            db.execute("SELECT ?", (text,)).fetchone()
    except (ValueError, OverflowError, RecursionError):
        return False
    return True

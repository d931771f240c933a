"""What a child that did not finish is called: the outcome of a process as the failure of an evaluation."""

from __future__ import annotations

from evoarch.archive.records import Failed, Fault
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Killed, Raised

STAGES = ("build", "dry_run", "train", "predict")
"""What a failure inside a child may be called; anything else that it announced is replaced."""


def failure_of(outcome: ChildOutcome, stage: str = "dry_run") -> Failed:
    """A child that did not finish, as a failure; `stage` where the child named none that is known.

    Raises ValueError for a child that finished.
    """
    match outcome:
        case Raised():
            return Failed(_stage(outcome.stage, stage), _raised(outcome))
        case Killed():
            return Failed(_stage(outcome.stage, stage), outcome.reason)
        case Broken():
            return Failed(stage, outcome.reason, Fault.INFRASTRUCTURE)
        case Finished():
            raise ValueError("expected a child that did not finish, got Finished")


def _stage(announced: str, stage: str) -> str:
    return announced if announced in STAGES else stage


def _raised(outcome: Raised) -> str:
    message = " ".join(outcome.message.split())
    where = [f"line {outcome.line}"] if outcome.line else []
    if outcome.module:
        where.append(f"in {outcome.module}")
    if outcome.shapes:
        where.append(f"given {', '.join(str(shape) for shape in outcome.shapes)}")
    return f"{outcome.kind}: {message}" + (f" ({', '.join(where)})" if where else "")

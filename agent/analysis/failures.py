"""Where children are lost on the way to a score, and why: counts by step, and reasons grouped by their
message.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evoarch.archive.filters import Filter, FilterTerm
from evoarch.archive.records import State
from evoarch.archive.store import Store

STEPS = ("proposed", "parsed", "vetted", "built", "trained", "scored")
"""The way of a child. `vetted` counts duplicates too; `built` passed its dry run and the limits that need no
training; `trained` came to the end of it."""

_LOST = {"parse": 0, "vet": 1, "review": 3, "duplicate": 2, "build": 2, "dry_run": 2, "static": 2, "train": 3}
"""By the stage of its end, the last step of STEPS that a child took; a later stage is after training."""

_UNDER_WAY = {
    State.PROPOSED: 0,
    State.QUEUED: 2,
    State.RUNNING: 2,
    State.AWAITING_REVIEW: 3,
    State.STOPPED: 3,
}


@dataclass(frozen=True)
class OperatorFlow:
    """How many children of `operator` (of the language model `lm`, "" for none) took each of STEPS.

    `stopped` and `duplicates` are no failures; `under_way` have no outcome yet.
    """

    operator: str
    lm: str
    steps: Sequence[int]
    stopped: int = 0
    duplicates: int = 0
    under_way: int = 0


@dataclass(frozen=True)
class FailureReason:
    """Children that ended at `stage` with messages that are `pattern`, `*` standing for what differs.

    `example` is the newest of them, `operators` counts by operator.
    """

    stage: str
    pattern: str
    count: int
    example: int
    operators: Mapping[str, int] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The filter that finds them."""
        found = [FilterTerm("stage", ":", (self.stage,))]
        found += [FilterTerm("reason", ":", (self.pattern,))] if self.pattern else []
        return " ".join(map(str, found))


def flows(store: Store, chosen: Filter) -> list[OperatorFlow]:
    """By operator and language model, of the bred candidates that `chosen` lets through."""
    found: dict[tuple[str, str], list[tuple[State, str, int]]] = {}
    for operator, lm, state, stage, count in store.browse.outcomes(chosen):
        found.setdefault((operator, lm), []).append((State(state), stage, count))
    return [_flow(operator, lm, outcomes) for (operator, lm), outcomes in sorted(found.items())]


def _flow(operator: str, lm: str, outcomes: Sequence[tuple[State, str, int]]) -> OperatorFlow:
    steps = [0] * len(STEPS)
    states: Counter[State] = Counter()
    for state, stage, count in outcomes:
        states[state] += count
        if state is State.SCORED:
            last = len(STEPS) - 1
        elif state in _UNDER_WAY:
            last = _UNDER_WAY[state]
        else:
            last = _LOST.get(stage, STEPS.index("trained"))
        for step in range(last + 1):
            steps[step] += count
    under_way = sum(states[state] for state in _UNDER_WAY if state is not State.STOPPED)
    return OperatorFlow(operator, lm, steps, states[State.STOPPED], states[State.DUPLICATE], under_way)


def failure_reasons(store: Store, chosen: Filter) -> list[FailureReason]:
    """Of the rejected and failed that `chosen` lets through, the most frequent first."""
    groups: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
    for operator, stage, reason, count, newest in store.browse.reasons(chosen):
        groups.setdefault((stage, pattern(reason)), []).append((operator, count, newest))
    found = []
    for (stage, text), parts in groups.items():
        operators: Counter[str] = Counter()
        for operator, count, _ in parts:
            operators[operator] += count
        newest = max(identity for *_, identity in parts)
        found.append(FailureReason(stage, text, operators.total(), newest, dict(operators.most_common())))
    return sorted(found, key=lambda each: (-each.count, each.stage, each.pattern))


LONGEST = 240
"""Letters of a message by which it is grouped."""

_DIFFERS = re.compile(
    r"""0x[0-9a-fA-F]+|(?<![A-Za-z_])#?\d+(?:\.\d+)?(?:e[+-]?\d+)?|'[^'\n]*'|"[^"\n]*"|`[^`\n]*`""",
)
_SEVERAL = re.compile(r"\*(?:[\s,x*()\[\]]*\*)+")


def pattern(reason: str) -> str:
    """A message with `*` in the place of numbers and of what stands in quotes, as a filter takes it."""
    lines = reason.strip().splitlines() or [""]
    return _SEVERAL.sub("*", _DIFFERS.sub("*", lines[0][:LONGEST])).strip()

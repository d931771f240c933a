"""The shared vocabulary: frozen records that the archive keeps and every room above it speaks.

Outcomes are sum types, never sentinel numbers: an evaluation is `Scored` or `Failed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

FULL = "full"
"""The name of the last rung: all training steps of the recipe. Only its scores make elites."""


class State(StrEnum):
    """Where a candidate stands.

    `proposed`: an operator was asked for it and has not answered; `screened`: it was built, and another draft
    was trained in its place.
    """

    PROPOSED = "proposed"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    SCREENED = "screened"
    AWAITING_REVIEW = "awaiting_review"
    QUEUED = "queued"
    RUNNING = "running"
    SCORED = "scored"
    FAILED = "failed"
    STOPPED = "stopped"


class Fault(StrEnum):
    """Who is to blame for a failure. Infrastructure faults are retried and never shown to the LM."""

    CANDIDATE = "candidate"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True)
class Scored:
    """An evaluation that ended with numbers, all computed by the trusted process.

    `metrics` holds at least `error` (smoothed, 0..1) and `params` (elements); lower is better.
    """

    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Failed:
    """An evaluation that ended without a score.

    `stage`: vet, build, dry_run, static (a limit that needs no training), train, predict or
    constraint. `reason`: one line for a person or an LM.
    """

    stage: str
    reason: str
    fault: Fault = Fault.CANDIDATE


Outcome = Scored | Failed


@dataclass(frozen=True)
class Candidate:
    """A genome in a campaign. `number` is its proposal's number; seeds have none.

    `parents` are ids, the first is the one that was changed. `generation` = 1 + the largest of the
    parents' (seeds 0). `source` is empty while `proposed`. `note` says why it was rejected, or of which
    candidate it is a duplicate.
    """

    id: int
    operator: str
    state: State
    source: str = ""
    parents: tuple[int, ...] = ()
    generation: int = 0
    number: int | None = None
    name: str | None = None
    source_digest: str | None = None
    function_digest: str | None = None
    duplicate_of: int | None = None
    repairs: tuple[str, ...] = ()
    note: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Pooled over training seeds of the last rung; empty unless `scored`."""
    seeds: int = 0
    """How many training seeds `metrics` pools."""


@dataclass(frozen=True)
class Proposal:
    """One request to an operator for one child, written before the operator works.

    All that the operator needs is here, so that a proposal in flight at a crash is made again exactly:
    `parents` (ids), `context` (JSON: the parents' metrics as they were, targets, temperature), and the
    randomness, which is a function of (campaign seed, `batch`). `number` counts children; the children of
    one LM call share `batch` (the number of their first) and differ in `ordinal`. `saw` is the id of the
    last archive event that was visible.
    """

    number: int
    candidate: int
    operator: str
    parents: tuple[int, ...]
    batch: int
    ordinal: int
    saw: int
    context: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """One outcome of one candidate on one rung with one training repeat (`seed`, from 0)."""

    candidate: int
    rung: str
    seed: int
    outcome: Outcome
    seconds: float
    cpu_seconds: float
    kind: str = "search"
    """`search` (counts against the budget), `seed` (a baseline) or `repeat` (a further training seed)."""
    correct: bytes = b""
    """One bit per validation example (numpy.packbits order), for paired comparisons."""
    detail: Mapping[str, object] = field(default_factory=dict)
    """JSON: learning curve, usage, isolation level. Never a score."""
    id: int | None = None


@dataclass(frozen=True)
class Prediction:
    """What was foretold of a candidate before its training, so that it can be held against what came.

    `slot`: the pool that it was picked from, from 1. `model`: what foretold it, with `rows` rows of training
    data. `mean`, `low` and `high`: of the first objective, as it is, with the bounds of an interval at 90%.
    `value`: what the pick maximised. All four are None where nothing was foretold. `unscreened`: it was let
    in without a look at its value. `detail`: JSON, whatever else is to be kept.
    """

    candidate: int
    slot: int
    model: str
    rows: int = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    value: float | None = None
    unscreened: bool = False
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Relative:
    """A settled child of some parents, as feedback needs it: `reason` says why it has no score."""

    candidate: int
    operator: str
    state: State
    change: str
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LMCall:
    """One call of a language model, logged before it is sent (`state` "sent"), then settled.

    `state`: sent, settled, failed or lost (no answer after a crash; priced at its upper bound).
    `digest` identifies the request (prompt and sampling settings) for replay.
    """

    batch: int
    model: str
    digest: str
    prompt: str
    request: Mapping[str, object]
    state: str = "sent"
    replies: tuple[str, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    price: float = 0.0
    error: str = ""
    id: int | None = None


@dataclass(frozen=True)
class Event:
    """One line of the campaign's diary. `kind` is e.g. drawn, arrived, started, settled, run, stop."""

    id: int
    time: float
    kind: str
    candidate: int | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


VerdictKind = Literal["approve", "veto", "pin", "note"]


@dataclass(frozen=True)
class Verdict:
    """What a person said of a candidate. `time` is in seconds since 1970.

    `veto`: never a parent again; `pin`: always a possible parent; `approve` lifts both; `note`: a remark.
    """

    candidate: int
    kind: VerdictKind
    text: str
    time: float
    id: int | None = None

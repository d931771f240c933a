"""What each round of EvoPrompting brought: shares of its children, and what its soft prompt did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evoarch.agent.config.load import Config
from evoarch.archive.records import State
from evoarch.archive.schema import BEFORE_TRAINING
from evoarch.archive.store import Store


@dataclass(frozen=True)
class RoundStatus:
    """One round of EvoPrompting; `number` counts from 0, `state` is tuning, running or complete.

    `proposed` counts children that have an outcome. Of these `parsed` were readable, `copied` are duplicates
    of a known candidate, `novel` passed vetting and the dry run, and `valid` is both together. `trained_on`:
    how many children the soft prompt was trained on; `before` and `after`: the loss on held-out children, in
    nats per token.
    """

    number: int
    state: str
    parents: int = 0
    proposed: int = 0
    parsed: int = 0
    valid: int = 0
    novel: int = 0
    copied: int = 0
    scored: int = 0
    soft_prompt: str = ""
    trained_on: int = 0
    before: float | None = None
    after: float | None = None

    def shares(self) -> tuple[float | None, ...]:
        """Parsed, valid, novel and copied as shares (0 to 1) of the proposed; None where none is proposed."""
        counts = (self.parsed, self.valid, self.novel, self.copied)
        return tuple(count / self.proposed if self.proposed else None for count in counts)


def round_statuses(store: Store, config: Config) -> list[RoundStatus]:
    """All rounds that have begun, or whose soft prompt is being trained; [] in a campaign without rounds."""
    if config.rounds is None:
        return []
    counts = _counts(store)
    begun = {int(str(event.detail["round"])): event.detail for event in store.events(kind="round")}
    tuned = {int(str(event.detail["round"])): event.detail for event in store.events(kind="tuning")}
    found = [
        _status(number, detail, tuned.get(number, {}), counts.get(number, {}), config)
        for number, detail in sorted(begun.items())
    ]
    found += [
        RoundStatus(number, "tuning", trained_on=_length(detail.get("trained_on")))
        for number, detail in sorted(tuned.items())
        if number not in begun
    ]
    return found


def _counts(store: Store) -> dict[int, dict[str, int]]:
    # Only campaigns with rounds come here: `status` of the others starts without what prompts are made of.
    from evoarch.agent.base.proposal_context import ProposalContext

    unread = {e.candidate for e in store.events(kind="rejected") if not e.detail.get("parsed")}
    early = {e.candidate for e in store.events(kind="settled") if e.detail.get("stage") in BEFORE_TRAINING}
    states = {c.id: c.state for c in store.candidates(sources=False)}
    counts: dict[int, dict[str, int]] = {}
    for proposal in store.proposals():
        state = states[proposal.candidate]
        if state in (State.PROPOSED, State.QUEUED, State.RUNNING, State.SCREENED):
            continue
        in_round = ProposalContext.from_json(proposal.context).round
        of = counts.setdefault(-1 if in_round is None else in_round, {})
        copied = state is State.DUPLICATE
        valid = state is not State.REJECTED and proposal.candidate not in early
        facts = {
            "proposed": True,
            "parsed": not (state is State.REJECTED and proposal.candidate in unread),
            "valid": valid,
            "novel": valid and not copied,
            "copied": copied,
            "scored": state is State.SCORED,
        }
        for name, holds in facts.items():
            of[name] = of.get(name, 0) + holds
    return counts


def _status(
    number: int,
    detail: Mapping[str, object],
    tuned: Mapping[str, object],
    counts: Mapping[str, int],
    config: Config,
) -> RoundStatus:
    assert config.rounds is not None
    whole = config.rounds.prompts * config.rounds.samples
    report = detail.get("tuning", {})
    assert isinstance(report, Mapping)
    return RoundStatus(
        number,
        "complete" if counts.get("proposed", 0) >= whole else "running",
        parents=_length(detail["parents"]),
        **counts,
        soft_prompt=str(detail["soft_prompt"]),
        trained_on=_length(tuned.get("trained_on")),
        before=report.get("before"),
        after=report.get("after"),
    )


def _length(value: object) -> int:
    return len(value) if isinstance(value, list | tuple) else 0

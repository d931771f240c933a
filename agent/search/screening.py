"""Screening: of the drafts for a slot all are built, one is picked to be trained, the others are recorded.

A draft is an ordinary proposal. What becomes of the drafts of a slot is written in one transaction, so that a
crash leaves a slot either with all its drafts, which are then made again, or settled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evoarch.agent.analysis.history import reference_point
from evoarch.agent.base.ordering import SlotSpan
from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.claims import CLAIM, claim_of, differs
from evoarch.agent.evaluation.constraints import excess
from evoarch.agent.evaluation.drafts import build_drafts
from evoarch.agent.search.variation import (
    Accepted,
    AsDrafted,
    Rejected,
    Unanswered,
    Unvetted,
    record_rejected,
)
from evoarch.agent.statistics.objectives import objectives
from evoarch.agent.surrogate.choice import Choice, Chooser
from evoarch.agent.surrogate.features import Form, form
from evoarch.agent.surrogate.labels import traces_of
from evoarch.agent.surrogate.surrogate import EXACT, Surrogate, exactly
from evoarch.agent.surrogate.transfer import foreign_labels
from evoarch.archive.records import Fault, Prediction, State
from evoarch.archive.store import Store
from evoarch.evaluators.trace import Trace, Tracer

UNSCREENED_DRAFTS = 4
"""Drafts of a slot that takes the first sound one: more would be made for nothing."""

_LET_IN = (
    State.QUEUED, State.RUNNING, State.AWAITING_REVIEW, State.SCORED, State.FAILED, State.STOPPED
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    """A draft that could be built, with what its child said of it."""

    child: Unvetted | Accepted
    trace: Trace

    @property
    def candidate(self) -> int:
        """The candidate's id."""
        return self.child.proposal.candidate


@dataclass(frozen=True)
class Pool:
    """The drafts of one slot. `built` stand in the order of their draws; `faulty` can't be trained, and the
    text says why; `unread` brought no source. `cpu_seconds`: what making and building them took.
    `lost`: what the infrastructure said over drafts that it lost.
    """

    slot: int
    built: Sequence[Built] = ()
    faulty: Sequence[tuple[Unvetted | Accepted, str]] = ()
    unread: Sequence[Rejected | Unanswered] = ()
    cpu_seconds: float = 0.0
    lost: str = ""

    @property
    def candidates(self) -> list[int]:
        """The ids of all drafts."""
        children = [*(each.child for each in self.built), *(child for child, _ in self.faulty), *self.unread]
        return sorted(child.proposal.candidate for child in children)


@dataclass(frozen=True)
class _Duplicate:
    """A draft whose source `first` has, a candidate that was let in."""

    child: Accepted
    first: int


Faulty = Rejected | _Duplicate | str
"""Why a draft is not trained: it does not hold, was there before, or a reason in words."""


@dataclass(frozen=True)
class _Pick:
    built: Built
    child: Accepted
    choice: Choice


class Screening:
    """The screening of one run; all that it knows is read back from the archive. `offers`: the task's
    arguments by name. `vetted` lets a draft in, or says what keeps it out.
    """

    def __init__(
        self,
        store: Store,
        config: Config,
        tracer: Tracer,
        offers: Mapping[str, object],
        vetted: Callable[[Unvetted], Accepted | Rejected],
        chooser: Chooser,
    ) -> None:
        self._store, self._config, self._table = store, config, config.surrogate
        self._offers, self._vetted = offers, vetted
        self._tracer, self._chooser = tracer, chooser
        self._picks = store.predictions.all()
        self._forms: dict[object, list[tuple[int, Form]]] = {}
        let_in = [c.id for state in _LET_IN for c in store.candidates(state=state, sources=False)]
        for candidate, trace in traces_of(store, let_in).items():
            self._remember(candidate, form(trace))

    def spans(self, slot: int) -> list[SlotSpan]:
        """What is to be drawn for a slot: one draft each, from the operators that answer on the spot."""
        tables = self._config.operators
        quick = [place for place, table in enumerate(tables) if not table.lm]
        weights = [tables[place].weight for place in quick]
        rng = stream(self._config.campaign.seed, "drafts", slot)
        count = min(UNSCREENED_DRAFTS, self._table.drafts) if self.unscreened(slot) else self._table.drafts
        return [SlotSpan(slot, 1, place, count) for place in rng.choices(quick, weights, k=count)]

    def unscreened(self, slot: int) -> bool:
        """Whether the slot takes its first sound draft whatever is foretold of it."""
        return stream(self._config.campaign.seed, "unscreened", slot).random() < self._table.unscreened

    async def build(
        self, slot: int, children: Sequence[AsDrafted | Accepted], cpu_seconds: float = 0.0
    ) -> Pool:
        """Builds the drafts that were read, all in one child. `cpu_seconds`: what they took so far."""
        read = [child for child in children if isinstance(child, Unvetted | Accepted)]
        sources = [child.source for child in read]
        traced = await build_drafts(self._tracer, self._config.evaluation, self._offers, sources)
        built, faulty, lost = list[Built](), list[tuple[Unvetted | Accepted, str]](), ""
        for child, result in zip(read, traced.results, strict=True):
            if not isinstance(result, Trace):
                lost = lost or (result.reason if result.fault is Fault.INFRASTRUCTURE else "")
                faulty.append((child, f"{result.stage}: {result.reason}"))
            elif problem := self._limits(result):
                faulty.append((child, problem))
            else:
                built.append(Built(child, result))
        unread = [child for child in children if isinstance(child, Rejected | Unanswered)]
        return Pool(slot, built, faulty, unread, cpu_seconds + traced.cpu_seconds, lost)

    def _limits(self, trace: Trace) -> str:
        """Which limits that are checked before training it would break, "" where none."""
        return excess(self._config.constraints, {name: exactly(trace, name) for name in EXACT})

    def settle(self, pool: Pool, guests: Sequence[Built] = (), leaving: Collection[int] = ()) -> int | None:
        """Picks for the slot and records what becomes of each draft; the candidate to train, None where no
        draft can be. `guests` are compared with the drafts; of those that lose, the ones in `leaving` are
        settled, and those that can't be trained; the others stay.
        """
        before = time.process_time()
        first = self.unscreened(pool.slot) or self._deceived()
        compared = [*pool.built, *(() if first else guests)]
        out: dict[int, Faulty] = self._copies(compared)
        pick = self._pick(pool.slot, compared, out, first=first)
        picked = pick.built.candidate if pick else None
        losers = [each for each in pool.built if each.candidate != picked]
        losers += [
            each
            for each in guests
            if each.candidate != picked and (each.candidate in leaving or each.candidate in out)
        ]
        settled = {*pool.candidates, *(each.candidate for each in losers), *([picked] if picked else [])}
        detail = {"slot": pool.slot, "settled": sorted(settled)}
        with self._store.transaction():
            self._store.event("picked", picked, {**detail, "guests": [each.candidate for each in guests]})
            if pick:
                self._admit(pick, pool.slot, unscreened=first)
            for each in losers:
                self._lost(each.child, out.get(each.candidate, "another draft was worth more"), each.trace)
            for child, reason in pool.faulty:
                self._lost(child, reason)
            for unread in pool.unread:
                record_rejected(self._store, unread)
            charged = picked or min(pool.candidates, default=None)
            if charged is not None:
                self._store.add_cpu(charged, pool.cpu_seconds + time.process_time() - before)
        return picked

    def let_in(self, candidate: int, trace: Trace) -> None:
        """A child is trained without being compared: drafts that are nearly the same are copies of it."""
        self._store.traces.put(candidate, trace.as_json())
        self._remember(candidate, form(trace))

    def _pick(
        self, slot: int, compared: Sequence[Built], out: dict[int, Faulty], *, first: bool
    ) -> _Pick | None:
        """The best of those that are not `out`, where what turns out not to be trainable is put."""
        while fresh := [each for each in compared if each.candidate not in out]:
            choice = self._chooser.choose(slot, [each.trace for each in fresh], unscreened=first)
            built = fresh[choice.place]
            child = self._vetted(built.child) if isinstance(built.child, Unvetted) else built.child
            if isinstance(child, Rejected):
                out[built.candidate] = child
            elif (known := self._store.find_source(child.digest, exclude=built.candidate)) is not None:
                out[built.candidate] = _Duplicate(child, known)
            else:
                return _Pick(built, child, choice)
        return None

    def _deceived(self) -> bool:
        """Whether a pick since the last unscreened one was not what its child had claimed. Then no claim
        counts for one slot, so that who lies can't have more than every other slot.
        """
        for prediction in reversed(self._picks):
            if prediction.unscreened:
                return False
            if self._store.candidate(prediction.candidate).state is State.FAILED and any(
                differs(each.detail) for each in self._store.evaluations(prediction.candidate)
            ):
                return True
        return False

    def _admit(self, pick: _Pick, slot: int, *, unscreened: bool) -> None:
        built, child, choice, told = pick.built, pick.child, pick.choice, pick.choice.told
        self._store.arrive(built.candidate, child.source, child.digest, child.change)
        self._store.traces.put(built.candidate, built.trace.as_json())
        prediction = Prediction(
            built.candidate,
            slot,
            choice.model,
            choice.rows,
            mean=told.mean if told else None,
            low=told.low if told else None,
            high=told.high if told else None,
            value=choice.value,
            unscreened=unscreened,
            detail={**choice.detail, CLAIM: claim_of(built.trace)},
        )
        self._store.predictions.put(prediction)
        self._chooser.picked(prediction)
        self._picks.append(prediction)
        self._remember(built.candidate, form(built.trace))

    def _lost(self, draft: Unvetted | Accepted, why: Faulty, trace: Trace | None = None) -> None:
        """Records a draft that is not trained."""
        identity = draft.proposal.candidate
        if isinstance(why, Rejected):
            record_rejected(self._store, why)
        elif isinstance(why, _Duplicate):
            source, digest = why.child.source, why.child.digest
            self._store.duplicate(
                identity, of=why.first, source=source, source_digest=digest, reason="same source"
            )
        else:
            kept = None if trace is None else trace.as_json()
            digest = draft.digest if isinstance(draft, Accepted) else ""
            self._store.screen(identity, draft.source, digest, trace=kept, change=draft.change, note=why)

    def _copies(self, compared: Sequence[Built]) -> dict[int, Faulty]:
        """Those of the drafts that are nearly what was let in, or what stands before them: of whom."""
        found: dict[int, Faulty] = {}
        here: dict[object, list[tuple[int, Form]]] = {}
        for each in compared:
            mine = form(each.trace)
            others = [*self._forms.get(mine.structure, ()), *here.get(mine.structure, ())]
            close = min((identity for identity, other in others if mine.near(other)), default=None)
            if close is None:
                here.setdefault(mine.structure, []).append((each.candidate, mine))
            else:
                found[each.candidate] = f"nearly the same model as candidate {close}"
        return found

    def _remember(self, candidate: int, mine: Form) -> None:
        self._forms.setdefault(mine.structure, []).append((candidate, mine))


async def open_screening(
    store: Store,
    config: Config,
    tracer: Tracer,
    offers: Mapping[str, object],
    vetted: Callable[[Unvetted], Accepted | Rejected],
    ceiling: float,
) -> Screening:
    """The screening of a run, with the labels of other campaigns where it is to learn from any.

    `offers` and `vetted`: as Screening has them. `ceiling`: the error above which a child fails. Raises
    UserError for archives that can't be read.
    """
    goals = [goal.name for goal in objectives(config.selection)]
    seeds = [each.metrics for each in store.candidates(operator="seed", sources=False)]
    reference = reference_point(store.facts(), goals, seeds)
    if "error" in reference:
        reference["error"] = min(reference["error"], ceiling)
    archives = config.surrogate.archives
    foreign = await foreign_labels(Path(store.folder), archives, config.campaign.seed, tracer)
    surrogate = Surrogate(store, config, foreign)
    return Screening(store, config, tracer, offers, vetted, Chooser(store, config, surrogate, reference))

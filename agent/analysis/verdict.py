"""The verdict of the numbers on one candidate: better than parents, seed and front, or within noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from evoarch.agent.config.load import Config
from evoarch.agent.statistics.front import pessimistic
from evoarch.agent.statistics.noise import Noise
from evoarch.agent.statistics.objectives import objectives
from evoarch.agent.statistics.paired import Paired, paired
from evoarch.archive.pareto import Objective, front, measured
from evoarch.archive.records import Candidate, State
from evoarch.archive.store import Store


@dataclass(frozen=True)
class CandidateComparison:
    """One candidate against another. `paired` is None where no bits of the same examples are kept."""

    role: str
    other: int
    name: str
    error: float
    other_error: float
    params: float
    other_params: float
    paired: Paired | None

    @property
    def words(self) -> str:
        """One sentence, with what it rests on."""
        size = self.params / self.other_params - 1 if self.other_params else 0.0
        sized = (
            "the same number of parameters"
            if size == 0
            else f"{abs(size):.1%} {'more' if size > 0 else 'fewer'} parameters"
        )
        found = self.paired
        if found is None:
            lower = "lower" if self.error < self.other_error else "no lower"
            return f"{lower} error, {sized}; no shared examples are kept, so noise can't be told"
        plural = "s" if found.other_seeds > 1 else ""
        seeds = f"{found.seeds} against {found.other_seeds} training seed{plural}"
        return (
            f"{self.outcome}: error {found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}), {seeds}, "
            f"gained {found.gained} and lost {found.lost} examples; {sized}"
        )

    @property
    def outcome(self) -> str:
        """better, worse, or within the noise of training seeds and validation examples."""
        if self.paired is None:
            return "unknown"
        if not self.paired.significant:
            return "within the noise"
        return "better" if self.paired.mean < 0 else "worse"

    def as_json(self) -> dict[str, object]:
        """All fields, the outcome and the sentence, as JSON has them."""
        return {**asdict(self), "outcome": self.outcome, "words": self.words}


@dataclass(frozen=True)
class Judgement:
    """What the numbers say of one candidate.

    `on_front`: no scored candidate dominates it. Else `dominated_by` holds those of the front that do. It is
    empty where the candidate only lacks training seeds, or has no value for an objective.
    """

    comparisons: Sequence[CandidateComparison]
    on_front: bool
    dominated_by: Sequence[int]


def judge(
    store: Store, config: Config, candidate: Candidate, elites: Sequence[Candidate], noise: Noise
) -> Judgement | None:
    """`candidate` against its parents, the seed it comes from, and its rival on the front.

    `elites` is the front as it is now. A candidate on it was picked as the best of all that were scored, so
    its intervals are wider (Bonferroni). None for a candidate without a score.
    """
    if candidate.state is not State.SCORED:
        return None
    goals = objectives(config.selection)
    on_front = candidate.id in {elite.id for elite in elites}
    dominators = [e.id for e in elites if not on_front and _dominates(e, candidate, goals, noise)]
    among = store.totals.counts().get(State.SCORED, 0) if on_front and candidate.number is not None else 1
    others: dict[int, str] = {}
    for parent in candidate.parents:
        others.setdefault(parent, "parent")
    if (root := store.browse.root(candidate.id)) != candidate.id:
        others.setdefault(root, "seed")
    if rival := _rival(candidate, elites):
        others.setdefault(rival.id, "front")
    own = store.evaluations(candidate.id)

    def against(other: Candidate) -> Paired | None:
        theirs = store.evaluations(other.id)
        return paired(own, theirs, dispersion=noise.dispersion, freedom=noise.freedom, among=among)

    comparisons = [
        compared(role, candidate, other, found)
        for other in store.browse.some(list(others))
        if other.metrics
        for role, found in [(others[other.id], against(other))]
    ]
    return Judgement(comparisons, on_front, dominators)


def _dominates(elite: Candidate, other: Candidate, goals: Sequence[Objective], noise: Noise) -> bool:
    """As the front is made: by the pessimistic end of the error's interval."""
    if not measured(other.metrics, goals):
        return False
    rows = pessimistic([elite.metrics, other.metrics], [elite.seeds, other.seeds], goals, noise)
    return front(rows, goals) == [0]


def _rival(candidate: Candidate, elites: Sequence[Candidate]) -> Candidate | None:
    """Of the others on the front that are no larger, the one with the lowest error."""
    no_larger = [
        e for e in elites if e.id != candidate.id and e.metrics["params"] <= candidate.metrics["params"]
    ]
    return min(no_larger, key=lambda e: (e.metrics["error"], e.id), default=None)


def compared(role: str, candidate: Candidate, other: Candidate, found: Paired | None) -> CandidateComparison:
    """`candidate` against `other`, both with a score, in the role that the other has for it."""

    def values(metrics: Mapping[str, float]) -> tuple[float, float]:
        return metrics["error"], metrics["params"]

    (error, params), (other_error, other_params) = values(candidate.metrics), values(other.metrics)
    return CandidateComparison(
        role, other.id, other.name or "", error, other_error, params, other_params, found
    )

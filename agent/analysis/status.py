"""The state of a campaign in numbers, as one frozen value: a part of its overview, and the live view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from evoarch.agent.analysis.early_stopping import (
    RungStatus,
    ScoreCorrelation,
    rung_statuses,
    score_correlations,
)
from evoarch.agent.analysis.failures import FailureReason, failure_reasons
from evoarch.agent.analysis.memorised import Memorised, memorised
from evoarch.agent.analysis.rounds import RoundStatus, round_statuses
from evoarch.agent.analysis.screening import ScreeningStatus, screening_status
from evoarch.agent.analysis.utilisation import Costs, Idle, costs_of, idle_of
from evoarch.agent.analysis.wins import Win, wins
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.last_resort import KIND
from evoarch.agent.evaluation.reevaluation import raced
from evoarch.agent.statistics.front import Standing, knee, read_standing, run_state
from evoarch.agent.statistics.intervals import Interval
from evoarch.agent.statistics.noise import Noise
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.filters import Filter
from evoarch.archive.pareto import Objective, fitness
from evoarch.archive.records import Candidate, State
from evoarch.archive.store import Store

KNEE = "knee"
"""The criterion of who on the front is nearest to the best of each objective at once."""

SAME_SEED = "same_seed"
"""The kind of event that tells of a seed file with the code of another."""


@dataclass(frozen=True)
class FrontPoint:
    """A candidate in objective space; `metrics` holds all its objectives."""

    id: int
    name: str
    operator: str
    error: float | None
    params: float | None
    seeds: int
    interval: Interval | None
    """Of the error, at 95%, over training seeds and validation examples (agent.statistics.noise)."""
    metrics: Mapping[str, float]
    state: str = "scored"
    reason: str = ""
    """Why it has no score, "" where it has."""

    @property
    def broken(self) -> bool:
        """Whether it failed by itself: what only breaks a limit of the campaign does as it is told."""
        return self.state == State.FAILED and not self.reason.startswith(LIMITING)


@dataclass(frozen=True)
class Status:
    """The state of a campaign in numbers.

    All counts are of bred candidates; seeds and further training seeds (`repeats`) are counted apart. `cpu_s`
    and `elapsed_s` are CPU seconds and wall-clock seconds, `money` is in the unit of the prices in
    campaign.toml.
    """

    name: str
    state: str
    budget: int
    reason: str = ""
    planned: int = 0
    """Children that the rounds propose, 0 in a campaign without rounds."""
    proposals: int = 0
    rejected: int = 0
    duplicates: int = 0
    screened: int = 0
    """Drafts that were built and not chosen; they are no proposals."""
    waiting: int = 0
    """Candidates that wait for a person's verdict."""
    evaluations: int = 0
    failed: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failed evaluations by stage, seeds and repeats included; none in a live view."""
    reasons: Sequence[FailureReason] = ()
    """Why children failed or were rejected, the most frequent first; none in a live view."""
    repeats: int = 0
    raced: int = 0
    """How many of the repeats the race for the front gave out."""
    repeats_due: int = 0
    """How many more the front and the seeds as they are, and the race, may still take; 0 where it is
    complete.
    """
    repeats_s: float = 0.0
    """Wall-clock seconds that these are expected to take."""
    retries: int = 0
    elites: Sequence[int] = ()
    provisional: bool = False
    """A candidate on the front has fewer training seeds than an elite needs."""
    best: FrontPoint | None = None
    """By the paper's scalar, -(params x error)."""
    bests: Mapping[str, FrontPoint] = field(default_factory=dict)
    """Of the front, by criterion: each objective, whose lowest mean it has, and KNEE."""
    objectives: Sequence[str] = ()
    """What the campaign minimises."""
    front: Sequence[FrontPoint] = ()
    seeds: Sequence[FrontPoint] = ()
    same_seeds: Sequence[str] = ()
    """Of seed files that hold what another one holds, a sentence each: they are not trained again."""
    wins: Sequence[Win] = ()
    """Of the front against each seed; none in a live view."""
    rungs: Sequence[RungStatus] = ()
    score_correlations: Sequence[ScoreCorrelation] = ()
    screening: ScreeningStatus | None = None
    """None where nothing was picked from drafts."""
    inherited: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(("candidates", "steps"), 0))
    """Bred candidates that began with a parent's weights, and the training steps in these."""
    rounds: Sequence[RoundStatus] = ()
    tokens: Mapping[str, int] = field(
        default_factory=lambda: dict.fromkeys(("prompt", "completion", "lost"), 0)
    )
    money: float = 0.0
    operators: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """`Store.yields`, by language model too where there are several."""
    costs: Costs = field(default_factory=dict)
    idle: Idle | None = None
    """None in a live view."""
    memorised: Sequence[Memorised] = ()
    """Candidates that err much less on the validation split than on fresh examples; none in a live view."""
    ours: int = 0
    """Failures of evoarch itself over a candidate (agent.evaluation.last_resort)."""
    trackers: Mapping[str, str] = field(default_factory=dict)
    """Of each tracker that was told of the campaign: why the last attempt failed, "" where it did not."""
    level: str = ""
    cpu_s: float = 0.0
    elapsed_s: float = 0.0

    def as_json(self) -> dict[str, object]:
        """All fields as JSON has them; `evoarch status --json` prints it."""
        return asdict(self)


TRACK = "track."
"""How the name of a fact begins that says how far a tracker was told (agent/tracking/feed.py)."""


def trackers(store: Store) -> dict[str, str]:
    """By tracker, why it was not told."""
    found = {key: value for key, value in store.facts().items() if key.startswith(TRACK)}
    return {
        key.removeprefix(TRACK): str(value.get("failed", ""))
        for key, value in found.items()
        if isinstance(value, Mapping)
    }


LIMITING = ("constraint:", "static:")
"""How the reason of a candidate begins that broke a limit."""


def point(candidate: Candidate, noise: Noise, reason: str = "") -> FrontPoint:
    """`candidate` with the interval that `noise` gives its error. `reason`: why it has no score."""
    error, params = candidate.metrics.get("error"), candidate.metrics.get("params")
    name = candidate.name or f"{candidate.operator} {candidate.id}"
    interval = noise.interval(error, candidate.seeds)
    return FrontPoint(
        candidate.id,
        name,
        candidate.operator,
        error,
        params,
        candidate.seeds,
        interval,
        candidate.metrics,
        str(candidate.state),
        reason,
    )


def best_of(front: Sequence[FrontPoint], goals: Sequence[Objective]) -> dict[str, FrontPoint]:
    """Who on the front is the best, by criterion: each objective's lowest mean (of equals the lowest id),
    and KNEE.
    """
    found = {goal.name: lowest for goal in goals if (lowest := lowest_of(front, goal.name))}
    place = knee([point.metrics for point in front], goals)
    return found if place is None else {**found, KNEE: front[place]}


def lowest_of(front: Sequence[FrontPoint], name: str) -> FrontPoint | None:
    """Who on the front has the lowest mean of the metric `name`; None where nobody has it."""
    having = [point for point in front if name in point.metrics]
    return min(having, key=lambda point: (point.metrics[name], point.id), default=None)


def _repeats_due(config: Config, points: Sequence[FrontPoint], given: int) -> int:
    """Further trainings that elites and seeds need, and those that the race has left."""
    needed = config.evaluation.repeats
    short = {point.id: needed - point.seeds for point in points if 0 < point.seeds < needed}
    return sum(short.values()) + (max(0, config.evaluation.race - given) if needed > 1 else 0)


def _reason(store: Store, candidate: Candidate) -> str:
    """Why a candidate has no score; "" where it has, or nothing is known yet."""
    reason = store.relatives.reason(candidate.id)
    if candidate.state is not State.DUPLICATE:
        return reason
    (of,) = [e.detail.get("of") for e in store.events(kind="duplicate", candidate=candidate.id)][-1:]
    return f"{reason} as #{of}"


def read_status(
    store: Store, config: Config, *, live: bool = False, standing: Standing | None = None
) -> Status:
    """The status of a campaign from its archive alone; safe while it runs.

    `live`: it is read twice a second, so what takes long is left out. `standing`: of now, where it is known.
    """
    counts = store.totals.counts()
    goals = objectives(config.selection)
    standing = standing or read_standing(store, config)
    found, noise, places, rows = standing.elites, standing.noise, standing.places, standing.rows()
    on_front = store.browse.some(standing.ids)
    top = max(found.eligible, key=lambda i: (fitness(rows[i]), -places[i][0]), default=None)
    seeds = store.candidates(operator="seed", sources=False)
    winner = store.candidate(places[top][0]) if top is not None else None
    front_points = [point(c, noise) for c in sorted(on_front, key=lambda c: c.metrics["params"])]
    seed_points = [point(c, noise, _reason(store, c)) for c in seeds]
    state, reason = run_state(store)
    given = len(raced(store))
    due = 0 if state == "complete" else _repeats_due(config, [*front_points, *seed_points], given)
    tokens = store.totals.tokens()
    yields = store.yields.by_operator(models=len(config.lm) > 1)
    return Status(
        name=config.campaign.name,
        state=state,
        reason=reason,
        budget=config.budget.evaluations,
        planned=table.rounds * table.prompts * table.samples if (table := config.rounds) else 0,
        proposals=sum(counts.values()),
        rejected=counts.get(State.REJECTED, 0),
        duplicates=counts.get(State.DUPLICATE, 0),
        waiting=store.browse.count(Filter(state=State.AWAITING_REVIEW, judged="none")),
        screened=store.totals.screened(),
        evaluations=store.totals.entered_training(),
        failed=counts.get(State.FAILED, 0),
        failures={} if live else store.browse.failures(),
        reasons=[] if live else failure_reasons(store, Filter()),
        memorised=[] if live else memorised(store, noise.examples),
        ours=len(store.events(kind=KIND)),
        repeats=store.totals.repeats_made(),
        raced=given,
        repeats_due=due,
        repeats_s=due
        * store.totals.mean_seconds()
        / int(str(store.last_event_detail("run").get("workers", 1))),
        retries=store.totals.retries(),
        elites=[c.id for c in on_front],
        provisional=found.provisional,
        best=point(winner, noise) if winner else None,
        bests=best_of(front_points, goals),
        objectives=[goal.name for goal in goals],
        front=front_points,
        seeds=seed_points,
        same_seeds=[str(event.detail["words"]) for event in store.events(kind=SAME_SEED)],
        wins=[] if live else wins(store, on_front, seeds, noise, among=counts.get(State.SCORED, 0)),
        rungs=rung_statuses(store, [c.id for c in on_front]),
        score_correlations=score_correlations(store),
        screening=screening_status(store, config, [c.id for c in on_front], live=live),
        inherited=dict(zip(("candidates", "steps"), store.totals.ancestral_steps(), strict=True)),
        rounds=round_statuses(store, config),
        tokens={"prompt": tokens.prompt, "completion": tokens.completion, "lost": tokens.lost},
        money=store.totals.price(),
        operators=yields,
        costs=costs_of(yields),
        idle=None if live else idle_of(store.yields.slot_events(), store.yields.slot_seconds()),
        trackers=trackers(store),
        level=str(store.last_event_detail("session").get("level", "")),
        cpu_s=round(store.totals.cpu_seconds(), 3),
        elapsed_s=round(store.totals.elapsed(), 3),
    )

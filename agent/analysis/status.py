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
from evoarch.agent.analysis.memorised import Memorised, memorised
from evoarch.agent.analysis.rounds import RoundStatus, round_statuses
from evoarch.agent.analysis.screening import ScreeningStatus, screening_status
from evoarch.agent.analysis.utilisation import Costs, Idle, costs_of, idle_of
from evoarch.agent.analysis.wins import Win, wins
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.last_resort import KIND
from evoarch.agent.evaluation.reevaluation import raced
from evoarch.agent.statistics.front import current_front, run_state
from evoarch.agent.statistics.intervals import Interval
from evoarch.agent.statistics.noise import Noise, read_noise
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.pareto import fitness
from evoarch.archive.records import Candidate, State
from evoarch.archive.store import Store

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
    evaluations: int = 0
    failed: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failed evaluations by stage, seeds and repeats included; none in a live view."""
    repeats: int = 0
    raced: int = 0
    """How many of the repeats the race for the front gave out."""
    retries: int = 0
    elites: Sequence[int] = ()
    provisional: bool = False
    """A candidate on the front has fewer training seeds than an elite needs."""
    best: FrontPoint | None = None
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
    level: str = ""
    cpu_s: float = 0.0
    elapsed_s: float = 0.0

    def as_json(self) -> dict[str, object]:
        """All fields as JSON has them; `evoarch status --json` prints it."""
        return asdict(self)


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


def _reason(store: Store, candidate: Candidate) -> str:
    """Why a candidate has no score; "" where it has, or nothing is known yet."""
    reason = store.relatives.reason(candidate.id)
    if candidate.state is not State.DUPLICATE:
        return reason
    (of,) = [e.detail.get("of") for e in store.events(kind="duplicate", candidate=candidate.id)][-1:]
    return f"{reason} as #{of}"


def read_status(store: Store, config: Config, *, live: bool = False) -> Status:
    """The status of a campaign from its archive alone; safe while it runs.

    `live`: it is read twice a second, so what takes long is left out.
    """
    counts = store.totals.counts()
    goals = objectives(config.selection)
    names = sorted({"error", "params", *(goal.name for goal in goals)})
    # Numbers alone: an archive of many thousands is looked at twice a second.
    places = store.browse.points(names)
    rows = [dict(zip(names, values, strict=True)) for _, values, _ in places]
    noise = read_noise(store)
    found = current_front(store, config, places, names, noise)
    on_front = store.browse.some([places[i][0] for i in found.places])
    top = max(found.eligible, key=lambda i: (fitness(rows[i]), -places[i][0]), default=None)
    seeds = store.candidates(operator="seed", sources=False)
    winner = store.candidate(places[top][0]) if top is not None else None
    state, reason = run_state(store)
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
        screened=store.totals.screened(),
        evaluations=store.totals.entered_training(),
        failed=counts.get(State.FAILED, 0),
        failures={} if live else store.browse.failures(),
        memorised=[] if live else memorised(store, noise.examples),
        ours=len(store.events(kind=KIND)),
        repeats=store.totals.repeats_made(),
        raced=len(raced(store)),
        retries=store.totals.retries(),
        elites=[c.id for c in on_front],
        provisional=found.provisional,
        best=point(winner, noise) if winner else None,
        front=[point(c, noise) for c in sorted(on_front, key=lambda c: c.metrics["params"])],
        seeds=[point(c, noise, _reason(store, c)) for c in seeds],
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
        level=str(store.last_event_detail("session").get("level", "")),
        cpu_s=round(store.totals.cpu_seconds(), 3),
        elapsed_s=round(store.totals.elapsed(), 3),
    )

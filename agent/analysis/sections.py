"""What a campaign adds up to, in words: sections that the terminal, the page and both reports lay out alike.

A view decides where a section stands and how a value looks; what is said is said here alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evoarch.agent.analysis.early_stopping import correlation_in_words, in_words
from evoarch.agent.analysis.overview import Overview
from evoarch.agent.analysis.screening import COUNTED
from evoarch.agent.analysis.status import KNEE, FrontPoint, Status
from evoarch.agent.analysis.utilisation import SUCCESSES, UNITS
from evoarch.agent.base.formatting import cell

STATUS = "overview/status"

MOST_REASONS = 8
"""Kinds of reasons that an overview names."""


@dataclass(frozen=True)
class Fact:
    """One value of a section.

    `path`: where `evoarch report --json` has it, its keys between slashes ("" where it is no number of that).
    `candidate`: whose page it leads to. `warning`: it is drawn in red.
    """

    value: object
    path: str = ""
    candidate: int | None = None
    warning: bool = False

    @property
    def text(self) -> str:
        """The value as every view writes it."""
        return cell(self.value)


@dataclass(frozen=True)
class Section:
    """A part of an overview. `key`: its name in a page, unique.

    With `columns`, `rows` are those of a table; without, they are pairs of a label and a value. `sentences`
    stand below. `spare`: columns that a narrow view leaves out, in this order.
    """

    key: str
    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Fact, ...], ...] = ()
    sentences: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers, which are set to the right."""
        return any(isinstance(row[column].value, int | float) for row in self.rows)


def sections(overview: Overview) -> list[Section]:
    """All of an overview that can be said in words, in order; the first two are the summary."""
    status = overview.status
    every = [
        _numbers(overview),
        _found(overview),
        front(status),
        _seeds(overview),
        _wins(status),
        Section("rungs", "Rungs and filter", sentences=tuple(in_words(rung) for rung in status.rungs)),
        Section(
            "zero-cost",
            "Zero-cost scores",
            sentences=tuple(correlation_in_words(each) for each in status.score_correlations),
        ),
        rounds(status),
        operators(status),
        screening(status),
        _costs(status),
        _failures(status),
        _reasons(status),
        _doubts(status),
    ]
    return [*every[:2], *(each for each in every[2:] if each.rows or each.sentences)]


def _numbers(overview: Overview) -> Section:
    status = overview.status
    unsafe = status.level == "none"
    rows = [
        _pair("state", status.state),
        *([_pair("because", status.reason)] if status.reason else []),
        _pair("task", overview.task),
        _pair("recipe", overview.recipe),
        _pair("profile", overview.profile),
        _pair("campaign seed", overview.seed, "overview/seed"),
        _pair("minimised", ", ".join(overview.objectives)),
        (Fact("isolation"), Fact("none (--unsafe)" if unsafe else status.level, warning=unsafe)),
    ]
    counts = {
        "evaluations": "evaluations",
        "budget": "budget",
        "proposals": "proposals",
        "rejected": "rejected",
        "duplicates": "duplicates",
        **({"screened drafts": "screened"} if status.screened else {}),
        "waiting for review": "waiting",
        "failed children": "failed",
        "further training seeds": "repeats",
        "of these raced": "raced",
        "still due": "repeats_due",
        "their seconds": "repeats_s",
        "retries": "retries",
        "CPU seconds": "cpu_s",
        "wall-clock seconds": "elapsed_s",
    }
    rows += [_pair(label, getattr(status, name), f"{STATUS}/{name}") for label, name in counts.items()]
    states = Counter(seed.state for seed in status.seeds)
    if unlike := [f"{count} {state}" for state, count in states.items() if state != "scored"]:
        rows.append((Fact("of the seeds"), Fact(", ".join(unlike), warning="failed" in states)))
    rows += [
        _pair(f"LM tokens {label}", status.tokens[name], f"{STATUS}/tokens/{name}")
        for label, name in (("in", "prompt"), ("out", "completion"), ("lost", "lost"))
    ]
    if status.planned:
        rows.append(_pair("children of all rounds", status.planned, f"{STATUS}/planned"))
    if status.money:
        rows.append(_pair("money", status.money, f"{STATUS}/money"))
    said = []
    if idle := status.idle:
        said.append(
            f"Evaluation slots were idle for {idle.share:.1%} of {cell(idle.available)} slot-seconds in the "
            "steady state."
        )
    if status.inherited["candidates"]:
        said.append(
            f"{status.inherited['candidates']} children began with their parents' weights, which had seen "
            f"{status.inherited['steps']:,} training steps."
        )
    return Section("numbers", "State and cost", rows=tuple(rows), sentences=tuple(said))


def _found(overview: Overview) -> Section:
    """The best by each objective, with what it rests on; by the paper's scalar where the campaign has it."""
    status = overview.status
    rows: list[tuple[Fact, ...]] = [
        (Fact(f"region, {name}"), Fact(f"{low:,g} to {high:,g}"))
        for name, (low, high) in overview.region.items()
    ]
    if (best := status.best) and overview.scalar:
        rows += [
            (Fact("best by -(params x error)"), Fact(f"#{best.id} {best.operator}", candidate=best.id)),
            _pair("its error", best.error, f"{STATUS}/best/error"),
            _pair("its parameters", best.params, f"{STATUS}/best/params"),
        ]
    if best:
        rows.append(_pair("hypervolume of the front", overview.hypervolume, "overview/hypervolume"))
        rows += [
            _pair(f"reference point, {name}", value, f"overview/reference/{name}")
            for name, value in overview.reference.items()
        ]
    said = []
    if status.front:
        names = " and ".join(overview.objectives)
        said.append(f"{len(status.front)} models are on the front: none is beaten in {names} at once.")
    for name, lowest in status.bests.items():
        if name == KNEE:
            said.append(f"Knee, the nearest to the best of each at once: {in_one_sentence(lowest)}.")
            continue
        value = "" if name in ("error", "params") else f"{cell(lowest.metrics[name])}, "
        said.append(f"Lowest {name}: {value}{in_one_sentence(lowest)}.")
    return Section("found", "What was found", rows=tuple(rows), sentences=tuple(said))


def ranked(overview: Overview) -> list[int]:
    """The front, the best first: by the first objective."""
    name = overview.objectives[0]
    points = sorted(overview.status.front, key=lambda point: (point.metrics[name], point.id))
    return [point.id for point in points]


def in_one_sentence(point: FrontPoint) -> str:
    """Which candidate it is, its error with the interval, its size, and on how many trainings that rests."""
    made = f"seed {point.name}" if point.operator == "seed" else point.operator
    said = f"#{point.id} ({made})"
    if point.error is not None:
        span = f" (95% {point.interval.low:.4f} to {point.interval.high:.4f})" if point.interval else ""
        said += f", error {point.error:.4f}{span}"
    if point.params is not None:
        said += f", {cell(int(point.params))} parameters"
    return f"{said}, {point.seeds} training{'s' if point.seeds != 1 else ''}"


def _wins(status: Status) -> Section:
    """Each elite against each seed, and in words where nothing is sure."""
    said = [win.words for win in status.wins]
    if status.evaluations and status.front and not any(win.sure for win in status.wins):
        said.append("No child is shown to be better than a seed: nothing here is more than noise.")
    return Section("wins", "Against the seeds", sentences=tuple(said))


_POINTS = ("id", "what", "parameters", "error", "95% low", "95% high")
SPARE_POINTS = ("training seeds",)


def _further(objectives: Sequence[str]) -> list[str]:
    """Objectives that have no column of their own in every table of candidates."""
    return [name for name in objectives if name not in ("error", "params")]


def _columns(objectives: Sequence[str]) -> tuple[str, ...]:
    return (*_POINTS, *_further(objectives), *SPARE_POINTS)


def front(status: Status) -> Section:
    """The Pareto front, by size."""
    said = "The front is provisional: somebody on it has fewer training seeds than an elite needs."
    return Section(
        "front",
        "Front",
        _columns(status.objectives),
        _points(status.front, "front", status.objectives),
        (said,) if status.provisional else (),
        SPARE_POINTS,
    )


def _seeds(overview: Overview) -> Section:
    said = (
        "Errors are of the validation split: smoothed (wrong + 1) / (n + 2), "
        f"n = {overview.examples or '?'}; the mean over training seeds. Intervals are of 95%; they hold the "
        "noise of the examples and that of training seeds."
    )
    rows = _points(overview.status.seeds, "seeds", overview.objectives)
    left = [each for each in overview.status.seeds if each.reason]
    unscored = [f"#{each.id} {each.name} {each.state}: {each.reason}" for each in left]
    sentences = (said, *unscored, *overview.status.same_seeds)
    return Section(
        "seeds", "Seeds", _columns(overview.objectives), rows, sentences if rows else (), SPARE_POINTS
    )


def _points(
    points: Sequence[FrontPoint], key: str, objectives: Sequence[str]
) -> tuple[tuple[Fact, ...], ...]:
    return tuple(
        (
            Fact(f"#{point.id}", candidate=point.id),
            Fact(point.name if point.operator == "seed" else point.operator),
            Fact(point.params, f"{STATUS}/{key}/{place}/params"),
            Fact(point.error, f"{STATUS}/{key}/{place}/error"),
            *(
                Fact(getattr(point.interval, end), f"{STATUS}/{key}/{place}/interval/{end}")
                if point.interval
                else Fact("")
                for end in ("low", "high")
            ),
            *(
                Fact(point.metrics[name], f"{STATUS}/{key}/{place}/metrics/{name}")
                if name in point.metrics
                else Fact("")
                for name in _further(objectives)
            ),
            Fact(point.seeds, f"{STATUS}/{key}/{place}/seeds"),
        )
        for place, point in enumerate(points)
    )


def rounds(status: Status) -> Section:
    """What each round of EvoPrompting brought, and what its soft prompt did to the held-out loss."""
    columns = ("round", "state", "parents", "proposed", "parsed", "valid", "novel", "copied", "scored")
    rows = []
    for each in status.rounds:
        shares = ("" if share is None else f"{share:.0%}" for share in each.shares())
        loss = "" if each.before is None else f"{each.before:.3f} -> {each.after:.3f}"
        counts = (each.number + 1, each.state, each.parents, each.proposed, *shares, each.scored)
        rows.append(_facts((*counts, each.trained_on, loss)))
    spare = ("parents", "copied", "trained on", "parsed", "novel")
    return Section("rounds", "Rounds", (*columns, "trained on", "held-out loss"), tuple(rows), spare=spare)


_YIELDS = ("proposed", "parsed", "vetted", "new", "scored", "failed", "improved")


def operators(status: Status) -> Section:
    """What became of each operator's proposals."""
    rows = [
        (Fact(name), *(Fact(of.get(key, 0), _yield_path(name, key)) for key in _YIELDS))
        for name, of in status.operators.items()
    ]
    spare = ("parsed", "failed", "vetted", "new")
    return Section("operators", "Operators", ("operator", *_YIELDS), tuple(rows), spare=spare)


def screening(status: Status) -> Section:
    """What became of each operator's drafts, and whether what was foretold came true."""
    found = status.screening
    if found is None:
        return Section("screening", "Screening")
    rows = [
        (Fact(name), *(Fact(of[key], f"{STATUS}/screening/operators/{_key(name)}/{key}") for key in COUNTED))
        for name, of in found.operators.items()
    ]
    return Section("screening", "Screening", ("operator", *COUNTED), tuple(rows), found.words)


def _costs(status: Status) -> Section:
    units = dict(zip(UNITS, ("CPU s", "tokens", "money"), strict=True))
    if not status.money:
        del units["money"]
    columns = ["operator", *units.values()]
    columns += [f"{word} / {success}" for success in SUCCESSES for word in units.values()]
    rows = []
    for name, costs in status.costs.items():
        if name in status.operators:
            spent = [Fact(status.operators[name][unit], _yield_path(name, unit)) for unit in units]
        else:
            spent = [Fact(sum(each[unit] for each in status.operators.values())) for unit in units]
        passed = [
            Fact(costs[success][unit], f"{STATUS}/costs/{_key(name)}/{success}/{unit}")
            for success in SUCCESSES
            for unit in units
        ]
        rows.append((Fact(name), *spent, *passed))
    said = "What a new valid child and an improvement cost: all attempts over the successes (cost-of-pass)."
    shown = rows if status.operators else []
    spare = [name for name in reversed(columns[1:]) if not name.startswith("CPU s")]
    return Section("costs", "Cost", tuple(columns), tuple(shown), (said,) if shown else (), tuple(spare))


def _failures(status: Status) -> Section:
    rows = [
        _pair(stage, count, f"{STATUS}/failures/{_key(stage)}") for stage, count in status.failures.items()
    ]
    return Section("failures", "Failures by stage", rows=tuple(rows))


def _reasons(status: Status) -> Section:
    shown = status.reasons[:MOST_REASONS]
    rows = [
        (
            Fact(reason.count, f"{STATUS}/reasons/{place}/count"),
            Fact(reason.stage),
            Fact(reason.pattern),
            Fact(f"#{reason.example}", candidate=reason.example),
        )
        for place, reason in enumerate(shown)
    ]
    said = f"{len(shown)} of {len(status.reasons)} kinds of reasons; `*` stands for what differs. "
    said += "`evoarch list` finds the children of one by stage: and reason:, the page Failures has all."
    columns = ("children", "stage", "reason", "such as")
    return Section("reasons", "Why children fail", columns, tuple(rows), (said,) if rows else ())


def _doubts(status: Status) -> Section:
    """What a reader should know before trusting a number."""
    said = [each.words for each in status.memorised]
    if status.ours:
        said.append(
            f"evoarch itself failed {status.ours} times over a candidate, which is then tried once more and "
            "set aside; the archive has the traceback (events of kind broke): please report it."
        )
    said += [
        f"The tracker {name} was not told: {failed} (`evoarch track` tells it)."
        for name, failed in status.trackers.items()
        if failed
    ]
    return Section("doubts", "To look at", sentences=tuple(said))


def _pair(label: str, value: object, path: str = "") -> tuple[Fact, Fact]:
    return Fact(label), Fact(value, path)


def _facts(values: Iterable[object]) -> tuple[Fact, ...]:
    return tuple(Fact(value) for value in values)


def _yield_path(operator: str, key: str) -> str:
    return f"{STATUS}/operators/{_key(operator)}/{key}"


def _key(name: str) -> str:
    """A key that holds a slash, as JSON Pointer writes it (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")

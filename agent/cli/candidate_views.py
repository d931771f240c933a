"""Candidates in the terminal: rows, one with its findings and source, differences, a family tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from rich.console import RenderableType
from rich.syntax import Syntax
from rich.text import Text
from rich.tree import Tree

from evoarch.agent.analysis.verdict import Judgement
from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.base.formatting import cell, printable
from evoarch.agent.cli.output import FittedTable, table
from evoarch.agent.config.load import Config
from evoarch.agent.report.docstrings import stale_in
from evoarch.agent.statistics.intervals import in_words
from evoarch.agent.statistics.noise import Noise
from evoarch.agent.statistics.objectives import SIZES
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Candidate, Evaluation, Failed, Outcome, State
from evoarch.archive.store import Store
from evoarch.evaluators.trace import Trace

COLOURED = 100_000
"""Characters of a source that are coloured; a longer one is printed plainly, which takes no time."""


def find(store: Store, identity: int) -> Candidate:
    """The candidate `identity`. Raises UserError (code 1) that says which there are."""
    try:
        return store.candidate(identity)
    except ArchiveError:
        last = store.browse.last_id()
        raise UserError(
            f"no candidate {identity}; there are {f'1 to {last}' if last else 'none yet'}", code=1
        ) from None


Endings = Mapping[int, tuple[str, str]]
"""By candidate: the stage at which it ended without a score, and the reason."""


def row(candidate: Candidate, noise: Noise, endings: Endings) -> dict[str, object]:
    """A candidate as JSON, without its source. `interval`: of its error, at 95%."""
    stage, reason = endings.get(candidate.id, (None, None))
    error = candidate.metrics.get("error")
    interval = noise.interval(error, candidate.seeds)
    return {
        "id": candidate.id,
        "operator": candidate.operator,
        "parents": list(candidate.parents),
        "state": str(candidate.state),
        "error": error,
        "interval": [interval.low, interval.high] if interval else None,
        "params": candidate.metrics.get("params"),
        "metrics": dict(candidate.metrics),
        "stage": stage,
        "reason": reason,
        "seeds": candidate.seeds,
        "source_digest": candidate.source_digest,
        "generation": candidate.generation,
        "name": candidate.name,
    }


ALWAYS = ("id", "error", "95%", "params")
"""Columns of a list that no narrow terminal leaves out."""


def listed(
    store: Store,
    found: Sequence[Candidate],
    noise: Noise,
    front: Collection[int],
    goals: Sequence[str],
    endings: Endings,
    wanted: str = "",
) -> FittedTable:
    """Candidates as a table, a row each.

    `front`: the ids of the elites. `goals`: metrics that have a column in any case. `wanted`: the names of
    columns, between commas, that stand in the place of the usual ones behind the id; raises UserError for an
    unknown one.
    """
    vetoed, pinned = store.verdicts.vetoed(), store.verdicts.pinned()

    def mark(c: Candidate) -> str:
        marks = (("front", front), ("veto", vetoed), ("pin", pinned))
        return " ".join(word for word, ids in marks if c.id in ids)

    def number(c: Candidate, name: str) -> object:
        value = c.metrics.get(name)
        return int(value) if value is not None and name in SIZES else value

    metrics = list(dict.fromkeys(["error", "params", *goals, *store.browse.metrics()]))
    known: dict[str, Callable[[Candidate], object]] = {
        "id": lambda c: c.id,
        "operator": lambda c: c.name or c.operator,
        "state": lambda c: str(c.state),
        "error": lambda c: c.metrics.get("error"),
        "95%": lambda c: in_words(noise.interval(c.metrics.get("error"), c.seeds)),
        **{name: partial(number, name=name) for name in metrics if name != "error"},
        "parents": lambda c: " ".join(f"#{p}" for p in c.parents),
        "seeds": lambda c: c.seeds or None,
        "depth": lambda c: c.generation,
        "mark": mark,
        "stage": lambda c: endings[c.id][0] if c.id in endings else "",
        "why": lambda c: _shortened(": ".join(part for part in endings.get(c.id, ()) if part)),
    }
    others = [name for name in metrics if name not in ("error", "params", *goals)]
    others += ["stage"]  # "why" begins with it
    shown = [name for name in known if name not in others and (name != "why" or endings)]
    if wanted:
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise UserError(f"--columns {name}: unknown column; {nearest(name, list(known))}")
        shown = list(dict.fromkeys(["id", *names]))
    spare = [*goals, "why", "operator"] if not wanted else []
    spare = ["depth", "seeds", "parents", "mark", "state", *(name for name in spare if name not in ALWAYS)]
    cells = [[known[name](c) for name in shown] for c in found]
    return table("", shown, cells, spare=spare)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WHY else f"{line[: WHY - 3]}..."


WHY = 60
"""Letters of a reason in a list; `evoarch show` and --json tell all of it."""


def _colour(candidate: Candidate) -> str:
    return {State.SCORED: "green", State.FAILED: "red", State.REJECTED: "red"}.get(candidate.state, "dim")


def as_json(
    store: Store,
    candidate: Candidate,
    evaluations: Sequence[Evaluation],
    judgement: Judgement | None,
    noise: Noise,
) -> dict[str, object]:
    """One candidate whole: its row, source, evaluations, comparisons and verdicts."""
    identity = candidate.id
    outcomes = [
        {"rung": e.rung, "seed": e.seed, "kind": e.kind, "seconds": e.seconds, **_outcome(e.outcome)}
        for e in evaluations
    ]
    extra = {
        "source": candidate.source,
        "note": candidate.note,
        "repairs": list(candidate.repairs),
        "evaluations": outcomes,
        "comparisons": [c.as_json() for c in judgement.comparisons] if judgement else [],
        "on_front": judgement.on_front if judgement else False,
        "trace": store.traces.get(identity),
        "verdicts": [{"kind": v.kind, "text": v.text, "time": v.time} for v in store.verdicts.all(identity)],
    }
    return {**row(candidate, noise, store.browse.endings([identity])), **extra}


def shown(
    store: Store,
    candidate: Candidate,
    evaluations: Sequence[Evaluation],
    judgement: Judgement | None,
    noise: Noise,
) -> list[RenderableType]:
    """One candidate on paper: where it comes from, what was found, whether it is better, its source."""
    parents = ", ".join(f"#{p}" for p in candidate.parents) or "none"
    lines = [
        Text.assemble(
            (f"#{candidate.id}", "bold"),
            f" {printable(candidate.name or '')} ",
            (str(candidate.state), _colour(candidate)),
            f" · {printable(candidate.operator)} · parents {parents} · depth {candidate.generation}",
        )
    ]
    change, _ = store.change(candidate.id)
    said = [f"its operator said: {change}"] if change else []
    said += [candidate.note] if candidate.note else []
    said += [f"repaired: {repair}" for repair in candidate.repairs]
    said += [f"note: {each.words}" for each in stale_in(store, candidate)]
    said += _traced(store.traces.get(candidate.id))
    for e in evaluations:
        found = ", ".join(f"{k} {cell(v)}" for k, v in _outcome(e.outcome).items())
        said.append(f"{e.rung}, training seed {e.seed}: {found}; {e.seconds:.1f} s")
    if interval := noise.interval(candidate.metrics.get("error"), candidate.seeds):
        plural = "s" if candidate.seeds > 1 else ""
        said.append(
            f"error {cell(candidate.metrics['error'])}, 95% {in_words(interval)} over {candidate.seeds} "
            f"training seed{plural} and {noise.examples:,} validation examples"
        )
    said += [f"{v.kind}: {v.text}" if v.text else f"{v.kind}" for v in store.verdicts.all(candidate.id)]
    lines += [Text(printable(line)) for line in said]
    lines += _judged(judgement)
    source = printable(candidate.source)
    if len(source) > COLOURED:
        return [*lines, Text(source)]
    return [*lines, Syntax(source, "python", background_color="default", line_numbers=True, word_wrap=True)]


def _traced(stored: Mapping[str, object] | None) -> list[str]:
    if stored is None:
        return []
    trace = Trace.from_json(stored)
    layers = Counter(node.kind for node in trace.nodes if node.kind[:1].isupper())
    parts = [f"{len(trace.nodes)} calls"]
    parts += [f"{trace.flops:,} FLOPs"] if trace.flops is not None else []
    parts += [f"{trace.activations:,} activations"]
    return [
        f"traced: {', '.join(parts)}; {', '.join(f'{k} {n}' for k, n in layers.most_common()) or 'no layer'}"
    ]


def _judged(judgement: Judgement | None) -> list[Text]:
    if judgement is None:
        return []
    colours = {"better": "green", "worse": "red"}
    lines = [
        Text(f"against {c.role} #{c.other} {printable(c.name)}: ").append(c.words, colours.get(c.outcome, ""))
        for c in judgement.comparisons
    ]
    by = ", ".join(f"#{identity}" for identity in judgement.dominated_by)
    if not by:
        by_few = "not on the front: an elite needs more training seeds"
        return [*lines, Text("on the front: nothing scored dominates it" if judgement.on_front else by_few)]
    return [*lines, Text(f"dominated by {by}")]


def _outcome(outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Failed):
        return {
            "outcome": "failed",
            "stage": outcome.stage,
            "reason": outcome.reason,
            "fault": str(outcome.fault),
        }
    return {"outcome": "scored", **outcome.metrics}


def tree(family: dict[int, Candidate], front: set[int], config: Config) -> Tree:
    """Each candidate under its first parent; further parents are named beside it."""
    root = Tree(Text(printable(config.campaign.name)))
    branches: dict[int, Tree] = {}
    for candidate in sorted(family.values(), key=lambda c: c.id):
        error = candidate.metrics.get("error")
        label = Text(f"#{candidate.id} ", "bold" if candidate.id in front else "")
        label.append(printable(candidate.name or candidate.operator))
        label.append(
            f"  error {cell(error)}" if error is not None else f"  {candidate.state}", _colour(candidate)
        )
        label.append(
            f", {cell(int(candidate.metrics['params']))} parameters" if "params" in candidate.metrics else ""
        )
        label.append("".join(f", with #{p}" for p in candidate.parents[1:]))
        label.append("  front" if candidate.id in front else "", "cyan")
        above = branches.get(candidate.parents[0], root) if candidate.parents else root
        branches[candidate.id] = above.add(label)
    return root

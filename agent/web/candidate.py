"""The page of one candidate: what its template shows."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from evoarch.agent.analysis.descent import descent
from evoarch.agent.analysis.verdict import judge
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.kept_findings import found_about
from evoarch.agent.report.architecture import changes, draw_trace, kinds_after, trace_of
from evoarch.agent.report.diff import Row, compare
from evoarch.agent.report.docstrings import marked_lines, stale_in
from evoarch.agent.report.figures import curves_figure
from evoarch.agent.report.highlight import highlight
from evoarch.agent.report.svg import draw
from evoarch.agent.statistics.noise import read_noise
from evoarch.agent.statistics.paired import examples_apart
from evoarch.agent.surrogate.labels import shares_of
from evoarch.archive.records import Candidate, Failed, LMCall, State
from evoarch.archive.store import Store


def candidate_view(
    store: Store, config: Config, candidate: Candidate, elites: Sequence[Candidate]
) -> dict[str, object]:
    """All about one candidate. `elites`: the front as it is now."""
    identity = candidate.id
    evaluations = store.evaluations(identity)
    noise = read_noise(store)
    proposal = store.browse.proposal_of(identity)
    change, text = store.change(identity)
    calls = store.calls.all(batch=proposal.batch) if proposal else []
    ordinal = proposal.ordinal if proposal else 0
    stage, _ = store.browse.endings([identity]).get(identity, ("", ""))
    stale = stale_in(store, candidate)
    parent = store.evaluations(candidate.parents[0]) if candidate.parents else []
    curves = curves_figure(evaluations, shares_of(config.evaluation.rungs), parent)
    trace = trace_of(store.traces.get(identity))
    before = trace_of(store.traces.get(candidate.parents[0])) if candidate.parents else None
    differs = changes(before, trace) if before and trace else []
    standing = (
        "veto"
        if identity in store.verdicts.vetoed()
        else "pin"
        if identity in store.verdicts.pinned()
        else ""
    )
    return {
        "candidate": candidate,
        "interval": noise.interval(candidate.metrics.get("error"), candidate.seeds),
        "examples": noise.examples,
        "judgement": judge(store, config, candidate, elites, noise),
        "source": highlight(candidate.source, marked_lines(stale)),
        "stale": stale,
        "fragment": stage == "parse",
        "diffs": [] if stage == "parse" else _diffs(store, candidate),
        "examples_apart": [
            (base, is_root, found)
            for base, is_root in _bases(store, candidate)
            if (found := examples_apart(evaluations, store.evaluations(base)))
        ],
        "line_notes": list(store.verdicts.on_lines(identity).values()),
        "evaluations": [(e, e.outcome if isinstance(e.outcome, Failed) else None) for e in evaluations],
        "curves": draw(curves) if curves else Markup(""),
        "trace": trace,
        "graph": draw_trace(trace, kinds_after(differs)) if trace else Markup(""),
        "differs": [each for each in differs if each.kind != "same"],
        "compared": before is not None and trace is not None,
        "layers": next((e.detail["layers"] for e in evaluations if "layers" in e.detail), ()),
        "steps": descent(store, candidate, noise) if candidate.parents else (),
        "proposal": proposal,
        "calls": [(call, _became(call, text, ordinal)) for call in calls],
        "change": change,
        "reply": text,
        "findings": found_about(store, identity) if candidate.state is State.REJECTED else [],
        "children": store.children(identity),
        "cost": store.browse.costs([identity])[identity],
        "verdicts": store.verdicts.all(identity),
        "standing": standing,
        "on_front": identity in {elite.id for elite in elites},
    }


def _bases(store: Store, candidate: Candidate) -> list[tuple[int, bool]]:
    """(id, whether it is the seed at the root) of each parent and of the seed that it comes from."""
    root = store.browse.root(candidate.id)
    bases = dict.fromkeys([*candidate.parents, *([root] if root != candidate.id else [])])
    return [(base, base == root) for base in bases]


def _diffs(store: Store, candidate: Candidate) -> list[tuple[int, bool, list[Row]]]:
    """The same, with rows of what changed."""
    return [
        (base, is_root, compare(store.candidate(base).source, candidate.source))
        for base, is_root in _bases(store, candidate)
    ]


def _became(call: LMCall, text: str, ordinal: int) -> int | None:
    """The place of the reply that became the child: the one its part stands in, else the one of its
    number.
    """
    if text:
        found = [place for place, reply in enumerate(call.replies) if text in reply]
        if found:
            return ordinal if ordinal in found else found[0]
    return ordinal if ordinal < len(call.replies) else None

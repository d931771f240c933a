"""What a proposal is told: stored as ever, read back whole, that of kept archives byte for byte."""

import json
import lzma
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.base.ordering import Steering
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.prompts.contexts import Effect, Feedback, Tried
from kit.paths import ROOT

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
IDS = st.integers(1, 99)
METRICS = st.dictionaries(st.sampled_from(["error", "params", "flops"]), NUMBERS)
TRIED = st.builds(Tried, st.text(), st.text(), st.text(), METRICS)
EFFECTS = st.builds(Effect, st.text(), st.text(), NUMBERS, NUMBERS, NUMBERS, st.integers(0))


@st.composite
def contexts(draw: st.DrawFn) -> ProposalContext:
    metrics = draw(st.dictionaries(IDS, METRICS))
    notes = draw(st.dictionaries(st.sampled_from(sorted(metrics)), st.text())) if metrics else {}
    in_round = draw(st.booleans())
    return ProposalContext(
        slot=draw(st.integers(0)),
        count=draw(st.integers(1)),
        table=draw(st.integers(0, 9)),
        metrics=metrics,
        targets=draw(METRICS),
        temperature=draw(NUMBERS),
        lm=draw(st.text()),
        round=draw(st.integers(0)) if in_round else None,
        prompt=draw(st.integers(0)) if in_round else 0,
        soft_prompt=draw(st.text()) if in_round else "",
        repairs=draw(st.none() | IDS),
        steering=Steering(draw(st.frozensets(IDS)), draw(st.frozensets(IDS)), notes),
        feedback=draw(st.builds(Feedback, st.lists(TRIED).map(tuple), st.lists(EFFECTS).map(tuple))),
    )


@given(contexts())
def test_what_is_stored_is_read_back(context: ProposalContext) -> None:
    stored = json.dumps(context.as_json())
    again = ProposalContext.from_json(json.loads(stored))
    assert again == context
    assert json.dumps(again.as_json()) == stored


def test_of_the_notes_only_those_on_parents_are_stored_and_nothing_that_nobody_said() -> None:
    context = ProposalContext(metrics={3: {"error": 0.1}}, steering=Steering(notes={1: "a", 3: "b"}))
    assert context.as_json()["notes"] == {"3": "b"}
    assert list(ProposalContext().as_json()) == [
        "slot",
        "count",
        "table",
        "metrics",
        "targets",
        "temperature",
    ]
    assert ProposalContext.from_json({}) == ProposalContext()


@pytest.mark.parametrize("kept", ["lm/seed-100", "syntactic/seed-100"])
def test_the_contexts_of_kept_archives_keep_their_bytes(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "archive.db"
    path.write_bytes(lzma.decompress((ROOT / "results" / "mnist1d" / f"{kept}.db.xz").read_bytes()))
    rows = sqlite3.connect(path).execute("SELECT context FROM proposals").fetchall()
    assert len(rows) > 100
    for (text,) in rows:
        assert json.dumps(ProposalContext.from_json(json.loads(text)).as_json()) == text

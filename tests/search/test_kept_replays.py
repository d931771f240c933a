"""Kept archives replay: every choice is made again; what the machine computed is taken from the record."""

import asyncio
import json
import lzma
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.recorded import settings_of_replay
from evoarch.agent.evaluation.pipeline import Pipeline
from evoarch.agent.operators.registry import build_operators
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.components import Components
from evoarch.agent.search.replay import recorded_order, replayed
from evoarch.archive.records import Candidate, Failed, Scored, State
from evoarch.archive.store import Store, create, open_archive
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks import load_task
from kit.paths import ROOT

BEFORE = ("build", "dry_run")
"""Stages of the dry run."""

DryRun = Callable[..., Awaitable[tuple[str, tuple[str, ...], DryRunPassed | Failed]]]


class Remembered(StubEvaluator):
    """Trains nothing: says of a part of a training what the record says."""

    steps = load_task("mnist1d").recipes["fast"].steps

    def __init__(self, record: Store) -> None:
        super().__init__()
        bred = [c for c in record.candidates(sources=False) if c.source_digest]
        self.rows = {
            c.source_digest: record.evaluations(c.id) for c in reversed(bred) if record.evaluations(c.id)
        }

    async def evaluate_segment(self, source: str, *, digest: str, repeat: int, segment: Segment) -> Evaluated:
        for row in self.rows[digest]:
            if row.detail.get("steps", self.steps) == segment.stop or isinstance(row.outcome, Failed):
                return Evaluated(row.outcome, row.seconds, row.cpu_seconds, row.correct, detail=row.detail)
        raise LookupError((digest, segment.stop))


def remembered_dry_run(record: Store) -> DryRun:
    """In the place of the pipeline's: the source after its repairs, and what it was found to be."""
    known = {c.id: c for c in record.candidates()}

    async def dry_run(
        self: Pipeline, candidate: Candidate, *, may_repair: bool
    ) -> tuple[str, tuple[str, ...], DryRunPassed | Failed]:
        was = known[candidate.id]
        rows = record.evaluations(was.id)
        first = rows[0].outcome if rows else None
        if isinstance(first, Failed) and first.stage in BEFORE:
            tried: Any = rows[0].detail
            return str(tried.get("source", candidate.source)), tuple(tried.get("repairs", ())), first
        digest = was.function_digest or ""
        if was.duplicate_of and "same function" in was.note:
            digest = known[was.duplicate_of].function_digest or ""
        large = isinstance(first, Failed) and first.stage == "static"
        params = first.metrics["params"] if isinstance(first, Scored) else 10**9 if large else 1
        flops = int(first.metrics["flops"]) if isinstance(first, Scored) else 1
        return was.source, was.repairs, DryRunPassed(digest, int(params), flops=flops)

    return dry_run


def unpacked(folder: Path, kept: str) -> Path:
    """The folder with a kept archive of mnist1d."""
    folder.mkdir()
    packed = ROOT / "results" / "mnist1d" / f"{kept}.db.xz"
    (folder / "archive.db").write_bytes(lzma.decompress(packed.read_bytes()))
    return folder


@pytest.mark.parametrize(
    ("kept", "drawing"), [("syntactic/seed-100", "syntactic.mutate"), ("random/seed-100", "random")]
)
def test_an_archive_drawn_from_an_older_vocabulary_is_not_replayed(
    tmp_path: Path, kept: str, drawing: str
) -> None:
    """The same randomness draws other children today: one line says so, before anything is spent."""
    old = unpacked(tmp_path / "old", kept)
    with pytest.raises(UserError) as caught:
        recorded_order(old)
    message = str(caught.value)
    assert "\n" not in message
    for part in (f"replay: {old}: {drawing} drew from layer vocabulary 1 (evoarch 0.1.0)", "expected 2"):
        assert part in message


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["lm/seed-100"])
def test_a_kept_archive_replays(tmp_path: Path, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = unpacked(tmp_path / "old", kept)
    config = settings_of_replay(old).config
    with open_archive(old, write=False) as record, create(tmp_path / "new", name="c", seed=0) as store:
        for seed in record.candidates(operator="seed"):
            store.add_seed(seed.name or "", seed.source, seed.source_digest or "")
        monkeypatch.setattr(Pipeline, "_dry_run", remembered_dry_run(record))
        lms = {settings.name: replayed(old, settings) for settings in config.lm}
        parts = Components(
            Remembered(record), load_task("mnist1d").offers, build_operators(config), lms, workers=1
        )
        campaign = Campaign(store, config, parts, recorded_order(old))
        assert asyncio.run(asyncio.wait_for(campaign.run(), 900)).complete

        def known(of: Store) -> list[object]:
            # Sources by their digests: a reply is read with fewer comments than it once was.
            return [
                (c.id, c.state, c.operator, c.parents, c.source_digest, c.function_digest, c.metrics)
                for c in of.candidates()
            ]

        assert known(store) == known(record)
        # Byte for byte, the order of keys included.
        told = [[json.dumps(p.context) for p in of.proposals()] for of in (store, record)]
        assert told[0] == told[1]
        rejected = [c.note for c in record.candidates(state=State.REJECTED)]
        # Rules that came since may find more in what was rejected, and never less.
        again = [c.note for c in store.candidates(state=State.REJECTED)]
        assert len(again) == len(rejected)
        assert all(
            set(was.split("; ")) <= set(now.split("; ")) for was, now in zip(rejected, again, strict=True)
        )

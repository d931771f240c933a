"""Screened candidates, traces and predictions through the store; archives of version 2; many thousands."""

from __future__ import annotations

import lzma
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.archive.browse import ORDERS
from evoarch.archive.connection import connect
from evoarch.archive.database import Database
from evoarch.archive.errors import ArchiveError
from evoarch.archive.filters import Filter
from evoarch.archive.records import Evaluation, Prediction, Scored, State
from evoarch.archive.store import Store, create, open_archive

TRACE = {
    "nodes": [["conv", "Conv1d", [8, 20], 32, 640, [-1]]],
    "params": 32,
    "flops": 640,
    "activations": 160,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with create(tmp_path, name="trial", seed=7) as store:
        yield store


def scored(candidate: int, error: float, kind: str = "search") -> Evaluation:
    return Evaluation(candidate, "full", 0, Scored({"error": error, "params": 100.0}), 2.0, 1.5, kind)


def seeded(store: Store) -> int:
    seed = store.add_seed("conv", "# conv\n", "digest conv").id
    store.start(seed)
    store.settle(scored(seed, 0.3, "seed"))
    return seed


def pool(store: Store, parent: int, drafts: int = 4) -> tuple[int, list[int]]:
    """The first of a pool is trained, the others are screened."""
    first, *others = store.draw("syntactic.mutate", (parent,), drafts, {})
    for draft in others:
        store.screen(draft.candidate, f"source {draft.number}", f"digest {draft.number}", trace=TRACE)
        store.add_cpu(draft.candidate, 0.01)
    store.arrive(first.candidate, f"source {first.number}", f"digest {first.number}")
    store.start(first.candidate)
    store.settle(scored(first.candidate, 0.2))
    return first.candidate, [draft.candidate for draft in others]


def test_a_screened_draft_is_kept_with_its_source_and_trace_and_costs_no_budget(store: Store) -> None:
    _, others = pool(store, seeded(store))
    found = store.candidate(others[0])
    assert found.state is State.SCREENED
    assert found.source == f"source {found.number}"
    assert found.note == "screened: another draft was worth more"
    assert store.traces.get(others[0]) == TRACE
    assert store.events(kind="screened", candidate=others[0])
    assert store.totals.entered_training() == 1
    assert store.totals.screened() == 3
    assert store.totals.cpu_seconds() == pytest.approx(2 * 1.5 + 0.03)


def test_only_what_is_proposed_can_be_screened(store: Store) -> None:
    chosen, others = pool(store, seeded(store))
    for candidate in (chosen, others[0]):
        with pytest.raises(ArchiveError, match="to be screened: expected proposed, got"):
            store.screen(candidate, "", "", trace=None)
    assert len(store.events(kind="screened")) == len(others)


def test_the_source_of_a_screened_draft_is_new_to_everybody(store: Store) -> None:
    _, others = pool(store, seeded(store))
    digest = store.candidate(others[0]).source_digest
    assert digest
    assert store.find_source(digest) is None
    (again,) = store.draw("random", (), 1, {})
    store.arrive(again.candidate, "the same", digest)
    assert store.find_source(digest) == again.candidate


def test_counts_yields_lists_and_families_are_as_if_it_had_not_been_drawn(store: Store) -> None:
    seed = seeded(store)
    chosen, others = pool(store, seed)
    assert store.totals.counts() == {State.SCORED: 1}
    yields = store.yields.by_operator()["syntactic.mutate"]
    assert [yields[key] for key in ("proposed", "parsed", "vetted", "new", "scored")] == [1] * 5
    assert yields["failed"] == 0
    assert [each.candidate for each in store.proposals()] == [chosen, *others]
    assert [each.id for each in store.browse.page(Filter())] == [seed, chosen]
    assert store.browse.count(Filter(), most=100) == 2
    assert [each.id for each in store.browse.page(Filter(state="screened"))] == others
    assert store.browse.count(Filter(state="screened"), most=100) == 3
    assert store.browse.count(Filter(operator="syntactic.mutate"), most=100) == 1
    assert store.children(seed) == [chosen]
    assert [each.id for each in store.browse.descendants(seed, most=10)] == [seed, chosen]
    assert {each.id for each in store.browse.ancestors([others[0]], most=10)} == {seed, others[0]}
    assert [trial.operator for trial in store.yields.trials_after(0)] == ["syntactic.mutate"]
    assert store.relatives.mendable() == []
    assert store.browse.failures() == {}
    assert store.recover() == []


def test_a_prediction_is_written_once_and_before_the_training(store: Store) -> None:
    chosen, others = pool(store, seeded(store))
    (next_one,) = store.draw("random", (), 1, {})
    told = Prediction(next_one.candidate, 2, "forest", 40, 0.2, 0.1, 0.4, 0.01, detail={"flops": 640.0})
    blind = Prediction(others[0], 1, "none", unscreened=True)
    store.predictions.put(told)
    store.predictions.put(blind)
    assert store.predictions.get(next_one.candidate) == told
    assert store.predictions.all() == [blind, told]
    assert store.predictions.get(chosen) is None
    for wrong in (replace(told, mean=0.9), Prediction(chosen, 1, "forest")):
        with pytest.raises(ArchiveError, match="expected one, before any evaluation"):
            store.predictions.put(wrong)
    with pytest.raises(ArchiveError, match="no candidate 99"):
        store.predictions.put(Prediction(99, 1, "forest"))
    assert store.predictions.all() == [blind, told]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(st.dictionaries(st.text("nodesflp", max_size=5), JSON, max_size=4), max_size=6))
@settings(max_examples=40, deadline=None)
def test_what_is_put_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, traces: list[dict[str, object]]
) -> None:
    with create(tmp_path_factory.mktemp("archive"), name="trial", seed=7) as store:
        drawn = store.draw("random", (), max(1, len(traces)), {})
        for proposal, trace in zip(drawn, traces, strict=False):
            store.traces.put(proposal.candidate, {"old": 1})
            store.traces.put(proposal.candidate, trace)
        expected = {proposal.candidate: trace for proposal, trace in zip(drawn, traces, strict=False)}
        assert store.traces.many([each.candidate for each in drawn] + [999]) == expected
        assert store.traces.get(999) is None
        with pytest.raises(ArchiveError, match="no candidate 999"):
            store.traces.put(999, {})


def second_version(folder: Path) -> None:
    """The archive as evoarch had it before screening."""
    with sqlite3.connect(folder / "archive.db", isolation_level=None) as db:
        (sql,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'candidates'").fetchone()
        indexes = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'candidates'"
            " AND sql IS NOT NULL"
        ).fetchall()
        db.execute(sql.replace('"candidates"', "old", 1).replace(", 'screened'", ""))
        db.execute("INSERT INTO old SELECT * FROM candidates")
        for statement in ("TABLE candidates", "TABLE traces", "TABLE predictions"):
            db.execute(f"DROP {statement}")
        db.execute("ALTER TABLE old RENAME TO candidates")
        for name, index in indexes:
            if name != "candidates_unscreened":
                db.execute(index)
        db.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm003_screened'")
    db.close()


def everything(store: Store) -> list[object]:
    return [store.candidates(), store.evaluations(), store.events(), store.proposals(), store.verdicts.all()]


def test_an_archive_of_the_second_version_is_read_as_it_is_and_upgraded_by_a_writer(tmp_path: Path) -> None:
    with create(tmp_path, name="trial", seed=7) as store:
        seed = seeded(store)
        chosen, _ = pool(store, seed, drafts=1)
        store.verdicts.add(seed, "pin")
        before = everything(store)
    second_version(tmp_path)
    with open_archive(tmp_path, write=False) as old:
        assert old.facts()["schema_version"] == 2
        assert everything(old) == before
        assert old.traces.many([seed, chosen]) == {}
        assert old.predictions.all() == []
        assert old.totals.counts() == {State.SCORED: 1}
        assert old.totals.screened() == 0
        with pytest.raises(ArchiveError):
            old.screen(seed, "", "", trace=None)
    with open_archive(tmp_path, write=True) as new:
        assert new.facts()["schema_version"] == 3
        assert everything(new) == before
        pool(new, seed)
        assert new.totals.screened() == 3
    with sqlite3.connect(tmp_path / "archive.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()


def test_an_upgrade_that_fails_leaves_the_archive_as_it_was(tmp_path: Path) -> None:
    with create(tmp_path, name="trial", seed=7) as store:
        pool(store, seeded(store), drafts=1)
    second_version(tmp_path)
    with sqlite3.connect(tmp_path / "archive.db") as db:
        db.execute("INSERT INTO parents VALUES (2, 1, 77)")
    db.close()
    with pytest.raises(ArchiveError, match="table parents names a candidate that is missing"):
        open_archive(tmp_path, write=True)
    with open_archive(tmp_path, write=False) as old:
        assert old.facts()["schema_version"] == 2
        assert len(old.candidates()) == 2


def test_a_committed_archive_opens_as_it_is_and_upgrades(tmp_path: Path) -> None:
    packed = Path(__file__).parents[2] / "results/mnist1d/random/seed-100.db.xz"
    (tmp_path / "archive.db").write_bytes(lzma.decompress(packed.read_bytes()))
    with open_archive(tmp_path, write=False) as store:
        assert store.facts()["schema_version"] == 2
        before = everything(store)
    with open_archive(tmp_path, write=True) as store:
        assert everything(store) == before
    with open_archive(tmp_path, write=False) as store:
        assert store.facts()["schema_version"] == 3
        assert everything(store) == before


def work(folder: Path, asked: Callable[[Store], object]) -> int:
    """How many thousand steps SQLite takes for it: what it costs, whatever else the machine does."""
    database = Database(folder / "archive.db", connect(folder / "archive.db", write=False), time.time)
    ticks = [0]

    def tick() -> int:
        ticks[0] += 1
        return 0

    database.connection.set_progress_handler(tick, 1000)
    with Store(folder, database) as store:
        asked(store)
    return ticks[0]


ASKED: dict[str, Callable[[Store], object]] = {
    **{order: lambda store, order=order: store.browse.page(Filter(), order_by=order) for order in ORDERS},
    "newest first": lambda store: store.browse.page(Filter(), descending=True),
    "count": lambda store: store.browse.count(Filter(), most=10_000),
    "of an operator": lambda store: store.browse.page(Filter(operator="syntactic.mutate")),
    "text": lambda store: store.browse.page(Filter(text="nothing has it")),
    "yields": lambda store: store.yields.by_operator(models=True),
    "descendants": lambda store: store.browse.descendants(2, most=50),
    "mendable": lambda store: store.relatives.mendable(),
    "source": lambda store: store.find_source("of nobody"),
}


@pytest.fixture(scope="module")
def few_and_many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folders = tmp_path_factory.mktemp("few"), tmp_path_factory.mktemp("many")
    for folder, drafts in zip(folders, (1, 4000), strict=True):
        with create(folder, name="trial", seed=7) as store, store.transaction():
            seed = seeded(store)
            for _ in range(20):
                pool(store, seed, drafts=1)
            pool(store, seed, drafts=drafts)
    return folders


@pytest.mark.parametrize("name", ASKED)
def test_lists_and_sums_cost_no_more_for_thousands_of_screened_drafts(
    few_and_many: tuple[Path, Path], name: str
) -> None:
    few, many = (work(folder, ASKED[name]) for folder in few_and_many)
    assert many <= few + 40, "expected fewer than 10 steps for each of them"

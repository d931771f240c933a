"""The model of a campaign over an archive that is written by hand: when it is fitted, and from what."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.measuring import RungTable
from evoarch.agent.surrogate.features import features
from evoarch.agent.surrogate.forest import Row
from evoarch.agent.surrogate.labels import Labels, arrivals, expected_rows, measured_rows, shares_of, thinned
from evoarch.agent.surrogate.surrogate import Surrogate
from evoarch.agent.surrogate.transfer import foreign_labels, helps
from evoarch.archive.records import Evaluation, Failed, Fault, Scored
from evoarch.archive.store import Store, create, open_archive
from evoarch.evaluators.fakes import StubTracer
from evoarch.evaluators.trace import Node, Trace
from kit.campaigns import config_of

RUNGS = (RungTable(share=0.1), RungTable(share=0.25))


def archive(folder: Path, seed: int = 5) -> Store:
    return create(folder, name="c", seed=seed)


def trace(params: int) -> Trace:
    return Trace((Node("a", "Linear", (10,), params, 2 * params, (-1,)),), params, 2 * params, 10)


def begun(store: Store, params: int, *, traced: bool = True) -> int:
    (drawn,) = store.draw("random", [], 1, {})
    store.arrive(drawn.candidate, f"size = {params}", f"{drawn.candidate}")
    store.start(drawn.candidate)
    if traced:
        store.traces.put(drawn.candidate, trace(params).as_json())
    return drawn.candidate


def scored(store: Store, candidate: int, error: float, rung: str = "full", note: str = "") -> None:
    outcome = Scored({"error": error, "params": 10.0})
    detail = {} if rung == "full" else {"decision": "stopped" if note else "promoted"}
    evaluation = Evaluation(candidate, rung, 0, outcome, 1.0, 1.0, detail=detail)
    if rung == "full":
        store.settle(evaluation)
    else:
        store.reach(evaluation, str(detail["decision"]), note=note)


def filled(store: Store, count: int, seed: int = 0, *, traced: bool = True) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        params = int(10 ** rng.uniform(2, 5))
        scored(store, begun(store, params, traced=traced), 10 ** (0.2 - 0.3 * len(str(params))))


def labels(store: Store) -> Labels:
    found = Labels(store, shares_of(RUNGS))
    found.read()
    return found


def test_of_many_labels_the_newest_and_whole_candidates_of_the_others_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = archive(tmp_path)
    for _ in range(60):
        candidate = begun(store, 100)
        for rung in ("rung1", "rung2", "full"):
            scored(store, candidate, 0.4, rung)
    known = labels(store).known(60)
    assert thinned(known, 1) is known
    monkeypatch.setattr("evoarch.agent.surrogate.labels.MOST_LABELS", 60)
    taken = thinned(known, 1)
    assert list(taken[-30:]) == list(known[-30:])
    drawn = [each.label.candidate for each in taken[:-30]]
    assert all(drawn.count(candidate) == 3 for candidate in drawn)
    assert 0 < len(drawn) < 75
    assert taken == thinned(known, 1) != thinned(known, 2)


def test_every_rung_is_a_row_and_a_child_that_failed_says_only_that_it_did(tmp_path: Path) -> None:
    store = archive(tmp_path)
    climbed, stopped, failed, lost = (begun(store, size) for size in (100, 200, 300, 400))
    scored(store, climbed, 0.4, "rung1")
    scored(store, stopped, 0.45, "rung1", note="rung1: weak")
    store.settle(Evaluation(failed, "full", 0, Failed("constraint", "above"), 1.0, 1.0))
    store.settle(Evaluation(lost, "full", 0, Failed("train", "gone", Fault.INFRASTRUCTURE), 1.0, 1.0))
    scored(store, climbed, 0.2)
    found = labels(store)
    assert len(found.ended) == 3
    rows = measured_rows(found.known(3), "error")
    assert [(row.share, row.value) for row in rows] == [(0.1, 0.4), (0.1, 0.45), (1.0, 0.2)]
    assert [row.value for row in measured_rows(found.known(1), "error")] == [0.4, 0.45]
    assert [row.value for row in arrivals(found.known(3))] == [0.0, 0.0, 1.0]


def test_of_who_was_stopped_the_last_rung_says_what_to_expect(tmp_path: Path) -> None:
    store = archive(tmp_path)
    early, late = begun(store, 100), begun(store, 200)
    scored(store, early, 0.8, "rung1", note="rung1: weak")
    scored(store, late, 0.4, "rung1", note="rung1: weak")
    for error in (0.1, 0.2, 0.4):
        candidate = begun(store, 300)
        scored(store, candidate, error, "rung1")
        scored(store, candidate, error**2)
    found = labels(store)
    assert expected_rows(found.known(5), "error") == []
    candidate = begun(store, 300)
    scored(store, candidate, 0.3, "rung1")
    scored(store, candidate, 0.09)
    found.read()
    rows = expected_rows(found.known(6), "error")
    assert [round(row.value, 6) for row in rows] == [0.64, 0.16]
    assert {row.share for row in rows} == {1.0}


def test_it_is_fitted_at_moments_that_follow_from_the_archive(tmp_path: Path) -> None:
    store = archive(tmp_path)
    config = config_of(surrogate={"drafts": 8, "start": 4, "refit": 3})
    surrogate = Surrogate(store, config)
    rows: list[Any] = []
    for _ in range(11):
        model = surrogate.model()
        rows.append(model and model.rows)
        fresh = Surrogate(store, config).model()
        assert (fresh and fresh.rows) == rows[-1]
        if model and fresh:
            asked = [trace(500)], [features(trace(500))], ["error"]
            assert (model.guesses(*asked) == fresh.guesses(*asked)).all()
        filled(store, 1, seed=len(rows))
    assert rows == [None] * 4 + [4] * 3 + [7] * 3 + [10]


def test_sizes_are_exact_and_errors_are_guessed(tmp_path: Path) -> None:
    store = archive(tmp_path)
    filled(store, 30)
    config = config_of(
        surrogate={"drafts": 8, "start": 4}, selection={"objectives": ["params", "error", "flops"]}
    )
    model = Surrogate(store, config).model()
    assert model is not None
    guesses = model.guesses([trace(500)], [features(trace(500))], ["params", "error", "flops"])[0]
    assert set(guesses[:, 0]) == {500.0}
    assert set(guesses[:, 2]) == {1000.0}
    assert len(set(guesses[:, 1])) > 1


def foreign(folder: Path, archives: list[str], seed: int = 5) -> Any:
    return asyncio.run(foreign_labels(folder, archives, seed, StubTracer(lambda source: trace(77))))


def test_other_archives_are_read_and_their_models_traced_where_they_were_not(tmp_path: Path) -> None:
    with archive(tmp_path / "a" / "one", seed=1) as store:
        filled(store, 4)
    with archive(tmp_path / "a" / "own", seed=5) as store:
        filled(store, 3, traced=False)
    (tmp_path / "here").mkdir()
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("archive.db")}
    assert len(foreign(tmp_path / "here", ["../a/one/archive.db"])) == 4
    # Of a pattern, a campaign of the same seed has the same validation examples.
    assert len(foreign(tmp_path / "here", ["../a/*"])) == 4
    assert len(foreign(tmp_path / "here", ["../a/*"], seed=6)) == 7
    named = foreign(tmp_path / "here", ["../a/own"])
    assert len(named) == 3
    assert {round(10 ** each.features[0]) for each in named} == {78}
    assert before == {path: path.read_bytes() for path in (tmp_path / "a").rglob("archive.db")}


@pytest.mark.parametrize("name", ["../nowhere", "../no/*/archive.db"])
def test_an_archive_that_is_not_there_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"surrogate\.archives: expected"):
        foreign(tmp_path, [name])
    (tmp_path / "archive.db").write_text("no database")
    with pytest.raises(UserError, match=r"surrogate\.archives: "):
        foreign(tmp_path, ["archive.db"])


def test_other_campaigns_pick_from_the_beginning_and_are_dropped_where_they_do_not_help(
    tmp_path: Path,
) -> None:
    with archive(tmp_path / "good", seed=1) as store:
        filled(store, 60)
    with archive(tmp_path / "bad", seed=2) as store:
        rng = random.Random(3)
        for _ in range(60):  # There larger models have the larger error.
            params = int(10 ** rng.uniform(2, 5))
            scored(store, begun(store, params), 10 ** (-2 + 0.3 * len(str(params))))
    config = config_of(surrogate={"drafts": 8, "start": 10, "refit": 5})
    for name, kept in (("good", True), ("bad", False)):
        own = archive(tmp_path / f"own-{name}")
        other = foreign(tmp_path, [name])
        first = Surrogate(own, config, other).model()
        assert first is not None
        assert first.rows == 60
        filled(own, 10, seed=9)
        later = Surrogate(own, config, other).model()
        assert later is not None
        if kept is False:
            assert later.rows == 10
            assert later.name == "forest"


def test_transfer_helps_where_it_ranks_better_than_a_size() -> None:
    rng = random.Random(1)

    def rows(count: int) -> list[Row]:
        flags = [float(rng.random() < 0.5) for _ in range(count)]
        return [
            Row((3.0 + 0.01 * n, 4.0, 1.0, f), 0.1, 0.2 - 0.1 * f + 0.0001 * n) for n, f in enumerate(flags)
        ]

    assert helps(rows(10), rows(80), 1)
    assert not helps(rows(10), [], 1)
    assert not helps(rows(3), rows(80), 1)
    sized = [Row((float(n), 4.0, 1.0, 0.0), 0.1, 0.5 / (n + 1)) for n in range(10)]
    assert not helps(sized, sized, 1)


def test_a_stopped_store_is_only_read(tmp_path: Path) -> None:
    with archive(tmp_path) as store:
        filled(store, 2)
    with open_archive(tmp_path, write=False) as reader:
        assert len(labels(reader).ended) == 2

"""Confirming again: under another recipe, after a failure, without the files; and what is shown then."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.results_confirmed import confirmed

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.agent.confirm.limits import limits_by_name
from evoarch.agent.confirm.record import FOLDER, OPENED, RETRAINED, ConfirmationRecord
from evoarch.agent.confirm.run import Confirmed, choose, shown
from evoarch.agent.evaluation.bench import with_time
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Failed, Fault
from evoarch.archive.store import Store, create, open_archive
from evoarch.evaluators.fakes import StubConfirmer
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.limits import Limits
from kit.command import evoarch, new_campaign
from kit.confirm_models import Failing, Killed, accuracy, archive, confirm

SLOW = Failed("train", "stopped at 60 s of wall clock; limit evaluation.wall_clock")
SHORT, LONG = {"evaluation.wall_clock": 60.0}, {"evaluation.wall_clock": 600.0}


def by_name(rows: list[Confirmed]) -> dict[str, Confirmed]:
    return {str(row.candidate.name): row for row in rows}


# Recipes


def test_results_of_another_recipe_stand_in_no_row(tmp_path: Path) -> None:
    store = archive(tmp_path)
    base, good, _ = choose(store, 0)
    confirm(store, StubConfirmer(lambda *_: 0.2), recipe="fast", candidates=[base])
    confirm(store, StubConfirmer(accuracy), candidates=[good])
    rows = by_name(shown(store, ConfirmationRecord(store, "full"), [base, good]))
    assert not rows["base"].tests
    assert not rows["good"].over
    assert rows["base"].openings == 1
    assert rows["base"].reason == "not retrained yet under full; tested under fast: `--recipe fast --show`"
    confirm(store, StubConfirmer(accuracy), candidates=[base, good], force=True)
    rows = by_name(shown(store, ConfirmationRecord(store, "full"), [base, good]))
    assert rows["base"].tests["fresh"].mean == pytest.approx(0.1, abs=0.02)
    assert [rows[name].openings for name in ("base", "good")] == [2, 2]
    (old,) = shown(store, ConfirmationRecord(store, "fast"), [base])
    assert old.tests["fresh"].mean == pytest.approx(0.8, abs=0.05)


def test_a_test_opened_under_another_recipe_is_opened_again_only_by_force(tmp_path: Path) -> None:
    store, stub = archive(tmp_path), StubConfirmer(accuracy)
    everyone = choose(store, 0)
    confirm(store, StubConfirmer(accuracy), recipe="fast", candidates=everyone[:2])
    said = r"candidate 1: its sealed test was opened on .* under recipe fast, and 1 more here under another"
    with pytest.raises(UserError, match=rf"{said} than full; `--recipe fast --show` shows") as refused:
        confirm(store, stub)
    assert "\n" not in str(refused.value)
    assert stub.trained == stub.opened == []
    rows = confirm(store, stub, force=True)
    assert [row.openings for row in rows] == [2, 2, 1]
    assert [event.detail["forced"] for event in store.events(kind=OPENED)][2:].count(True) == 2


def test_an_opening_goes_on_under_its_own_recipe_alone(tmp_path: Path) -> None:
    store = archive(tmp_path)
    with pytest.raises(RuntimeError, match="ended"):
        confirm(store, Killed(16), recipe="fast")
    (begun,) = [event.candidate for event in store.events(kind=OPENED)]
    with pytest.raises(UserError, match="it is not finished, and `--recipe fast` goes on with it"):
        confirm(store, StubConfirmer(accuracy))
    rows = confirm(store, StubConfirmer(accuracy), force=True)
    assert {row.candidate.id: row.openings for row in rows} == {1: 1, 2: 1, 3: 1} | {begun: 2}
    assert [opening.done for opening in ConfirmationRecord(store, "fast").own(begun or 0)] == [False]


def test_an_opening_goes_on_with_what_it_was_opened_for(tmp_path: Path) -> None:
    store = archive(tmp_path)
    with pytest.raises(RuntimeError, match="ended"):
        confirm(store, Killed(16))
    (opened,) = store.events(kind=OPENED)
    rows = {row.candidate.id: row for row in confirm(store, StubConfirmer(accuracy), seeds=5)}
    assert {identity: row.seeds for identity, row in rows.items()} == {1: 5, 2: 5, 3: 5} | {
        opened.candidate: 3
    }


# What failed


def failing(name: str, rate: float | None = None) -> Callable[[str, float, int], Failed | None]:
    return lambda found, at, _: SLOW if found == name and rate in (None, at) else None


def test_a_failed_training_is_tried_again_under_other_limits(tmp_path: Path) -> None:
    store = archive(tmp_path)
    rows = by_name(confirm(store, Failing(training=failing("good")), limits=SHORT))
    assert rows["good"].reason == f"train: {SLOW.reason}"
    same = StubConfirmer(accuracy)
    confirm(store, same, limits=SHORT)
    assert not same.trained
    more = StubConfirmer(accuracy)
    rows = by_name(confirm(store, more, limits=LONG))
    assert len(more.trained) == 5
    assert not rows["good"].reason
    assert rows["good"].tests
    assert rows["base"].openings == 1


def test_a_failure_recorded_without_its_limits_is_tried_again(tmp_path: Path) -> None:
    store, stub = archive(tmp_path), StubConfirmer(accuracy)
    (good,) = [candidate for candidate in choose(store, 0) if candidate.name == "good"]
    old = {"recipe": "full", "repeat": 0, "params": 10, "cpu_seconds": 1.0}
    store.event(RETRAINED, good.id, {**old, "rate": 0.5, "error": None, "reason": "train: too slow"})
    store.event(RETRAINED, good.id, {**old, "rate": 1.0, "error": 0.5, "reason": ""})
    confirm(store, stub, seeds=1, candidates=[good])
    assert [rate for _, rate, _ in stub.trained] == [0.5, 2.0]


def test_force_tries_a_failed_training_again(tmp_path: Path) -> None:
    store = archive(tmp_path)
    before = by_name(confirm(store, Failing(training=failing("good", 0.5)), limits=SHORT))["good"]
    assert before.rate != 0.5
    stub = StubConfirmer(accuracy)
    after = by_name(confirm(store, stub, force=True, limits=SHORT))["good"]
    assert len(stub.trained) == 3
    assert (after.rate, after.openings) == (0.5, 2)


@pytest.mark.parametrize("repeat", [0, 2])
def test_a_test_that_fails_blocks_nobody(tmp_path: Path, repeat: int) -> None:
    def test(name: str, _: float, at: int) -> Failed | None:
        return Failed("predict", "finite logits | expected") if (name, at) == ("good", repeat) else None

    store = archive(tmp_path)
    rows = by_name(confirm(store, Failing(test=test)))
    assert rows["good"].reason == "its test failed: predict: finite logits | expected"
    assert (rows["good"].openings, rows["good"].tests, rows["good"].over) == (1, {}, {})
    assert rows["base"].tests
    assert rows["lucky"].over
    with pytest.raises(UserError, match="sealed test was opened on"):
        confirm(store, StubConfirmer(accuracy))
    again = by_name(confirm(store, StubConfirmer(accuracy), force=True))
    assert again["good"].tests
    assert not again["good"].reason


def test_a_test_that_the_machine_failed_goes_on(tmp_path: Path) -> None:
    store = archive(tmp_path)
    fault = Failed("predict", "the walls are gone", Fault.INFRASTRUCTURE)
    with pytest.raises(UserError, match="candidate 2: its test: the walls are gone; the same command"):
        confirm(store, Failing(test=lambda name, *_: fault if name == "good" else None))
    rows = confirm(store, StubConfirmer(accuracy))
    assert [row.openings for row in rows] == [1, 1, 1]
    assert all(row.tests for row in rows)


def lost_at_first(times: int) -> Callable[[str, float, int], Failed | None]:
    """A fault of the machine, so many times in a row for each rate and seed of the good one."""
    asked: Counter[tuple[float, int]] = Counter()

    def fault(name: str, rate: float, repeat: int) -> Failed | None:
        asked[rate, repeat] += name == "good"
        lost = name == "good" and asked[rate, repeat] <= times
        return Failed("train", "the node is gone", Fault.INFRASTRUCTURE) if lost else None

    return fault


def test_what_the_machine_lost_is_asked_for_again_and_opened_once(tmp_path: Path) -> None:
    store = archive(tmp_path)
    rows = confirm(store, Failing(training=lost_at_first(2), test=lost_at_first(2)), retries=2)
    whole = confirm(archive(tmp_path / "whole"), StubConfirmer(accuracy))
    assert [row.tests for row in rows] == [row.tests for row in whole]
    assert all(row.openings == 1 and row.tests for row in rows)
    assert [event.detail["error"] is None for event in store.events(kind=RETRAINED)] == [False] * 15


def test_what_is_lost_each_time_ends_the_command(tmp_path: Path) -> None:
    store = archive(tmp_path)
    with pytest.raises(UserError, match="candidate 2: the node is gone; the same command goes on"):
        confirm(store, Failing(training=lost_at_first(3)), retries=2)
    assert all(row.tests for row in confirm(store, StubConfirmer(accuracy)))


def test_nobody_to_confirm_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no scored candidate to confirm") as refused:
        choose(create(tmp_path, name="c", seed=0), 3)
    assert refused.value.code == 1


# Files


def test_results_without_their_files_are_one_line(tmp_path: Path) -> None:
    store = archive(tmp_path)
    confirm(store, StubConfirmer(accuracy))
    path = tmp_path / FOLDER / "2-1.npz"
    path.write_bytes(b"cut off")
    with pytest.raises(ArchiveError, match=r"2-1\.npz: expected what candidate 2 got right"):
        shown(store, ConfirmationRecord(store, "full"), choose(store, 0))
    shutil.rmtree(path.parent)
    with pytest.raises(ArchiveError, match=r"1-1\.npz: expected .*\(No such file or directory\)$"):
        shown(store, ConfirmationRecord(store, "full"), choose(store, 0))


def test_results_that_find_no_room_are_one_line(tmp_path: Path) -> None:
    store = archive(tmp_path)
    (tmp_path / FOLDER).write_text("a file in the folder's place, as the file system refuses")
    with pytest.raises(ArchiveError, match=r"2-1\.npz: Not a directory"):
        confirm(store, StubConfirmer(accuracy))
    (tmp_path / FOLDER).unlink()
    assert [row.openings for row in confirm(store, StubConfirmer(accuracy))] == [1, 1, 1]


# The table


def test_a_row_shows_what_was_tested(tmp_path: Path) -> None:
    store = archive(tmp_path)
    everyone = choose(store, 0)
    first = by_name(confirm(store, StubConfirmer(accuracy), seeds=2, candidates=everyone[:2]))
    rows = by_name(confirm(store, StubConfirmer(accuracy), seeds=6))
    assert {name: row.seeds for name, row in rows.items()} == {"base": 2, "good": 2, "lucky": 6}
    assert replace(rows["base"], over={}) == replace(first["base"], over={})


def test_a_failed_training_is_not_among_the_seeds_tested(tmp_path: Path) -> None:
    def training(name: str, _: float, repeat: int) -> Failed | None:
        return SLOW if (name, repeat) == ("good", 1) else None

    rows = by_name(confirm(archive(tmp_path), Failing(training=training)))
    assert rows["good"].seeds == 2
    assert rows["good"].selection == pytest.approx((1 + 2 * 0.03) / 3)


def campaign(folder: Path) -> Store:
    return archive(new_campaign(folder, "--evaluations", "3"))


def test_the_command_says_why_a_row_has_no_result(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    store = campaign(folder)
    failed = Failed("predict", "a | b")
    confirm(store, Failing(test=lambda name, *_: failed if name == "good" else None))
    store.close()
    done = evoarch("confirm", str(folder), "--show")
    assert "\n#2: its test failed: predict: a | b\n" in done.output
    done = evoarch("confirm", str(folder), "--show", "--json")
    rows = json.loads(done.output)["rows"]
    assert [row["reason"] for row in rows] == ["its test failed: predict: a | b", "", ""]
    assert [row["opening"]["recipe"] for row in rows] == ["full"] * 3
    page = "\n".join(confirmed("c", rows, {}))
    assert r"; its test failed: predict: a \| b |" in page
    shutil.rmtree(folder / FOLDER)
    done = evoarch("confirm", str(folder), "--show")
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1


# Limits


def test_a_longer_recipe_has_longer_clocks(tmp_path: Path) -> None:
    campaign(tmp_path / "c").close()
    config = load(tmp_path / "c")
    task = load_task(config.campaign.task, tmp_path / "c")
    fast, full = task.recipes["fast"], task.recipes["full"]
    long = with_time(config, fast, full)
    usual = config.evaluation.limits()
    assert long.evaluation.limits() == replace(
        usual, wall_clock=10 * usual.wall_clock, cpu_seconds=10 * usual.cpu_seconds
    )
    assert long.trainer.wall_clock == 36_000.0
    assert with_time(config, full, fast) == config
    known = limits_by_name(long, task)
    assert known["evaluation.wall_clock"] == 10 * usual.wall_clock
    assert known != limits_by_name(config, task)
    assert not any(name.startswith("trainer.") for name in known)


@pytest.mark.slow
def test_the_command_gives_trainings_their_time_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Limits] = []

    def confirming(*_: object, limits: Limits, **__: object) -> StubConfirmer:
        given.append(limits)
        return Failing(training=failing("good"))

    monkeypatch.setattr("evoarch.agent.confirm.session.confirming", confirming)
    campaign(tmp_path / "c").close()
    done = evoarch("confirm", str(tmp_path / "c"), "--seeds", "1")
    assert done.exit_code == 0, done.output
    usual = load(tmp_path / "c").evaluation
    long = (10 * usual.wall_clock, 10 * usual.cpu_seconds)
    assert [(limits.wall_clock, limits.cpu_seconds) for limits in given] == [long]
    with open_archive(tmp_path / "c", write=False) as store:
        kept = [event.detail["limits"] for event in store.events(kind=RETRAINED)]
    assert len(kept) == 9
    assert all(isinstance(one, dict) and one["evaluation.wall_clock"] == long[0] for one in kept)

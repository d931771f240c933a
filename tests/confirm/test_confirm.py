"""Confirming: the same rates for all, one opening, what is claimed, and a search that cannot look."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.confirm.record import OPENED, ConfirmationRecord
from evoarch.agent.confirm.run import RATES, Confirmation, Confirmed, choose, shown
from evoarch.agent.statistics.paired import difference, estimate, improved
from evoarch.evaluators.fakes import StubConfirmer
from evoarch.evaluators.task import Split
from evoarch.evaluators.tasks import mnist1d
from evoarch.evaluators.tasks.mnist1d import Mnist1d, generator
from kit.command import evoarch, output_of, small_campaign
from kit.confirm_models import Killed, accuracy, archive, confirm
from kit.paths import ROOT


def test_everyone_gets_the_same_rates_and_the_ranking_is_not_the_searchs(tmp_path: Path) -> None:
    store, stub = archive(tmp_path), StubConfirmer(accuracy)
    rows = confirm(store, stub)
    assert [row.candidate.name for row in rows] == ["good", "base", "lucky"]
    assert all(row.rate == 0.5 and row.seeds == 3 and row.openings == 1 for row in rows)
    for digest in {digest for digest, _, _ in stub.trained}:
        rates = {rate for d, rate, repeat in stub.trained if d == digest and repeat == 0}
        assert rates == set(RATES)
    assert len(stub.trained) == len(set(stub.trained)) == 3 * (len(RATES) + 2)
    fresh = rows[0].tests["fresh"]
    assert fresh.low < 0.03 < fresh.high


def test_a_test_is_opened_once_and_again_only_by_force(tmp_path: Path) -> None:
    store, stub = archive(tmp_path), StubConfirmer(accuracy)
    confirm(store, stub)
    with pytest.raises(UserError, match="sealed test was opened on 20"):
        confirm(store, stub)
    assert len(stub.opened) == 9
    rows = confirm(store, stub, force=True)
    assert all(row.openings == 2 for row in rows)
    assert [event.detail["forced"] for event in store.events(kind=OPENED)] == [False] * 3 + [True] * 3


def test_a_further_candidate_opens_its_own_test_alone(tmp_path: Path) -> None:
    store, stub = archive(tmp_path), StubConfirmer(accuracy)
    record = ConfirmationRecord(store, "full")
    work = Confirmation(store, record, stub, "full", 1.0, 2, 1, lambda _: None)
    everyone = choose(store, 0)
    asyncio.run(work.run(everyone[:2], force=False))
    rows = asyncio.run(work.run(everyone, force=False))
    assert [row.openings for row in rows] == [1, 1, 1]
    assert len(stub.opened) == 6


@pytest.mark.parametrize("last", [0, 4, 9, 14, 16, 20, 23])
def test_ended_anywhere_it_goes_on_and_opens_once(tmp_path: Path, last: int) -> None:
    store = archive(tmp_path)
    with pytest.raises(RuntimeError, match="ended"):
        confirm(store, Killed(last))
    stub = StubConfirmer(accuracy)
    rows = confirm(store, stub)
    assert [row.openings for row in rows] == [1, 1, 1]
    whole = confirm(archive(tmp_path / "whole"), StubConfirmer(accuracy))
    assert [row.tests for row in rows] == [row.tests for row in whole]


def test_what_was_confirmed_can_be_shown_without_training(tmp_path: Path) -> None:
    store = archive(tmp_path)
    rows = confirm(store, StubConfirmer(accuracy))
    assert shown(store, ConfirmationRecord(store, "full"), choose(store, 0)) == rows
    other = shown(store, ConfirmationRecord(store, "paper"), choose(store, 0))
    assert all(row.selection is None for row in other)


def test_with_one_seed_the_rate_shown_is_the_one_that_was_tested(tmp_path: Path) -> None:
    rows = confirm(archive(tmp_path), StubConfirmer(lambda _, rate: 0.5 + 0.2 * rate), seeds=1)
    assert all((row.rate, row.seeds) == (2.0, 1) for row in rows)
    assert all(row.selection == pytest.approx(0.1, abs=0.02) for row in rows)


def right(rng: np.random.Generator, chances: Sequence[float], count: int) -> list[np.ndarray]:
    return [(rng.random(count) < chance).astype(np.float32) for chance in chances]


def test_intervals_hold_what_they_promise() -> None:
    """Of 400 confirmations with seeds that differ, about 95% of intervals hold the true error."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        chances = rng.normal(0.9, 0.01, 5)
        found = estimate(right(rng, chances.tolist(), 1000))
        held += found.low <= 0.1 <= found.high
    assert 0.93 <= held / 400 <= 0.995


def test_one_seed_or_no_error_at_all_still_gives_an_interval() -> None:
    assert estimate([np.ones(10, np.float32)]) == estimate([np.ones(10, np.float32)] * 3)
    single = estimate([np.array([1, 1, 1, 0], np.float32)])
    assert single.low <= single.mean == 0.25 <= single.high


def test_a_win_inside_the_noise_is_not_called_one() -> None:
    rng = np.random.default_rng(1)
    alike, better = right(rng, [0.90] * 5, 2000), right(rng, [0.95] * 5, 2000)
    assert not improved(alike, right(rng, [0.90] * 5, 2000))
    assert improved(better, alike)
    assert difference(better, alike).mean == pytest.approx(-difference(alike, better).mean)


def test_fresh_examples_stand_on_the_published_scale() -> None:
    values, labels = generator.raw(5000, generator.PUBLISHED_SEED)
    mean, deviation = float(values.mean()), float(values.std())
    assert pytest.approx((mean, deviation), rel=1e-12) == (generator.MEAN, generator.DEVIATION)
    splits = Mnist1d().splits(0)
    published = {row.tobytes() for row in np.concatenate([splits.train.inputs, splits.validation.inputs])}
    mine = {row.tobytes() for row in ((values - mean) / deviation).astype(np.float32)}
    assert published <= mine
    assert np.bincount(labels).tolist() == [500] * 10
    one, same, other = (generator.fresh(50, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.inputs, same.inputs)
    assert not {row.tobytes() for row in one.inputs} & {row.tobytes() for row in other.inputs}


NAMES = {"selection_splits", "sealed_tests"}


def _modules() -> list[Path]:
    return [
        path
        for room in ("agent", "prompts", "sandbox", "evaluators", "archive")
        for path in (ROOT / room).rglob("*.py")
    ]


def test_only_the_sealed_module_asks_a_task_for_its_sealed_splits() -> None:
    asking = set()
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = (isinstance(node, ast.Attribute) and node.attr in NAMES) or (
                isinstance(node, ast.Constant) and node.value in NAMES
            )
            if named:
                asking.add(path.relative_to(ROOT).as_posix())
    assert asking == {"evaluators/sealed.py"}


def test_only_confirmation_uses_the_sealed_module() -> None:
    using = set()
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "evoarch.evaluators.sealed":
                using.add((path.relative_to(ROOT).as_posix(), tuple(alias.name for alias in node.names)))
    asks = {path for path, names in using if set(names) - {"Graded"}}
    # What a user runs on a task of their own under pytest; no room imports it.
    assert asks - {"evaluators/contract.py"} == {"agent/confirm/run.py", "agent/confirm/session.py"}
    assert not any("evoarch.evaluators.contract" in path.read_text("utf-8") for path in _modules())
    assert {path for path, _ in using} - asks == {
        "agent/confirm/record.py",
        "evaluators/fakes.py",
        "evaluators/tasks/clrs/confirmer.py",
    }


def test_only_the_confirmer_asks_clrs_for_its_test() -> None:
    """Drawing and verifying the caches goes through all splits; what trains and grades names its own."""
    tasks = ROOT / "evaluators/tasks/clrs"
    opened, asked = set(), set()
    for path in tasks.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if name == "read_split":
                    opened.add(path.name)
                elif name == "ClrsEvaluator" and any(key.arg == "split" for key in node.keywords):
                    asked.add(path.name)
    assert asked == {"confirmer.py"}
    assert "evaluator.py" in opened
    outside = {p for p in _modules() if tasks not in p.parents and "read_split" in p.read_text("utf-8")}
    assert outside == set()


def _searched(folder: Path) -> list[tuple[object, ...]]:
    from evoarch.archive.store import open_archive

    small_campaign(folder, "--evaluations", "3")
    output_of("run", str(folder), "--set", "evaluation.workers=1")
    with open_archive(folder, write=False) as store:
        return [
            (c.source, c.state, [c.metrics.get(k) for k in ("error", "params")]) for c in store.candidates()
        ]


@pytest.mark.slow
def test_a_search_is_the_same_where_the_sealed_targets_are_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _searched(tmp_path / "a")

    def noise(split: Split) -> Split:
        return Split(split.inputs, np.random.default_rng().integers(0, 10, len(split.targets)))

    train, test = mnist1d._dataset()
    monkeypatch.setattr(mnist1d, "_dataset", lambda: (train, noise(test)))
    monkeypatch.setattr(mnist1d, "fresh", lambda count, seed: noise(generator.fresh(count, seed)))

    def tripwire(self: Mnist1d, seed: int) -> object:
        raise AssertionError("a search asked for a sealed split")

    for name in NAMES:
        monkeypatch.setattr(Mnist1d, name, tripwire)
    assert _searched(tmp_path / "b") == found


@pytest.mark.slow
def test_confirm_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist1d, "SELECTION", 200)
    monkeypatch.setattr(mnist1d, "FRESH", 300)
    folder = tmp_path / "c"
    _searched(folder)
    command = ["confirm", str(folder), "--top", "1", "--seeds", "2", "--recipe", "fast"]
    done = evoarch(*command, "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert {"conv_base", "mlp"} <= {row["name"] for row in rows}
    assert set(rows[0]["tests"]) == {"fresh", "public"}
    latency = {row["name"]: row["latency"] for row in rows}
    assert latency["conv_base"]["ratio"] == 1.0
    assert all(found["low"] <= found["ratio"] <= found["high"] for found in latency.values())
    assert all(row["flops"] > row["params"] for row in rows)
    again = evoarch(*command)
    assert again.exit_code == 1
    assert "sealed test was opened on" in again.output
    assert "conv_base" in evoarch(*command, "--show").output


def test_a_candidate_that_knows_the_validation_split_by_heart_is_doubted(tmp_path: Path) -> None:
    with archive(tmp_path) as store:
        candidate = store.scored()[0]
        searched = candidate.metrics["error"]
        assert not Confirmed(candidate, False, selection=2 * searched + 0.05).doubt
        assert not Confirmed(candidate, False, selection=searched / 2).doubt
        assert not Confirmed(candidate, False).doubt
        assert "table of labels" in Confirmed(candidate, False, selection=2 * searched + 0.15).doubt

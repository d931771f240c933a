"""Comparing arms: overlays, runs that resume, statistics with known values, what is said."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import sem, t

from evoarch.agent.base.errors import UserError
from evoarch.agent.compare.arms import ARMS, find
from evoarch.agent.compare.comparison import compared
from evoarch.agent.compare.curves import REFERENCE, Curve, Point, curve_of
from evoarch.agent.compare.page import chart, write
from evoarch.agent.compare.runs import plan
from evoarch.agent.config.load import load
from evoarch.agent.config.overlay import overlaid
from evoarch.agent.config.profiles import PROFILES
from evoarch.agent.statistics.objectives import Region
from evoarch.agent.statistics.tests import (
    differences,
    effect,
    holm,
    interval,
    least_p,
    permutation,
    values_needed,
)
from evoarch.archive.outlays import Outlay
from kit.command import evoarch, new_campaign, small_campaign
from kit.curves import flat

values = st.lists(st.floats(-5, 5), min_size=2, max_size=5)


SETTINGS = ("--evaluations", "2", "--seed", "7")


def test_an_overlay_merges_tables_and_replaces_lists() -> None:
    data = {"budget": {"evaluations": 5, "tokens": 1}, "operators": [{"name": "random"}], "lm": [1]}
    merged = overlaid(data, {"budget": {"evaluations": 9}, "operators": [], "selection": {"method": "x"}})
    assert merged == {
        "budget": {"evaluations": 9, "tokens": 1},
        "operators": [],
        "lm": [1],
        "selection": {"method": "x"},
    }


@pytest.mark.parametrize("arm", sorted([*ARMS, *PROFILES]))
def test_every_built_in_arm_is_a_whole_configuration(tmp_path: Path, arm: str) -> None:
    folder = new_campaign(tmp_path / "c", *SETTINGS)
    (run,) = plan(folder, {arm: 1})
    config = load(run.folder)
    assert (config.campaign.seed, config.campaign.profile, config.evaluation.workers) == (7, arm, 1)


def test_runs_share_seeds_and_stand_in_a_balanced_order(tmp_path: Path) -> None:
    folder = new_campaign(tmp_path / "c", *SETTINGS)
    runs = plan(folder, {"syntactic": 3, "random": 2})
    assert [(run.arm, run.seed) for run in runs] == [
        ("syntactic", 7),
        ("random", 7),
        ("syntactic", 8),
        ("random", 8),
        ("syntactic", 9),
    ]
    assert plan(folder, {"syntactic": 3, "random": 2}) == runs


def test_another_configuration_does_not_mix_with_what_was_begun(tmp_path: Path) -> None:
    folder = new_campaign(tmp_path / "c", *SETTINGS)
    plan(folder, {"random": 1})
    with pytest.raises(UserError, match="begun under another configuration"):
        plan(folder, {"random": 1}, evaluations=99)


def test_an_own_arm_and_an_unknown_one(tmp_path: Path) -> None:
    folder = new_campaign(tmp_path / "c", *SETTINGS)
    (folder / "arms").mkdir()
    (folder / "arms" / "wide.toml").write_text("[constraints]\nparams = 100000\n")
    assert find(folder, "wide")[1] == {"constraints": {"params": 100000}}
    with pytest.raises(UserError, match="nearest known: random"):
        find(folder, "randm")
    (folder / "arms" / "bad.toml").write_text("[")
    with pytest.raises(UserError, match=r"bad\.toml: not valid TOML"):
        find(folder, "bad")


@pytest.mark.parametrize(
    ("arms", "said"), [("a:0", "NAME:SEEDS"), ("a,,b", "NAME:SEEDS"), ("x", "no arm 'x'")]
)
def test_bad_arms_get_one_line(tmp_path: Path, arms: str, said: str) -> None:
    folder = new_campaign(tmp_path / "c", *SETTINGS)
    done = evoarch("compare", str(folder), "--arms", arms)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.slow
def test_arms_are_run_once_and_reported(tmp_path: Path) -> None:
    folder = small_campaign(tmp_path / "c", *SETTINGS)
    command = ["compare", str(folder), "--arms", "random,grammar-random", "--seeds", "1", "--json"]
    done = evoarch(*command)
    assert done.exit_code == 0, done.output
    archives = sorted((folder / "compare").glob("*/*/archive.db"))
    assert len(archives) == 2
    before = [path.stat().st_mtime_ns for path in archives]
    again = evoarch(*command)
    assert again.exit_code == 0
    assert [path.stat().st_mtime_ns for path in archives] == before
    found = json.loads(again.stdout)
    assert {table["measure"] for table in found["tables"]} == {"hypervolume", "fitness", "error"}
    assert "cannot be told apart by 1 and 1 runs" in found["words"][0]
    assert [each["limits"] for each in found["sizes"]] == [[1740, 3634, 5210]] * 2
    assert (folder / "compare" / "report.html").read_text().count("<svg") == 7
    assert (folder / "compare" / "report.md").exists()


def outlay(
    candidate: int, count: int, cpu: float, error: float, *, kind: str = "search", seed: int = 0
) -> Outlay:
    return Outlay(candidate, kind, seed, count, cpu, {"error": error, "params": 1000.0} if error else {})


def test_a_curve_takes_first_seeds_only_and_holds_its_best() -> None:
    curve = curve_of(
        [
            outlay(1, 0, 2.0, 0.2, kind="seed"),
            outlay(2, 1, 3.0, 0.3),
            outlay(3, 2, 5.0, 0.0),
            outlay(4, 3, 6.0, 0.1),
            outlay(4, 3, 9.0, 0.01, kind="repeat", seed=1),
        ],
        "a",
        0,
    )
    assert [point.error for point in curve.points] == [0.2, 0.2, 0.2, 0.1]
    assert curve.at_evaluations(2).error == 0.2
    assert curve.at_seconds(6.0).evaluations == 3
    assert curve.at_seconds(0.1) == curve.points[0]
    assert curve.points[-1].fitness == pytest.approx(2.0)
    assert curve.points[-1].hypervolume == pytest.approx((REFERENCE["error"] - 0.1) * 3)


def sized(seed: int, *models: tuple[float, float]) -> Curve:
    """A run whose seeds have 1,000 and 8,000 parameters and errors of 0.5, then these (error, params)."""
    seeds = [(0.5, 1000.0), (0.5, 8000.0)]
    rows = [*((0, model) for model in seeds), *enumerate(models, 1)]
    outlays = [
        Outlay(n, "search" if at else "seed", 0, at, float(n), {"error": error, "params": params})
        for n, (at, (error, params)) in enumerate(rows, 1)
    ]
    return curve_of(outlays, "a", seed)


def test_arms_are_compared_at_sizes_too() -> None:
    """Thirds of the way from the smallest seed to the largest in log size, or the task's own sizes."""
    runs = [sized(0, (0.2, 1500.0), (0.1, 7000.0)), sized(1, (0.3, 100.0), (0.4, 50.0))]
    found = compared({"a": "one"}, runs).sizes[0]
    assert (found.axis, found.budget, found.limits) == ("evaluations", 2, (2000, 4000, 8000))
    assert found.values["a"] == {2000: (0.2, 0.3), 4000: (0.2, 0.3), 8000: (0.1, 0.3)}
    assert found.summary("a", 2000)[0] == pytest.approx(0.25)
    assert "with at most 2,000 / 4,000 / 8,000 parameters, mean over runs: a 0.250 / 0.250 / 0.200" in (
        " ".join(compared({"a": "one"}, runs).words)
    )
    assert compared({"a": "one"}, runs, task="mnist1d").sizes[0].limits == (1740, 3634, 5210)


def test_the_attainment_curve_is_what_half_of_the_runs_reach() -> None:
    runs = [sized(0, (0.2, 1500.0)), sized(1, (0.3, 100.0)), sized(2, (0.1, 3000.0))]
    found = compared({"a": "one"}, runs).sizes[0]
    # Two of three have an error of 0.3 at 1,500 parameters, and of 0.2 at 3,000.
    assert found.attained["a"] == ((1000.0, 0.5), (1500.0, 0.3), (3000.0, 0.2))
    assert [found.at("a", size) for size in (999, 1000, 2000, 1e5)] == [None, 0.5, 0.3, 0.2]


def test_a_run_without_any_model_holds_the_attainment_curve_back() -> None:
    empty = curve_of([Outlay(1, "search", 0, 1, 1.0, {})], "a", 1)
    found = compared({"a": "one"}, [sized(0, (0.2, 1500.0)), empty], task="mnist1d").sizes[0]
    assert found.values["a"][1740] == (0.2, 1.0)
    alone = compared({"a": "one"}, [empty]).sizes[0]
    assert (alone.limits, alone.attained, alone.values) == ((), {"a": ()}, {"a": {}})


def test_the_page_has_the_sizes(tmp_path: Path) -> None:
    runs = [sized(0, (0.2, 1500.0)), sized(1, (0.3, 100.0))]
    write(compared({"a": "one"}, runs), tmp_path, "t")
    text = (tmp_path / "report.md").read_text()
    assert "| arm | 2,000 | 4,000 | 8,000 |" in text
    assert "| a | 0.300 | 0.300 | 0.300 | 0.200 | 0.200 | 0.200 | 0.200 |" in text
    assert 'data-chart="attained"' in (tmp_path / "report.html").read_text()


def test_the_hypervolume_of_a_region() -> None:
    region = Region({"params": (1000.0, 10_000.0)})
    outlays = [Outlay(1, "search", 0, 1, 1.0, {"error": 0.2, "params": 100.0})]
    (point,) = curve_of(outlays, "a", 0, region).points
    assert point.hypervolume == pytest.approx(0.3)
    said = compared({"a": "one"}, [curve_of(outlays, "a", 0, region)], region=region).cautions[-1]
    assert said == "The hypervolume counts the campaign's region alone: params 1,000 to 10,000."


def test_known_values_of_the_statistics() -> None:
    assert permutation([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == (pytest.approx(2 / 252), True)
    assert least_p(5, 5) == pytest.approx(2 / 252)
    assert permutation([1], [2, 3]) == (1.0, True)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert effect([1, 2], [0, 2]) == 0.625
    assert interval([1.0, 2.0, 3.0])[1:] == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    assert interval([2.0]) == (2.0, 2.0, 2.0)


@given(values, values)
@example([0.0, 1.2e-133], [0.0, 1.2e-133])
@example([0.0, 0.0, 0.0, 0.0, 4.0], [0.0, 0.0, 3.2785328058957236e-05, 3.2785328058957236e-05, 4.0])
def test_a_difference_turns_its_sign_with_its_arms(a: list[float], b: list[float]) -> None:
    (there,) = differences({"a": a, "b": b}, up=True)
    (back,) = differences({"b": b, "a": a}, up=True)
    assert there.mean == pytest.approx(-back.mean)
    assert there.effect == pytest.approx(1 - back.effect)
    assert there.p == pytest.approx(back.p)
    assert 0 < there.p <= there.corrected <= 1


def test_runs_that_bred_nothing_have_a_page(tmp_path: Path) -> None:
    seeds_only = [Curve("a", seed, (Point(0, 1.0, 0.5, 3.0, 0.4),)) for seed in range(2)]
    written = write(compared({"a": "one"}, seeds_only), tmp_path, "c")
    assert written[-1].read_text().count("<svg") == 7


def test_what_is_said_follows_from_the_test() -> None:
    arms = {"a": "one", "b": "other"}
    apart = [flat("a", s, 1 + s / 100) for s in range(5)] + [flat("b", s, s / 100) for s in range(5)]
    assert "a is better than b" in compared(arms, apart).words[0]
    alike = [flat("a", s, s / 100) for s in range(5)] + [flat("b", s, s / 100) for s in range(5)]
    assert "nothing says that a and b differ" in compared(arms, alike).words[0]
    few = [flat("a", s, 1) for s in range(2)] + [flat("b", s, 0) for s in range(2)]
    assert "cannot be told apart by 2 and 2 runs" in compared(arms, few).words[0]
    assert any(
        "Not all runs are finished (b: 3 to go)" in line for line in compared(arms, few, {"b": 3}).words
    )
    assert math.isclose(compared(arms, few).tables[0].budget, 5)


def test_a_pair_that_is_not_told_apart_is_refused_with_the_runs_it_would_take() -> None:
    arms = {"a": "one", "b": "other"}
    few = [flat("a", s, 1 + s) for s in range(3)] + [flat("b", s, s) for s in range(3)]
    (refused,) = compared(arms, few).as_json()["tables"][0]["differences"]  # type: ignore[index]
    assert (refused["told_apart"], refused["runs_needed"]) == (False, 16), (
        "Cohen (1988), table 2.3.5, less one"
    )
    assert refused["refused"] == "the budget is too small to tell these apart: need about 16 runs of each"
    apart = [flat("a", s, 9 + s) for s in range(5)] + [flat("b", s, s) for s in range(5)]
    (claimed,) = compared(arms, apart).as_json()["tables"][0]["differences"]  # type: ignore[index]
    assert claimed["told_apart"]
    assert "refused" not in claimed
    assert values_needed([0.0, 9.0], [90.0, 99.0]) == 4, "3 against 3 give no p below 0.1"
    assert values_needed([0.0, 9.0], [90.0, 99.0], pairs=6) == 5
    assert values_needed([1.0, 2.0], [2.0, 1.0]) is None


def test_the_band_of_the_chart_is_the_interval_of_the_table() -> None:
    """Three runs, where 1.96 standard errors would be less than half of Student's t."""
    runs = [flat(arm, seed, height) for arm in "ab" for seed, height in enumerate((1.0, 1.3, 1.9))]
    result = compared({"a": "one", "b": "other"}, runs)
    for table in result.tables:
        drawn = chart(result, table.measure, table.axis)
        for band, line, arm in zip(drawn.bands, drawn.lines, table.values, strict=True):
            mean, low, high = table.summary(arm)
            assert line.points[-1] == (table.budget, pytest.approx(mean))
            assert band.points[-1][1:] == pytest.approx((low, high))
            assert low == high or (high - low) / 2 == pytest.approx(
                float(t.ppf(0.975, 2) * sem(table.values[arm]))
            )

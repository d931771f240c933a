"""Charts: axes that can be read, intervals, and curves that end where the numbers are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoarch.agent.analysis.overview import Overview, read_overview
from evoarch.agent.config.load import load
from evoarch.agent.report.figures import charts, curves_figure, front_figure
from evoarch.agent.report.svg import Axis, draw
from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import Store, open_archive
from kit.published import unpacked

Campaign = tuple[Store, Overview]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    folder = unpacked(tmp_path_factory.mktemp("published") / "small")
    with open_archive(folder, write=False) as store:
        yield store, read_overview(store, load(folder))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(1e-4, 1e9), min_size=1, max_size=5), st.booleans(), st.sampled_from([1.0, 1e-4]))
def test_every_axis_has_ticks_inside_it(values: list[float], log: bool, least: float) -> None:
    axis = Axis.over("x", values, log=log, least=least)
    ticks = axis.ticks()
    assert len(ticks) >= 2
    assert all(-1e-9 <= axis.share(tick) <= 1 + 1e-9 for tick in ticks)
    assert all(0 <= axis.share(value) <= 1 for value in values)


def test_the_front_has_intervals_a_legend_and_an_axis_to_choose(campaign: Campaign) -> None:
    store, overview = campaign
    points = store.browse.points(overview.plotted)
    linear, log = (front_figure(overview, points, log=log) for log in (False, True))
    # This front's errors differ by a factor of 30.
    assert front_figure(overview, points).y.log
    assert (linear.y.log, log.y.log) == (False, True)
    drawn = str(draw(log))
    marked = len(overview.status.front) + len(overview.status.seeds)
    spans = re.findall(r'<line class="span [^"]*" x1="[\d.]+" x2="[\d.]+" y1="([\d.]+)" y2="([\d.]+)"', drawn)
    assert len(spans) >= marked - 4  # a seed on the front is drawn once
    assert all(float(low) > float(high) for low, high in spans)
    for words in ("front", "seed", "other scored", "95%"):
        assert f">{words}</text>" in drawn
    # An error of 0.02 is lower than one of 0.03 by more on a logarithmic axis.
    assert log.y.share(0.03) - log.y.share(0.02) > 3 * (linear.y.share(0.03) - linear.y.share(0.02))


def test_curves_end_at_the_means_and_show_the_first_seeds_apart(campaign: Campaign) -> None:
    _, overview = campaign
    best = overview.status.bests["error"]
    last = overview.steps[-1]
    assert (last.lowest, last.lowest_error) == (best.id, best.error)
    assert best.interval is not None
    assert (last.low, last.high) == (best.interval.low, best.interval.high)
    # The luckiest first seed is below any mean.
    assert overview.first_steps[-1].lowest_error < last.lowest_error
    chart = next(c for c in charts(overview, []) if c.figure == "lowest_error-evaluations")
    assert [line.kind for line in chart.lines] == ["faint", "history"]
    assert chart.lines[1].points[-1][1] == best.error
    assert chart.bands
    assert all(low <= high for _, low, high in chart.bands[0].points)


def test_the_best_has_its_criterion(campaign: Campaign) -> None:
    _, overview = campaign
    bests = overview.status.bests
    assert set(bests) == {"error", "params", "knee"}
    front = overview.status.front
    assert bests["error"].error == min(point.metrics["error"] for point in front)
    assert bests["params"].params == min(point.metrics["params"] for point in front)
    assert bests["knee"].id in {point.id for point in front} - {bests["error"].id, bests["params"].id}


def evaluation(rung: str, seed: int, curve: list[float], **detail: object) -> Evaluation:
    outcome = Scored({"error": 0.1, "params": 1.0})
    return Evaluation(7, rung, seed, outcome, 1.0, 1.0, detail={"curve": curve, **detail})


def test_curves_of_rungs_and_seeds_share_one_axis_of_steps() -> None:
    shares = {"rung1": 0.1, "rung2": 0.25, "full": 1.0}
    ours = [
        evaluation("rung1", 0, [3.0, 2.5], steps=40),
        evaluation("rung2", 0, [2.0, 1.5], steps=100),
        evaluation("full", 0, [1.0, 0.5, 0.2]),
        evaluation("full", 1, [3.0, 0.4]),
    ]
    chart = curves_figure(ours, shares, [evaluation("full", 0, [2.0, 0.9])])
    assert chart is not None
    parent, first, further = chart.lines
    assert [round(x) for x, _ in first.points] == [20, 40, 70, 100, 200, 300, 400]
    assert [y for _, y in first.points] == [3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.2]
    assert [round(x) for x, _ in further.points] == [200, 400]
    assert [round(x) for x, _ in parent.points] == [200, 400]
    assert chart.x.label == "training step"
    assert [words for _, words in chart.legend] == ["first seed", "further seeds", "parent #7"]
    alone = curves_figure([evaluation("full", 0, [1.0, 0.5])], {"full": 1.0})
    assert alone is not None
    assert (alone.x.label, [x for x, _ in alone.lines[0].points]) == ("% of the training", [50.0, 100.0])
    assert curves_figure([evaluation("full", 0, [])], {"full": 1.0}) is None

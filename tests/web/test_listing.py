"""Lists and pictures of the review page: what they filter and sort by, and that no cut is silent."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evoarch.agent.analysis.failures import failure_reasons, flows, pattern
from evoarch.agent.config.load import load
from evoarch.agent.report.document import MOST_SHOWN, as_html, as_markdown, read_report
from evoarch.agent.report.lineage import MOST
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.statistics.front import elites as front_members
from evoarch.agent.web.app import create_app
from evoarch.archive.filters import Filter, parse
from evoarch.archive.records import State
from evoarch.archive.store import create, open_archive
from evoarch.evaluators.tasks import load_task
from kit.command import evoarch, output_of
from kit.published import unpacked

ID = re.compile(r'<td class="n"><a href="/candidates/(\d+)"')


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,110 candidates, of which 14 are on the front."""
    return unpacked(tmp_path_factory.mktemp("published") / "small")


@pytest.fixture(scope="module")
def client(campaign: Path) -> Iterator[TestClient]:
    with TestClient(create_app(campaign), base_url="http://127.0.0.1:8321") as client:
        yield client


def listed(client: TestClient, **query: str) -> list[int]:
    return [int(found) for found in ID.findall(client.get("/candidates", params=query).text)]


def test_the_front_is_drawn_in_the_metrics_that_are_chosen(client: TestClient) -> None:
    def front(query: str) -> str:
        return client.get(f"/{query}").text.split('data-chart="front"')[1].split("</svg>")[0]

    assert ">flops</text>" in front("?x=flops")
    assert ">train_seconds</text>" in front("?x=flops&y=train_seconds&axis=log")
    assert 'class="line front"' not in front("?x=flops")
    assert 'class="line front"' in front("?axis=linear")
    assert front("?axis=linear") != front("?axis=log")
    assert front("?x=<b>&y=nothing") == front("?x=params&y=error")


def test_a_candidate_tells_how_it_came_about(client: TestClient, campaign: Path) -> None:
    text = client.get("/candidates/888").text
    steps = text.split('<ol class="steps">')[1].split("</ol>")[0]
    line = [int(found) for found in re.findall(r'<li><a href="/candidates/(\d+)"', steps)]
    assert line[-1] == 888
    with open_archive(campaign, write=False) as store:
        for one, other in pairwise(line):
            assert store.candidate(other).parents[0] == one
        assert store.candidate(line[0]).operator == "seed"
    assert re.search(r"error [+-]0\.\d+ \([+-]0\.\d+ to [+-]0\.\d+\)", steps)
    assert "descent" not in client.get("/candidates/1").text


def test_a_list_says_how_many_of_how_many_and_leads_to_the_rest(client: TestClient) -> None:
    text = client.get("/candidates?q=stage:dry_run").text
    assert "1 to 50 of 52 candidates" in text
    assert "51 to 52 of 52" in client.get("/candidates?q=stage:dry_run&page=2").text
    assert "page=2" in text
    assert "q=stage%3Adry_run" in text


def test_a_filter_is_the_same_on_the_page_and_in_the_terminal(client: TestClient, campaign: Path) -> None:
    where = "error<0.2 params<3k op:syn* front:yes"
    shown = listed(client, q=where, sort="flops")
    said = evoarch("list", str(campaign), where, "--sort", "flops", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(said)))
    assert shown == [int(row["id"]) for row in rows]
    assert shown
    assert all(float(row["error"]) < 0.2 and float(row["params"]) < 3000 for row in rows)
    flops = [float(row["flops"]) for row in rows]
    assert flops == sorted(flops)
    assert client.get("/candidates.csv", params={"q": where, "sort": "flops"}).text == said


def test_why_a_child_failed_stands_in_its_row(client: TestClient, campaign: Path) -> None:
    text = client.get("/candidates?q=stage:build").text
    assert '<td class="why">build: ' in text
    assert "build: " in output_of("list", str(campaign), "stage:build")
    chosen = output_of("list", str(campaign), "stage:build", "--columns", "stage,why").splitlines()
    head = next(number for number, line in enumerate(chosen) if line.split() == ["id", "stage", "why"])
    assert any(line.split()[1:3] == ["build", "build:"] for line in chosen[head:])


def test_a_filter_that_can_not_be_read_is_told_and_nothing_breaks(client: TestClient, campaign: Path) -> None:
    answer = client.get("/candidates?q=staet:failed")
    assert answer.status_code == 200
    assert "unknown key staet; did you mean state?" in answer.text
    refused = client.get("/candidates.csv?q=error<<")
    assert refused.status_code == 400
    assert "expected a number" in refused.text
    done = evoarch("list", str(campaign), "flopss<3")
    assert done.exit_code == 2
    assert "nothing here has a flopss; did you mean flops?" in done.output
    assert evoarch("list", str(campaign), "--sort", "flopss").exit_code == 2
    assert "known: " in evoarch("list", str(campaign), "--columns", "?").output


def test_a_limit_is_told(campaign: Path) -> None:
    done = evoarch("list", str(campaign), "--limit", "3")
    assert "3 of 1,110 candidates" in done.output


def test_no_cell_of_a_spreadsheet_is_a_formula(tmp_path: Path) -> None:
    with create(tmp_path, name="trial", seed=0) as store:
        (one,) = store.draw("random", [], 1, {})
        store.reject(one.candidate, "x", "=cmd|' /C calc'!A0")
    write_campaign(tmp_path, load_task("mnist1d"), name="trial", seed=0, evaluations=2, lm="none")
    with TestClient(create_app(tmp_path), base_url="http://127.0.0.1") as client:
        (row,) = csv.DictReader(io.StringIO(client.get("/candidates.csv").text))
    assert row["reason"] == "'=cmd|' /C calc'!A0"


def test_a_picture_of_descent_says_what_it_leaves_out_and_keeps_the_best(
    client: TestClient, campaign: Path
) -> None:
    text = client.get("/lineage/30").text
    with open_archive(campaign, write=False) as store:
        total = len({*store.browse.related([30], up=True), *store.browse.related([30], up=False)})
        elites = [e.id for e in front_members(store, load(campaign))]
        below = set(store.browse.related([30], up=False))
    drawn = [int(found) for found in re.findall(r'data-candidate="(\d+)"', text)]
    assert len(drawn) == len(set(drawn)) == MOST < total
    assert f"{MOST:,} of {total:,} are shown" in text
    assert 'href="/candidates?q=from%3A30"' in text
    edges = {(int(a), int(b)) for a, b in re.findall(r'data-edge="(\d+) (\d+)"', text)}
    reached, front = {30}, {30}
    while front := {b for a, b in edges if a in front} - reached:
        reached |= front
    assert below.intersection(elites)
    assert below.intersection(elites) <= reached


def test_the_queue_shows_who_waits_however_many_were_decided_before(tmp_path: Path) -> None:
    write_campaign(tmp_path, load_task("mnist1d"), name="waiting", seed=0, evaluations=2, lm="none")
    with create(tmp_path, name="waiting", seed=0) as store, store.transaction():
        for number, draft in enumerate(store.draw("random", [], 120, {})):
            store.arrive(draft.candidate, f"x = {number}\n", f"d{number}")
            store.start(draft.candidate)
            store.hold(draft.candidate)
            if number < 60:
                store.verdicts.add(draft.candidate, "veto" if number % 2 else "approve")
            elif number < 63:
                store.verdicts.add(draft.candidate, "note", "odd")
    with TestClient(create_app(tmp_path), base_url="http://127.0.0.1") as client:
        text, rest = client.get("/queue").text, client.get("/queue?page=2").text
    assert "50 of 60 that wait for you" in text
    shown = [int(found) for found in re.findall(r'data-verdict="/candidates/(\d+)/', text + rest)]
    assert shown == list(range(61, 121))


def test_a_report_says_whose_code_it_leaves_out(campaign: Path) -> None:
    with open_archive(campaign, write=False) as store:
        report = read_report(store, load(campaign))
    assert report.bred > MOST_SHOWN == len(report.shown)
    errors = {point.id: point.error for point in report.overview.status.front}
    lowest = sorted(errors, key=lambda each: (errors[each], each))
    assert [shown.candidate.id for shown in report.shown] == lowest[:MOST_SHOWN]
    said = f"The code of {MOST_SHOWN} of the front&#39;s {report.bred} bred models follows"
    assert said in as_html(report)
    assert said.replace("&#39;", "'") in as_markdown(report, {})


def test_failures_are_counted_by_step_and_grouped_by_their_message(
    client: TestClient, campaign: Path
) -> None:
    with open_archive(campaign, write=False) as store:
        found = failure_reasons(store, Filter())
        states = store.totals.counts()
        flow = {each.operator: each for each in flows(store, Filter())}
        assert sum(reason.count for reason in found) == states[State.FAILED]
        assert [reason.count for reason in found] == sorted((r.count for r in found), reverse=True)
        # Each group is a filter, and finds at least its own.
        for reason in found:
            ids = [c.id for c in store.browse.page(Filter(terms=parse(reason.where)), limit=-1)]
            assert len(ids) >= reason.count
            assert reason.example in ids
        assert any(reason.count > 1 for reason in found)
        proposed, parsed, vetted, built, trained, scored = map(
            sum, zip(*(each.steps for each in flow.values()), strict=True)
        )
        assert proposed == sum(states.values())
        assert parsed == vetted == proposed - states.get(State.PROPOSED, 0) - states.get(State.REJECTED, 0)
        assert scored == states[State.SCORED]
        assert proposed > built > trained >= scored
    text = client.get("/failures").text
    assert f"{states[State.FAILED]} failed or were rejected" in text
    assert "stage%3A" in text
    of_one = client.get("/failures?q=stage:build").text
    assert "1 failed or were rejected, for 1 kinds" in of_one
    assert "did you mean op?" in client.get("/failures?q=opp:lm").text
    said = output_of("status", str(campaign))
    assert "Why children fail" in said
    assert found[0].pattern.split("*")[0].strip() in said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("expected 3 channels, got 14", "expected 30 channels, got 1"),
        (
            "weight of size [25, 25, 1], expected input[4, 1, 40]",
            "weight of size [8, 3], expected input[4, 4]",
        ),
        ("unknown name 'conv_a' (use \"b\")", "unknown name 'x' (use \"long one\")"),
        ("it is #12 over again", "it is #7 over again"),
    ],
)
def test_messages_that_differ_in_numbers_and_names_are_one_reason(one: str, other: str) -> None:
    assert pattern(one) == pattern(other)
    assert pattern("Conv1d got 3") != pattern("Conv2d got 3")

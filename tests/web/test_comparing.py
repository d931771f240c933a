"""Candidates beside each other, on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evoarch.agent.web.app import create_app
from evoarch.archive.store import open_archive
from evoarch.evaluators.trace import INPUT, Node, Trace
from kit.command import evoarch
from kit.published import unpacked


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = unpacked(tmp_path_factory.mktemp("published") / "small")
    first = Node("gru", "GRU", (40, 8), 120, 10, (INPUT,))
    last = Node("last", "Linear", (10,), 90, 10, (0,))
    norm = Node("<b>", "BatchNorm1d", (40, 8), 16, 10, (0,))
    with open_archive(folder, write=True) as store:
        for identity, nodes in ((687, (first, last)), (888, (first, norm, last))):
            store.traces.put(identity, Trace(nodes, 210, 20, 330).as_json())
    return folder


@pytest.fixture(scope="module")
def client(campaign: Path) -> Iterator[TestClient]:
    with TestClient(create_app(campaign), base_url="http://127.0.0.1:8321") as client:
        yield client


def test_a_few_candidates_stand_beside_each_other(client: TestClient, campaign: Path) -> None:
    text = client.get("/compare?ids=888,687&ids=511").text
    with open_archive(campaign, write=False) as store:
        params = {identity: store.candidate(identity).metrics["params"] for identity in (888, 511)}
        lines = [set(store.browse.related([identity], up=True)) for identity in (888, 687, 511)]
        ancestors = store.browse.some(sorted(set.intersection(*lines)))
        deepest = max(c.generation for c in ancestors)
    assert text.count("</a> against <a") == 3  # three pairs
    assert "over all 3 pairs together" in text
    assert f"<strong>{min(params.values()):,.0f}</strong> lowest" in text
    common = text.split('Nearest common ancestor: <a href="/candidates/')[1].split('"')[0]
    assert next(c for c in ancestors if c.id == int(common)).generation == deepest
    # Architectures: of two there is a trace.
    assert "No trace is kept of" in text
    assert (
        "added BatchNorm1d &lt;b&gt; to 40 x 8, 16 parameters" not in text
    )  # 888 is what others are held against
    assert "removed BatchNorm1d &lt;b&gt; to 40 x 8, 16 parameters" in text
    assert '<path class="line c0"' in text
    assert "<b>" not in text


def test_one_candidates_page_shows_its_architecture_and_what_its_parent_has_not(client: TestClient) -> None:
    text = client.get("/candidates/888").text
    assert 'data-chart="architecture"' in text
    assert "added BatchNorm1d" in text
    assert '<g class="call added"' in text
    assert "3 calls as a table" in text
    assert 'href="/compare?ids=888,687"' in text


def test_what_is_no_number_is_not_said_and_an_unknown_one_is_told(client: TestClient) -> None:
    for query in ("", "?ids=", "?ids=<b>,x", "?ids=888"):
        text = client.get(f"/compare{query}").text
        assert "Name two to 6 candidates" in text
    answer = client.get("/compare?ids=888,99999")
    assert answer.status_code == 404
    assert "no candidate 99999" in answer.text
    many = client.get("/compare?ids=1,2,3,4,5,6,7,8").text
    assert 'value="1, 2, 3, 4, 5, 6"' in many


def test_the_terminal_compares_several_and_a_pipe_has_marks(campaign: Path) -> None:
    said = evoarch("diff", str(campaign), "888", "687", "511").stdout
    assert "#888 against #687: " in said
    assert "#687 against #511: " in said
    assert "nearest common ancestor: #" in said
    assert "+ added BatchNorm1d" in said
    assert said.count("--- #") == 2
    one = evoarch("diff", str(campaign), "888").stdout
    assert one.index("--- #687") < one.index("+++ #888")
    changed = [line for line in one.splitlines() if line[:2] in ("- ", "+ ")]
    assert any(line.startswith("- ") for line in changed)
    assert max(map(len, one.splitlines())) < 250  # no column is filled up with blanks
    refused = evoarch("diff", str(campaign), *map(str, range(1, 9)))
    assert refused.exit_code == 2
    assert "expected at most 6 candidates, got 8" in refused.output

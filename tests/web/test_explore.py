"""What pictures are drawn from, and the verdicts of a queue that are taken back or given at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evoarch.agent.web.app import HEADERS, TOKEN_HEADER, create_app
from evoarch.archive.errors import ArchiveError
from evoarch.archive.store import open_archive
from kit.reviewing import population_of, queue_of, reviewed_campaign


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return population_of(tmp_path_factory.mktemp("many") / "campaign", 20)


@pytest.fixture(scope="module")
def client(many: Path) -> Iterator[TestClient]:
    with TestClient(create_app(many), base_url="http://127.0.0.1:8321") as client:
        yield client


def token_of(client: TestClient) -> str:
    return client.get("/queue").text.split('name="evoarch-token" content="')[1].split('"')[0]


def test_the_population_is_the_archive_in_columns(client: TestClient, many: Path) -> None:
    found = client.get("/api/population").json()
    with open_archive(many, write=False) as store:
        scored = [c for c in store.candidates(sources=False) if c.metrics]
    assert found["id"] == [c.id for c in scored]
    assert found["total"] == len(scored) == 22
    # Fifteen digits, as SQLite writes a number into JSON.
    assert found["metrics"]["error"] == pytest.approx([c.metrics["error"] for c in scored], rel=1e-14)
    assert found["depth"] == [c.generation for c in scored]
    assert found["at"] == [0, 0, *range(1, 21)]
    assert set(found["lm"]) == {"", "small"}
    edges = list(zip(found["edges"][::2], found["edges"][1::2], strict=True))
    parents = [(c.id, parent) for c in scored for parent in c.parents]
    assert [(found["id"][child], found["id"][parent]) for child, parent in edges] == parents
    assert set(found["front"]) <= set(found["id"])
    assert {str(identity) for identity in found["front"]} <= set(found["spans"])


def test_parallel_coordinates_take_a_filter_and_say_what_they_leave_out(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = client.get("/api/parallel?q=op:lm*").json()
    assert set(found["operator"]) == {"lm.scoped"}
    assert (len(found["id"]), found["total"]) == (10, 22)
    monkeypatch.setattr("evoarch.agent.web.pages.MOST_LINES", 3)
    few = client.get("/api/parallel").json()
    assert few["id"] == [20, 21, 22]
    assert len(few["metrics"]["error"]) == len(few["at"]) == 3
    assert "22 fit; the 3 of lowest error are drawn" in client.get("/parallel").text


def test_curves_are_the_losses_that_children_told(client: TestClient) -> None:
    one = client.get("/api/curves?ids=3").json()
    assert [line["label"] for line in one["lines"]] == ["parent #1", "training seed 0"]
    assert [y for _, y in one["lines"][1]["points"]] == [2.0, 1.0, 0.5]
    several = client.get("/api/curves?ids=3,4,5").json()
    assert [line["label"] for line in several["lines"]] == ["#3", "#4", "#5"]
    assert client.get("/api/curves?ids=99").status_code == 404


@pytest.mark.parametrize("path", ["/api/population", "/api/parallel?q=op:%3Cb%3E", "/api/curves?ids=3"])
def test_numbers_for_pictures_stand_behind_the_same_guards(client: TestClient, many: Path, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/json"
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    with TestClient(create_app(many), base_url="http://evil.example") as stranger:
        assert stranger.get(path).status_code == 400


def test_a_name_of_markup_stays_text_in_the_numbers(tmp_path: Path) -> None:
    folder = reviewed_campaign(tmp_path / "campaign")
    with TestClient(create_app(folder), base_url="http://127.0.0.1") as client:
        assert client.get("/api/population").headers["x-content-type-options"] == "nosniff"


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[TestClient, Path, list[int]]]:
    folder = tmp_path / "campaign"
    ids = queue_of(folder)
    with TestClient(create_app(folder), base_url="http://127.0.0.1:8321") as client:
        yield client, folder, ids


def test_a_verdict_is_taken_back_and_the_one_before_stands(
    waiting: tuple[TestClient, Path, list[int]],
) -> None:
    client, folder, ids = waiting
    headers = {TOKEN_HEADER: token_of(client)}
    for kind in ("pin", "veto"):
        client.post(f"/candidates/{ids[0]}/verdict", json={"kind": kind}, headers=headers)
    undo = f"/candidates/{ids[0]}/undo"
    assert client.post(undo, json={}).status_code == 403
    assert client.post(undo, json={}, headers=headers).json() == {"withdrawn": "veto"}
    with open_archive(folder, write=False) as store:
        assert (store.verdicts.vetoed(), store.verdicts.pinned()) == (frozenset(), {ids[0]})
        assert [e.kind for e in store.events(candidate=ids[0])][-3:] == ["judged", "judged", "withdrawn"]
    assert f"#{ids[0]} " not in client.get("/queue").text
    assert client.post(undo, json={}, headers=headers).json() == {"withdrawn": "pin"}
    assert f">#{ids[0]}<" in client.get("/queue").text
    nothing = client.post(undo, json={}, headers=headers)
    assert (nothing.status_code, "no verdict to take back" in nothing.text) == (409, True)
    assert client.post("/candidates/99/undo", json={}, headers=headers).status_code == 404


def test_a_verdict_that_a_run_has_acted_on_stays(waiting: tuple[TestClient, Path, list[int]]) -> None:
    client, folder, ids = waiting
    with open_archive(folder, write=True) as store:
        store.verdicts.add(ids[0], "approve")
        store.release(ids[0])
        with pytest.raises(ArchiveError, match=f"a run has released candidate {ids[0]}"):
            store.verdicts.withdraw(ids[0])
    answer = client.post(f"/candidates/{ids[0]}/undo", json={}, headers={TOKEN_HEADER: token_of(client)})
    assert answer.status_code == 409


def test_all_that_fit_a_filter_are_judged_at_once_and_no_other(
    waiting: tuple[TestClient, Path, list[int]],
) -> None:
    client, folder, ids = waiting
    headers = {TOKEN_HEADER: token_of(client)}
    where = f"id<{ids[3]}"
    text = client.get("/queue", params={"q": where}).text
    assert "3 of 3 that wait" in text
    assert "Approve all 3" in text
    said = {"kind": "approve", "where": where, "count": 3}
    assert client.post("/queue/verdicts", json=said).status_code == 403
    # One more than the page showed: nobody is judged unseen.
    unseen = client.post("/queue/verdicts", json={**said, "count": 2}, headers=headers)
    assert (unseen.status_code, "now 3 wait" in unseen.text) == (409, True)
    for wrong in ({"kind": "pin"}, {"kind": "note", "text": "x"}, {"where": "nonsense<1"}):
        assert client.post("/queue/verdicts", json={**said, **wrong}, headers=headers).status_code == 400
    with open_archive(folder, write=False) as store:
        assert store.verdicts.all() == []
    assert client.post("/queue/verdicts", json=said, headers=headers).json() == {"stored": "approve of 3"}
    with open_archive(folder, write=False) as store:
        assert store.verdicts.approved() == frozenset(ids[:3])
    assert "3 of 3 that wait" in client.get("/queue").text

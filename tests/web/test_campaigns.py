"""The page of several campaigns without a browser: rows, tests, guards; each campaign's pages below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evoarch.agent.cli.review import _campaigns
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.web.app import HEADERS, TOKEN_HEADER
from evoarch.agent.web.many import create_many
from evoarch.archive.store import create, open_archive
from evoarch.evaluators.tasks import load_task
from kit.reviewing import MODEL, settled


def finished_campaign(path: Path, seed: int, error: float, name: str) -> Path:
    """A campaign that has spent its budget of one evaluation."""
    write_campaign(path, load_task("mnist1d"), name=name, seed=seed, evaluations=1, lm="none")
    with create(path, name=name, seed=seed) as store:
        store.event("run")
        settled(store, store.add_seed("mlp", MODEL.format(10), "mlp").id, 0.4, 5000.0, "seed")
        (draft,) = store.draw("syntactic.mutate", [1], 1, {})
        store.arrive(draft.candidate, MODEL.format(11), "d")
        settled(store, draft.candidate, error, 3000.0)
        store.event("stop", detail={"reason": "budget", "complete": True})
    return path


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two arms of three runs, as `evoarch compare` lays them out; one arm is far better."""
    made = []
    for arm, error in (("plain <b>", 0.3), ("screened", 0.1)):
        for seed in range(3):
            folder = tmp_path / "compare" / arm / f"seed-{seed}"
            made.append(finished_campaign(folder, seed, error + 0.002 * seed, f"{arm} {seed}"))
    return made


@pytest.fixture
def client(folders: list[Path]) -> Iterator[TestClient]:
    with TestClient(create_many(folders), base_url="http://127.0.0.1:8321") as client:
        yield client


def test_a_folder_stands_for_the_campaigns_below_it(tmp_path: Path, folders: list[Path]) -> None:
    assert _campaigns((tmp_path,)) == sorted(folders)
    assert _campaigns((folders[0], tmp_path)) == sorted(folders, key=lambda f: (f != folders[0], f))
    assert _campaigns((tmp_path / "nowhere",)) == [tmp_path / "nowhere"]


def test_the_list_has_a_row_each_and_tests_the_arms(client: TestClient, folders: list[Path]) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "<b>" not in answer.text
    assert answer.text.count("<script") == 1
    assert f"{len(folders)} campaigns" in answer.text
    for place in range(len(folders)):
        assert f'href="/c/{place}/"' in answer.text
    # Three runs against three: the smallest p is 0.1, and the page says that so few can't tell.
    assert "cannot be told apart by 3 and 3 runs" in answer.text
    found = client.get("/api/curves").json()
    assert len(found["lines"]) == len(folders)
    assert all(line["points"] for line in found["lines"])


def test_each_campaign_has_its_own_pages_and_token(client: TestClient, folders: list[Path]) -> None:
    pages = [client.get(f"/c/{place}/") for place in (0, 1)]
    tokens = [page.text.split('name="evoarch-token" content="')[1].split('"')[0] for page in pages]
    assert tokens[0] != tokens[1]
    for page in pages:
        assert page.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert 'href="/candidates' not in page.text  # every address lies below the campaign
    said = {"kind": "veto"}
    refused = client.post("/c/1/candidates/2/verdict", json=said, headers={TOKEN_HEADER: tokens[0]})
    assert refused.status_code == 403
    assert client.post("/c/1/candidates/2/verdict", json=said, headers={TOKEN_HEADER: tokens[1]}).json()
    with open_archive(folders[1], write=False) as store:
        assert store.verdicts.vetoed() == {2}
    for path in ("candidates", "candidates/2", "lineage", "failures", "queue", "compare?ids=1,2"):
        answer = client.get(f"/c/0/{path}")
        assert answer.status_code == 200, path
        for place in ('href="/candidates', 'href="/lineage', 'action="/', 'data-verdict="/candidates'):
            assert place not in answer.text.replace('action="/c/0/', ""), path


def test_another_host_and_another_campaign_are_refused(client: TestClient, folders: list[Path]) -> None:
    assert client.get("/c/99/").status_code == 404
    with TestClient(create_many(folders), base_url="http://evil.example") as stranger:
        for path in ("/", "/events", "/api/curves", "/c/0/", "/c/0/api/population", "/static/page.js"):
            assert stranger.get(path).status_code == 400


def test_the_page_follows_every_archive(client: TestClient, folders: list[Path]) -> None:
    before = client.get("/events").json()["last"]
    assert f'name="evoarch-last" content="{before}"' in client.get("/").text
    with open_archive(folders[4], write=True) as store:
        store.verdicts.add(1, "pin")
    assert client.get("/events").json()["last"] == before + 1

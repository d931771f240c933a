"""The review application without a browser: who may read and write, escaping, lists, verdicts."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evoarch.agent.config.load import Config, load
from evoarch.agent.evaluation.vetting import as_json
from evoarch.agent.operators.base import Draft, Order
from evoarch.agent.report.document import as_html, read_report
from evoarch.agent.report.lineage import lay_out
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.statistics.front import Standing, read_standing
from evoarch.agent.web import current
from evoarch.agent.web.app import HEADERS, TOKEN_HEADER, create_app
from evoarch.archive.errors import ArchiveError
from evoarch.archive.filters import Filter
from evoarch.archive.records import State
from evoarch.archive.store import Store, open_archive
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.outcome import Finding
from kit.campaigns import archive_of, config_of, run
from kit.reviewing import MODEL, reviewed_campaign, settled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seeds, a better child, a failed one, a rejected one full of markup."""
    return reviewed_campaign(tmp_path / "campaign")


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(folder), base_url="http://127.0.0.1:8321") as client:
        yield client


def token_of(client: TestClient) -> str:
    return client.get("/").text.split('name="evoarch-token" content="')[1].split('"')[0]


PAGES = ["/", "/candidates", "/candidates/1", "/candidates/3", "/candidates/4", "/candidates/5", "/lineage",
         "/lineage/3", "/queue", "/failures", "/tree", "/parallel", "/parallel?q=%3Cb%3E",
         "/queue?q=%3Cb%3E:1", "/queue?undo=3", "/compare?ids=1,3", "/candidates?q=reason:%3Cb%3E", 
         "/failures?q=%3Cb%3E:1"]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_escaped_and_carries_the_headers(client: TestClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    for tag in ("<script>alert", "<img", "<b>", "<u>", "<i>", "<script>"):
        assert tag not in answer.text
    assert answer.text.count("<script") == 1  # the page's own file
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("objectives", ['"error"', '"params"', '"params", "error", "params2"'])
def test_other_objectives_are_shown_too(folder: Path, objectives: str) -> None:
    path = folder / "campaign.toml"
    text = path.read_text().replace('"error", "params"', objectives)
    path.write_text(text)
    with TestClient(create_app(folder), base_url="http://127.0.0.1") as client:
        for page in ("/", "/candidates/3", "/lineage"):
            assert client.get(page).status_code == 200
    with open_archive(folder, write=False) as store:
        report = read_report(store, load(folder))
    assert "<svg" in as_html(report)
    if "params2" not in objectives:
        assert report.overview.hypervolume == pytest.approx(report.overview.steps[-1].hypervolume)


def test_a_genome_of_markup_stands_as_text(client: TestClient) -> None:
    text = client.get("/candidates/4").text
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert "&lt;b&gt;boom&lt;/b&gt;" in text
    assert "the prompt &lt;script&gt;" in client.get("/candidates/3").text


def test_the_numbers_say_what_is_beyond_noise(client: TestClient) -> None:
    text = client.get("/candidates/3").text
    assert ">better</strong>" in text
    assert "nothing scored dominates it" in text
    assert "dominated by" in client.get("/candidates/1").text


def test_another_host_name_is_refused(folder: Path) -> None:
    with TestClient(create_app(folder), base_url="http://evil.example:8321") as stranger:
        assert stranger.get("/").status_code == 400
        assert stranger.get("/events").status_code == 400
    with TestClient(create_app(folder), base_url="http://localhost:99") as tunnelled:
        assert tunnelled.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {TOKEN_HEADER: "wrong"},
        {TOKEN_HEADER: "GIVEN", "origin": "http://evil.example"},
        {TOKEN_HEADER: "GIVEN", "origin": "null"},
    ],
)
def test_a_verdict_needs_this_pages_token_and_origin(client: TestClient, headers: dict[str, str]) -> None:
    given = {key: token_of(client) if value == "GIVEN" else value for key, value in headers.items()}
    answer = client.post("/candidates/3/verdict", json={"kind": "veto"}, headers=given)
    assert answer.status_code == 403
    assert not client.get("/candidates?judged=veto").text.count("/candidates/3")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"kind": "praise"}', b'{"kind": "note", "text": " "}', b'"veto"', b"[" * 15_000],
)
def test_a_verdict_that_says_nothing_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/candidates/3/verdict", content=body, headers={TOKEN_HEADER: token_of(client)})
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]


def test_verdicts_are_stored_and_the_newest_stands(client: TestClient, folder: Path) -> None:
    headers = {TOKEN_HEADER: token_of(client), "origin": "http://127.0.0.1:8321"}
    for kind, text in (("pin", ""), ("note", "odd <b>"), ("veto", "copies")):
        answer = client.post("/candidates/3/verdict", json={"kind": kind, "text": text}, headers=headers)
        assert answer.json() == {"stored": kind}
    with open_archive(folder, write=False) as store:
        assert [(v.kind, v.text) for v in store.verdicts.all(3)] == [
            ("pin", ""),
            ("note", "odd <b>"),
            ("veto", "copies"),
        ]
        assert store.verdicts.vetoed() == {3}
        assert store.verdicts.pinned() == frozenset()
        assert store.last_event("judged") is not None
    assert "vetoed" in client.get("/candidates/3").text
    client.post("/candidates/3/verdict", json={"kind": "approve"}, headers=headers)
    with open_archive(folder, write=False) as store:
        assert store.verdicts.vetoed() == frozenset()
    missing = client.post("/candidates/99/verdict", json={"kind": "veto"}, headers=headers)
    assert missing.status_code == 404
    assert "no candidate 99" in missing.text


@pytest.mark.parametrize("identity", ["99", "9" * 30])
def test_what_is_not_there_is_one_line(client: TestClient, identity: str) -> None:
    for page in ("candidates", "lineage"):
        answer = client.get(f"/{page}/{identity}")
        assert answer.status_code == 404
        assert f"no candidate {identity}; there are 1 to 5" in answer.text
    headers = {TOKEN_HEADER: token_of(client)}
    answer = client.post(f"/candidates/{identity}/verdict", json={"kind": "veto"}, headers=headers)
    assert answer.status_code == 404
    assert client.get("/nowhere").status_code == 404


def test_a_configuration_that_does_not_load_is_said_on_the_pages(client: TestClient, folder: Path) -> None:
    config = folder / "campaign.toml"
    before = config.read_text()
    config.write_text("[campaign\n")
    for page in ("/candidates/1", "/candidates/99"):
        answer = client.get(page)
        assert answer.status_code in (404, 503)
        assert "Nothing to show" in answer.text
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
    assert "campaign.toml: not valid TOML" in client.get("/candidates/1").text
    assert client.get("/candidates").status_code == 200
    config.write_text(before)
    assert client.get("/candidates/1").status_code == 200


def test_an_error_of_our_own_carries_the_headers_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(folder)
    monkeypatch.setattr("evoarch.agent.web.pages.Pages.queue", lambda self: 1 / 0)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = client.get("/queue")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_lists_filter_sort_search_and_page(client: TestClient, folder: Path) -> None:
    def ids(query: str) -> list[int]:
        text = client.get(f"/candidates{query}").text.split("<tbody>")[1]
        return [int(part.split('"')[0]) for part in text.split('<td class="n"><a href="/candidates/')[1:]]

    assert ids("") == [1, 2, 3, 4, 5]
    assert ids("?state=scored&sort=error") == [3, 1, 2]
    assert ids("?sort=params&way=down") == [2, 1, 3, 4, 5]
    assert ids("?operator=syntactic.mutate") == [4, 5]
    assert ids("?text=alert(1)") == [4, 5]
    assert ids("?text=%25") == []  # no pattern, letter for letter
    assert ids("?judged=veto") == []
    assert ids("?state=nonsense&page=x&sort=;drop") == [1, 2, 3, 4, 5]
    assert ids("?page=2") == []
    with open_archive(folder, write=False) as store:
        assert store.browse.count(Filter(state="scored"), most=10) == 3
        with pytest.raises(ValueError, match="order_by: got 'name'"):
            store.browse.page(Filter(), order_by="name")


def test_thousands_of_screened_drafts_are_on_no_page_but_their_own(client: TestClient, folder: Path) -> None:
    def shown(page: str) -> list[str]:
        text = client.get(page).text
        return [
            f"/candidates/{identity}" for identity in range(1, 3000) if f'"/candidates/{identity}"' in text
        ]

    pages = (
        "/candidates",
        "/candidates?operator=syntactic.mutate",
        "/candidates?text=x",
        "/lineage/3",
        "/queue",
    )
    before = [shown(page) for page in pages]
    with open_archive(folder, write=True) as store, store.transaction():
        drafts = store.draw("syntactic.mutate", [3], 2000, {})
        for draft in drafts:
            store.screen(draft.candidate, "x = 3\n", f"draft {draft.number}", trace=None)
    assert [shown(page) for page in pages] == before
    assert len(shown("/candidates?state=screened")) >= 50
    overview = client.get("/").text
    assert "screened drafts" in overview
    assert "2000" in overview or "2,000" in overview
    assert client.get(f"/candidates/{drafts[0].candidate}").status_code == 200


def test_a_finding_is_one_item_whatever_its_message_holds(client: TestClient, folder: Path) -> None:
    message = "<u>one</u>; 2:0 entry: or two; or three"
    with open_archive(folder, write=True) as store:
        new, old = (store.draw("syntactic.mutate", [3], 1, {})[0] for _ in range(2))
        findings = as_json([Finding(3, 4, "name", message, "h"), Finding(9, 0, "import", "no", "h")])
        store.reject(new.candidate, "x = 1\n", "said; in; one line", findings=findings)
        store.reject(old.candidate, "x = 1\n", "1:0 name: unknown name a; b (use c); 7:0 import: no (h)")
    shown, before = (client.get(f"/candidates/{each.candidate}").text for each in (new, old))
    assert "<li><code>3:4 name: &lt;u&gt;one&lt;/u&gt;; 2:0 entry: or two; or three (h)</code></li>" in shown
    assert shown.count("<li><code>") == 2
    assert "<li><code>1:0 name: unknown name a; b (use c)</code></li>" in before
    assert "<li><code>7:0 import: no (h)</code></li>" in before


def test_families_and_roots(folder: Path) -> None:
    with open_archive(folder, write=False) as store:
        assert [c.id for c in store.browse.ancestors([4], most=9)] == [4, 3, 1]
        assert [c.id for c in store.browse.ancestors([4], most=2)] == [4, 3]
        assert [c.id for c in store.browse.descendants(1, most=9)] == [1, 3, 4, 5]
        assert (store.browse.root(4), store.browse.root(2)) == (1, 2)
        with pytest.raises(ArchiveError, match="no candidate 9"):
            store.browse.root(9)
        tree = lay_out(store.browse.ancestors([4], most=9))
    assert {(parent, child) for parent, child, _, _ in tree.edges} == {(3, 4), (1, 3)}
    assert tree.nodes[1].x < tree.nodes[3].x < tree.nodes[4].x


def test_the_page_follows_the_archive(client: TestClient, folder: Path) -> None:
    before = client.get("/events").json()["last"]
    assert f'name="evoarch-last" content="{before}"' in client.get("/").text
    with open_archive(folder, write=True) as store:
        (proposal,) = store.draw("random", [], 1, {})
        store.arrive(proposal.candidate, "x = 9\n", "e")
        settled(store, proposal.candidate, 0.05, 3000.0)
    assert client.get("/events").json()["last"] > before
    assert "#6" in client.get("/candidates").text


def test_the_first_page_of_a_large_archive_waits_for_no_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def held(store: Store, config: Config) -> Standing:
        assert go.wait(60)
        return read_standing(store, config)

    monkeypatch.setattr(current, "LARGE", 0)
    monkeypatch.setattr(current, "read_standing", held)
    with TestClient(create_app(folder), base_url="http://127.0.0.1") as client:
        first = client.get("/").text
        assert "5 candidates are being read" in first
        assert 'name="evoarch-last" content="0"' in first  # so that the page asks again
        assert client.get("/candidates?q=error%3C0.3").status_code == 200
        go.set()
        assert client.get("/candidates?q=front%3Ayes").text.count('href="/candidates/3"')
        assert client.get("/api/population").json()["id"] == [1, 2, 3]
        assert "being read" not in client.get("/").text


def test_what_could_not_be_added_up_is_told_and_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(store: Store, config: Config) -> Standing:
        raise ArchiveError("no such page")

    with monkeypatch.context() as patch:
        patch.setattr(current, "read_standing", broken)
        client = TestClient(create_app(folder), base_url="http://127.0.0.1")
        assert client.get("/").status_code == 503
        assert "no such page" in client.get("/candidates?q=front%3Ayes").text
    assert client.get("/").status_code == 200


def test_an_archive_of_the_first_version_is_brought_up_to_date(folder: Path) -> None:
    import sqlite3

    with sqlite3.connect(folder / "archive.db") as connection:
        connection.execute("DROP TABLE verdicts")
        connection.execute("DROP INDEX evaluations_history")
        connection.execute("DROP TABLE traces")
        connection.execute("DROP TABLE predictions")
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name > 'm002'")
    connection.close()
    with pytest.raises(ArchiveError, match="schema version 1, expected 3"):
        open_archive(folder, write=False)
    with open_archive(folder, write=True) as store:
        store.verdicts.add(1, "pin")
        assert store.verdicts.pinned() == {1}
    assert load(folder).campaign.name == "trial <b>"


# The queue


class Widths:
    """An operator that writes another width each time."""

    name, arity, samples = "syntactic.mutate", 1, 1

    def __init__(self) -> None:
        self.made = 10

    async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
        self.made += 1
        return [Draft(MODEL.format(self.made)) for _ in range(order.count)]


def test_children_wait_for_a_person_and_go_on_when_approved(tmp_path: Path) -> None:
    config = config_of(
        seed=0,
        budget={"evaluations": 2, "stall": 6},
        review={"required": True},
        evaluation={"repeats": 1},
    )
    operator = Widths()
    with archive_of(tmp_path, MODEL.format(10), seed=0) as store:
        assert "stalled" in run(store, config, operators=[operator]).reason
    with open_archive(tmp_path, write=True) as store:
        waiting = [c.id for c in store.candidates(state=State.AWAITING_REVIEW)]
        assert len(waiting) == 6
        assert store.totals.entered_training() == 0
        store.verdicts.add(waiting[0], "veto")
        store.verdicts.add(waiting[1], "approve")
        store.verdicts.add(waiting[2], "pin")
    write_campaign(tmp_path, load_task("mnist1d"), name="waiting", seed=0, evaluations=2, lm="none")
    with TestClient(create_app(tmp_path), base_url="http://127.0.0.1") as client:
        text = client.get("/queue").text
        assert f">#{waiting[3]}<" in text
        assert f">#{waiting[1]}<" not in text
    with open_archive(tmp_path, write=True) as store:
        assert run(store, config, operators=[operator]).complete
        assert store.candidate(waiting[0]).state is State.REJECTED
        assert store.candidate(waiting[0]).note == "vetoed by a person"
        assert [store.candidate(i).state for i in waiting[1:3]] == [State.SCORED, State.SCORED]
        assert store.candidate(waiting[3]).state is State.AWAITING_REVIEW
        assert store.totals.entered_training() == 2

"""The page of one candidate, the card of one that waits, and every objective in every view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evoarch.agent.analysis.status import read_status
from evoarch.agent.cli.live import plain
from evoarch.agent.config.load import load
from evoarch.agent.web.app import TOKEN_HEADER, create_app
from evoarch.archive.records import Evaluation, LMCall, Scored
from evoarch.archive.store import open_archive
from kit.command import output_of
from kit.reviewing import queue_of, reviewed_campaign, settled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return reviewed_campaign(tmp_path / "campaign")


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(folder), base_url="http://127.0.0.1:8321") as client:
        yield client


def test_the_reply_that_became_the_child_is_marked_and_a_fragment_is_compared_with_nothing(
    client: TestClient, folder: Path
) -> None:
    with open_archive(folder, write=True) as store:
        drafts = store.draw("lm.scoped", [3], 3, {})
        call = store.calls.sent(LMCall(drafts[0].batch, "small", "e", "again", {"n": 3, "max_tokens": 9}))
        answer = {"replies": ["y = 1", "z = (", "y = 2"], "finish_reasons": ["stop"] * 3, "prompt_tokens": 5}
        store.calls.settled(call, {**answer, "completion_tokens": 3, "seconds": 1.0, "price": 0.0})
        store.arrive(drafts[0].candidate, "y = 1\n", "y1")
        store.reject(drafts[1].candidate, "z = (", "expected a statement")
        store.arrive(drafts[2].candidate, "y = 2\n", "y2")
    for place, draft in enumerate(drafts, 1):
        text = client.get(f"/candidates/{draft.candidate}").text
        assert text.count("this candidate was read from it") == 1
        assert f"Reply {place} of 3: this candidate was read from it" in text
        assert ("nothing to compare" in text) == (place == 2)
        assert ('<table class="diff">' in text) == (place != 2)


def test_examples_that_were_gained_and_lost_against_the_parent(client: TestClient) -> None:
    # Each gets the examples behind some place right, the child those of its parent and more.
    text = client.get("/candidates/3").text
    assert " validation examples both get " in text
    gained = text.split("gained</summary><p>")[1].split("</p>")[0].split(", ")
    assert [int(place) for place in gained] == list(range(int(gained[0]), int(gained[0]) + len(gained)))
    assert f"gained {len(gained)} and lost 0 examples" in text
    assert "<summary>0 lost</summary><p>none</p>" in text
    assert 'data-tab="Examples"' not in client.get("/candidates/1").text


def test_a_note_on_a_line_stands_on_the_page_and_in_prompts(client: TestClient, folder: Path) -> None:
    given = client.get("/").text.split('name="evoarch-token" content="')[1].split('"')[0]

    def note(text: str, **said: object) -> int:
        words = {"kind": "note", "text": text, **said}
        return client.post("/candidates/4/verdict", json=words, headers={TOKEN_HEADER: given}).status_code

    with open_archive(folder, write=True) as store:
        (odd,) = store.draw("random", [], 1, {})
        store.arrive(odd.candidate, "x = 1  # \u202e\n", "odd")
    assert [note("too <b>wide", line=1), note("as a whole"), note("too wide", line=1)] == [200] * 3
    assert [note("x", line=line) for line in (0, 3, "one", None, 10**30)] == [400, 400, 400, 200, 400]
    words = {"kind": "note", "text": "hidden", "line": 1}
    client.post(f"/candidates/{odd.candidate}/verdict", json=words, headers={TOKEN_HEADER: given})
    with open_archive(folder, write=False) as store:
        line = store.candidate(4).source.split("\n")[0]
        assert store.verdicts.notes()[4] == f"x; `{line}`: too wide"
        assert "U+202E" in store.verdicts.notes()[odd.candidate]
    shown = client.get("/candidates/4").text.split('<ul id="line-notes" data-live>')[1].split("</ul>")[0]
    assert shown.count("<li>") == 1  # the newest on that line
    assert shown.startswith("<li>line 1 `x = &#34;&lt;/script&gt;")
    assert shown.endswith("`: too wide</li>")


def test_code_that_reads_otherwise_than_it_runs_is_marked_on_page_and_terminal(
    client: TestClient, folder: Path
) -> None:
    with open_archive(folder, write=True) as store:
        (odd,) = store.draw("random", [], 1, {})
        store.arrive(odd.candidate, "x = '\u202e'  # p\u0430rams\n", "odd")
    views = [
        client.get(f"/candidates/{odd.candidate}").text,
        client.get(f"/compare?ids={odd.candidate},3").text,
        output_of("show", str(folder), str(odd.candidate)),
        output_of("diff", str(folder), str(odd.candidate), "3"),
    ]
    for text in views:
        assert "⟨U+202E⟩" in text or r"\u202e" in text  # Python's own escape, in a diff
        assert "\u202e" not in text


def test_a_docstring_of_an_ancestor_is_marked_where_its_code_has_gone(
    client: TestClient, folder: Path
) -> None:
    with open_archive(folder, write=True) as store:
        (one,) = store.draw("random", [], 1, {})
        store.arrive(one.candidate, '"""Two layers."""\nx = 2\n', "two")
        settled(store, one.candidate, 0.2, 100.0)
        (two,) = store.draw("syntactic.mutate", [one.candidate], 1, {})
        store.arrive(two.candidate, '"""Two layers."""\nx = 3\n', "three")
    assert 'class="hll"' not in client.get(f"/candidates/{one.candidate}").text
    text = client.get(f"/candidates/{two.candidate}").text
    assert (
        f"The docstring of the module was written for #{one.candidate}, whose code there is another" in text
    )
    assert '<span class="hll">' in text
    assert f"note: the docstring of the module was written for #{one.candidate}" in output_of(
        "show", str(folder), str(two.candidate)
    )


def test_every_objective_stands_in_every_view(folder: Path) -> None:
    path = folder / "campaign.toml"
    path.write_text(path.read_text().replace('"error", "params"', '"error", "flops", "train_seconds"'))
    with open_archive(folder, write=True) as store:
        (one,) = store.draw("lm.scoped", [1], 1, {})
        store.arrive(one.candidate, "y = 7\n", "seven")
        store.start(one.candidate)
        metrics = {"error": 0.2, "params": 77.0, "flops": 4321.0, "train_seconds": 12.5}
        store.settle(Evaluation(one.candidate, "full", 0, Scored(metrics), 1.0, 0.5))
        status = read_status(store, load(folder), live=True)
    assert set(status.bests) == {"error", "flops", "train_seconds"}
    for said in (output_of("status", str(folder)), output_of("list", str(folder)), plain(status, 1.0, 1.0)):
        assert "4,321" in said
        assert "12.5" in said
    with TestClient(create_app(folder), base_url="http://127.0.0.1") as client:
        text = client.get("/").text
        front = text.split('<section id="front">')[1].split("</section>")[0]
        assert '<th class="n">flops</th><th class="n">train_seconds</th>' in front
        assert "4,321" in front
        assert "Lowest flops: 4,321" in text
        listed = client.get("/candidates?sort=flops").text
        assert 'aria-sort="ascending"' in listed.split(">flops")[0].rsplit("<th", 1)[1]


def test_a_card_of_the_queue_shows_what_a_decision_needs(tmp_path: Path) -> None:
    ids = queue_of(tmp_path)
    headers = {"origin": "http://127.0.0.1"}
    with TestClient(create_app(tmp_path), base_url="http://127.0.0.1") as client:
        page = client.get("/").text
        headers[TOKEN_HEADER] = page.split('name="evoarch-token" content="')[1].split('"')[0]

        def card(query: str = "") -> str:
            return client.get(f"/queue{query}").text.split('<article id="card">')[1].split("</article>")[0]

        text = card()
        assert f"/candidates/{ids[0]}" in text
        assert "1 of 6" in text
        assert "error 0.3000, 500 parameters" in text
        assert "Linear(40, <mark>20</mark>)" in text
        assert f'rel="next" href="/queue?at={ids[1]}"' in text
        assert 'rel="prev"' not in text
        assert f'data-then="/queue?at={ids[1]}&amp;undo={ids[0]}"' in text
        assert "6 waiting" in client.get("/candidates").text
        assert client.post(f"/candidates/{ids[2]}/verdict", json={"kind": "veto"}, headers=headers).is_success
        # Who was decided meanwhile has no card; the next one that waits has.
        text = card(f"?at={ids[2]}")
        assert f"/candidates/{ids[3]}" in text
        assert "3 of 5" in text
        assert f'rel="prev" href="/queue?at={ids[1]}"' in text
        assert f"/candidates/{ids[5]}" in card("?at=9999")
        assert client.get("/queue?at=<b>&page=-1").status_code == 200
    said = output_of("status", str(tmp_path))
    assert "waiting for review 5" in said

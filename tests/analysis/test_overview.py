"""One overview, four views: what the terminal says stands on the page and in both reports, word for word."""

from __future__ import annotations

import html
import json
import re
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from starlette.testclient import TestClient

from evoarch.agent.analysis.overview import Overview, read_overview
from evoarch.agent.analysis.sections import Section, sections
from evoarch.agent.analysis.status import SAME_SEED, Status
from evoarch.agent.base.decision import Decision
from evoarch.agent.cli.views import summary
from evoarch.agent.config.load import load
from evoarch.agent.evaluation.last_resort import KIND
from evoarch.agent.report.document import as_html, as_markdown, read_report
from evoarch.agent.tracking.feed import Told, note
from evoarch.agent.web.app import create_app
from evoarch.archive.records import Evaluation, Failed, Fault, LMCall, Outcome, Prediction, Scored
from evoarch.archive.store import Store, create, open_archive
from kit.command import evoarch

CONFIG = """
[campaign]
name = "all of it"
seed = 3
[budget]
evaluations = 40
[evaluation]
repeats = 2
[rounds]
rounds = 3
prompts = 2
samples = 4
survivors = 2
[tuning]
enabled = true
[[lm]]
name = "small"
[[operators]]
name = "lm.rewrite"
lm = "small"
"""


def trained(store: Store, candidate: int, outcome: Outcome, *, seed: int = 0, kind: str = "search") -> None:
    bits = b""
    if isinstance(outcome, Scored):
        wrong = round(outcome.metrics["error"] * 502) - 1
        bits = b"\x00" * (wrong // 8) + b"\xff" * (63 - wrong // 8)
    # The fifth child knows the validation split by heart: it errs more on fresh examples.
    detail = {"fresh": {"error": 0.9, "examples": 500}} if candidate == 7 else {}
    store.settle(Evaluation(candidate, "full", seed, outcome, 1.0, 0.25, kind, bits, detail))


def proposed(store: Store, number: int, parent: int) -> int:
    (proposal,) = store.draw("lm.rewrite", [parent], 1, {"round": number // 4, "lm": "small"})
    store.arrive(proposal.candidate, f"x = {number}\n", f"digest {number}")
    store.start(proposal.candidate)
    return proposal.candidate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive in which everything that an overview knows has happened."""
    path = tmp_path_factory.mktemp("all") / "campaign"
    path.mkdir()
    (path / "campaign.toml").write_text(CONFIG)
    with create(path, name="all of it", seed=3) as store:
        store.event("session", detail={"level": "full"})
        store.event("run", detail={"workers": 2})
        store.event(SAME_SEED, detail={"words": "seeds/twin.py duplicate: it holds the code of #1 conv"})
        for name, error, params in (("conv", 0.3, 5000.0), ("mlp", 0.4, 15000.0)):
            seed = store.add_seed(name, f"# {name}\nx = 1\n", name)
            store.start(seed.id)
            trained(store, seed.id, Scored({"error": error, "params": params}), kind="seed")
        store.event("tuning", detail={"round": 1, "trained_on": [3, 4]})
        store.event("round", detail={"round": 0, "parents": [1, 2], "soft_prompt": ""})
        detail = {"round": 1, "parents": [1, 3], "soft_prompt": "p", "tuning": {"before": 2.5, "after": 2.25}}
        store.event("round", detail=detail)
        call = store.calls.sent(LMCall(1, "small", "d", "prompt", {"n": 1, "max_tokens": 9}))
        answer = {
            "replies": ["x"],
            "finish_reasons": ["stop"],
            "prompt_tokens": 1234,
            "completion_tokens": 77,
        }
        store.calls.settled(call, {**answer, "seconds": 1.0, "price": 0.75})
        for number in range(8):
            child = proposed(store, number, 1)
            foretold = Prediction(child, number + 1, "forest", 4, 0.2, 0.1, 0.4, 0.1, unscreened=True)
            store.predictions.put(foretold)
            scores = {"naswot": float(number), "params": 4000.0}
            decision = Decision.PROMOTED if number else Decision.STOPPED
            store.filter.add(
                child, decision, scores, params=4000, cpu_seconds=0.1, note="low" if not number else ""
            )
            if number == 0:
                continue
            error = Scored({"error": 0.2 + number / 100, "params": 4000.0 - number})
            audited = number == 3
            step = Evaluation(child, "rung1", 0, error, 1.0, 0.25, "search", b"")
            store.reach(step, Decision.AUDITED_STOPPED if audited else Decision.PROMOTED)
            if number == 1:
                store.event("inherited", child, {"from": 1, "steps": 400})
                trained(store, child, Failed("train", "lost", Fault.INFRASTRUCTURE))
                store.start(child)
            trained(store, child, Failed("train", "boom") if number == 2 else error)
        for draft in store.draw("lm.rewrite", [1], 3, {"round": 2, "lm": "small"}):
            store.screen(draft.candidate, "x = 9\n", f"draft {draft.number}", trace=None)
        store.event("race", detail={"next": [[1, 1]]})
        trained(store, 1, Scored({"error": 0.31, "params": 5000.0}), seed=1, kind="repeat")
        store.event("retried", 1)
        store.event(KIND, 3, {"reason": "a fault of evoarch"})
        store.event("stop", detail={"complete": False, "reason": "the wall clock is spent"})
        note(store, "mlflow", Told(failed="its server does not answer"))
    return path


@pytest.fixture(scope="module")
def overview(folder: Path) -> Overview:
    with open_archive(folder, write=False) as store:
        return read_overview(store, load(folder))


def plain(text: str) -> str:
    return " ".join(text.split())


def terminal(folder: Path, overview: Overview) -> str:
    out = StringIO()
    summary(Console(file=out, width=1000, markup=False, emoji=False, soft_wrap=True), overview, folder)
    shown = out.getvalue()
    assert evoarch("status", str(folder)).output.split() == shown.split()
    return plain(shown)


def page(folder: Path, _: Overview) -> str:
    with TestClient(create_app(folder), base_url="http://127.0.0.1") as client:
        return plain(html.unescape(re.sub(r"<[^>]*>", " ", client.get("/").text)))


def report_html(folder: Path, _: Overview) -> str:
    with open_archive(folder, write=False) as store:
        text = as_html(read_report(store, load(folder)))
    return plain(html.unescape(re.sub(r"<[^>]*>", " ", text)))


def report_md(folder: Path, _: Overview) -> str:
    with open_archive(folder, write=False) as store:
        text = as_markdown(read_report(store, load(folder)), {})
    return plain(text.replace("|", " "))


@pytest.mark.parametrize("view", [terminal, page, report_html, report_md])
def test_every_view_says_all_of_the_overview(folder: Path, overview: Overview, view: object) -> None:
    assert callable(view)
    shown = view(folder, overview)
    missing = []
    for section in sections(overview):
        lines = [" ".join(fact.text for fact in row) for row in section.rows]
        lines += [section.title, " ".join(section.columns), *section.sentences]
        missing += [line for line in lines if plain(line) not in shown]
    assert missing == []


def test_the_overview_of_that_archive_has_every_section(overview: Overview) -> None:
    """So that the test above can't pass for want of something to say."""
    status = overview.status
    keys = [section.key for section in sections(overview)]
    assert keys == [
        "numbers",
        "found",
        "front",
        "seeds",
        "wins",
        "rungs",
        "zero-cost",
        "rounds",
        "operators",
        "screening",
        "costs",
        "failures",
        "reasons",
        "doubts",
    ]
    assert status.retries
    assert status.raced
    assert status.money
    assert status.idle
    assert status.inherited["candidates"]
    assert status.failures == {"infrastructure": 1, "train": 1}
    assert {rung.name for rung in status.rungs} == {"filter", "rung1"}
    assert any(rung.audited for rung in status.rungs)
    assert status.score_correlations[0].spearman is not None
    assert {each.state for each in status.rounds} == {"running"}
    assert status.provisional


TOLD_OTHERWISE = {
    "name": "in the title",
    "elites": "the rows of the front",
    "level": "as isolation",
    "provisional": "a sentence below the front",
    "planned": "children of all rounds",
}


def test_no_number_of_the_status_is_left_out(overview: Overview) -> None:
    """A field that is added to the status has to be shown, or this test says which one is not."""
    said = " ".join(
        [fact.text for section in sections(overview) for row in section.rows for fact in row]
        + [sentence for section in sections(overview) for sentence in section.sentences]
    )
    paths = {fact.path for section in sections(overview) for row in section.rows for fact in row}
    sentences = {
        "raced": "of these raced",
        "bests": "Lowest error: #",
        "objectives": "error, params",
        "same_seeds": "seeds/twin.py duplicate: it holds the code of #1 conv",
        "wins": overview.status.wins[0].words,
        "rungs": "rung1: 7 arrived",
        "score_correlations": "naswot and accuracy",
        "inherited": "1 children began with their parents' weights",
        "idle": "Evaluation slots were idle",
        "rounds": "2.500 -> 2.250",
        "screening": "Foretold of",
        "memorised": "#7 errs",
        "ours": "evoarch itself failed 1 times",
        "trackers": "The tracker mlflow was not told: its server does not answer",
        "state": "stopped",
        "reason": "the wall clock is spent",
    }
    for name in Status.__dataclass_fields__:
        told = any(path.startswith(f"overview/status/{name}") for path in paths)
        assert told or name in TOLD_OTHERWISE or sentences[name] in said, name


def test_a_fact_with_a_path_is_what_json_has_there(folder: Path, overview: Overview) -> None:
    printed = json.loads(evoarch("report", str(folder), "--json").stdout)
    facts = [f for s in sections(overview) for row in s.rows for f in row if f.path]
    assert len(facts) > 60
    for fact in facts:
        found = printed
        for part in fact.path.split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        assert found == fact.value, fact.path


def test_a_report_needs_nothing_of_the_page(
    folder: Path, overview: Overview, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "evoarch.agent.web", None)
    assert "all of it: report of a search" in report_html(folder, overview)


def test_a_section_says_which_columns_are_numbers(overview: Overview) -> None:
    front = next(section for section in sections(overview) if section.key == "front")
    assert [front.numeric(place) for place in range(3)] == [False, False, True]
    assert not Section("empty", "Empty", ("one",)).numeric(0)

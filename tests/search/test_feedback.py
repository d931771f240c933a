"""What prompts are told of the search: from the archive, bounded, switched off part by part, and replayed."""

from __future__ import annotations

import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import FreeOrder, Steering
from evoarch.agent.config.load import Config
from evoarch.agent.config.tables import FeedbackTable
from evoarch.agent.lm.base import LMRequest
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.lm.replay import ReplayLM
from evoarch.agent.operators.base import Draft, Order
from evoarch.agent.operators.registry import build_operator
from evoarch.agent.search.campaign_files import open_templates
from evoarch.agent.search.components import Ending
from evoarch.agent.search.feedback import Memory, findings_about
from evoarch.agent.search.replay import recorded_order
from evoarch.agent.search.variation import Rejected, admit
from evoarch.archive.records import Evaluation, Failed, Fault, Outcome, Scored, State
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator, hashed_score
from evoarch.prompts.render import Templates
from evoarch.sandbox.outcome import Finding, Raised
from kit import campaigns
from kit.campaigns import archive_of
from kit.two_widths import MODEL

SEEDS = [MODEL.format(width=width) for width in (7, 9)]


def seeded(folder: Path) -> Store:
    store = archive_of(folder, *SEEDS)
    for identity in (1, 2):
        store.start(identity)
        scored = Scored({"error": 0.5, "params": 500.0})
        store.settle(Evaluation(identity, "full", 0, scored, 1.0, 1.0, "seed"))
    return store


def bred(
    store: Store, outcome: Outcome | str, *, operator: str = "lm.rewrite", source: str = "x = 1\n"
) -> int:
    """A child of the first seed with this outcome; a string rejects it with that reason."""
    (proposal,) = store.draw(operator, [1], 1, {})
    identity = proposal.candidate
    if isinstance(outcome, str):
        store.reject(identity, source, outcome)
        return identity
    store.arrive(identity, source, f"{identity}", f"change {identity}")
    store.start(identity)
    store.settle(Evaluation(identity, "full", 0, outcome, 1.0, 1.0))
    return identity


def told(store: Store, **table: Any) -> list[tuple[str, str]]:
    feedback = Memory(store, FeedbackTable(**table)).of([store.candidate(1)], store.scored())
    return [(each.outcome, each.reason) for each in feedback.tried]


def test_relatives_are_told_newest_first_with_what_came_of_them(tmp_path: Path) -> None:
    store = seeded(tmp_path)
    bred(store, Scored({"error": 0.4, "params": 300.0, "latency": 3.0}))
    bred(store, Failed("dry_run", "ValueError: sizes"))
    bred(store, "3:0 name: unknown name (use one that is there)")
    feedback = Memory(store, FeedbackTable()).of([store.candidate(1)], store.scored())
    assert [each.outcome for each in feedback.tried] == ["rejected", "failed", "scored"]
    assert feedback.tried[1].reason == "dry_run: ValueError: sizes"
    assert feedback.tried[1].change == "change 4"
    assert feedback.tried[2].metrics == {"params": 300.0, "error": 0.4}
    assert Memory(store, FeedbackTable()).of([store.candidate(2)], store.scored()).tried == ()


@pytest.mark.parametrize(
    ("switch", "missing"), [("metrics", "scored"), ("failures", "failed"), ("findings", "rejected")]
)
def test_each_part_can_be_switched_off(tmp_path: Path, switch: str, missing: str) -> None:
    store = seeded(tmp_path)
    bred(store, Scored({"error": 0.4, "params": 300.0}))
    bred(store, Failed("train", "ValueError"))
    bred(store, "no")
    assert missing not in [outcome for outcome, _ in told(store, **{switch: False})]
    assert len(told(store, **{switch: False})) == 2
    assert told(store, relatives=0) == []


def test_what_is_told_is_bounded_in_number_and_length(tmp_path: Path) -> None:
    store = seeded(tmp_path)
    for _ in range(9):
        bred(store, "x y\n" * 999)
    found = told(store, relatives=3, characters=50)
    assert len(found) == 3
    assert all(len(reason) <= 50 and reason.endswith("...") and "\n" not in reason for _, reason in found)


def test_the_infrastructures_faults_and_a_persons_refusal_are_not_told(tmp_path: Path) -> None:
    store = seeded(tmp_path)
    (proposal,) = store.draw("lm.rewrite", [1], 1, {})
    store.arrive(proposal.candidate, "x = 1\n", "d")
    store.start(proposal.candidate)
    lost = Failed("train", "zygote lost", Fault.INFRASTRUCTURE)
    store.settle(Evaluation(proposal.candidate, "full", 0, lost, 1.0, 1.0))
    assert told(store) == []
    store.start(proposal.candidate)
    store.hold(proposal.candidate)
    store.refuse(proposal.candidate)
    assert told(store) == []
    assert store.relatives.mendable() == []


def test_a_child_is_mended_once_and_a_repair_never(tmp_path: Path) -> None:
    store = seeded(tmp_path)
    memory = Memory(store, FeedbackTable())
    assert memory.mendable(Steering(), chat=True) is None
    bred(store, Failed("constraint", "error 0.9 is above 0.5"))
    bred(store, "expected code, got an empty reply", source="")
    assert memory.mendable(Steering(), chat=True) is None
    older = bred(store, Failed("dry_run", "ValueError"), source=MODEL.format(width=3))
    reply = bred(store, "block 1 of 1: no such lines", source="<<<<<<< SEARCH")
    bred(store, Failed("dry_run", "ValueError"), operator="lm.repair", source=MODEL.format(width=4))
    newest, mine = (memory.mendable(Steering(), chat=chat) for chat in (True, False))
    assert (newest.id if newest else 0, mine.id if mine else 0) == (reply, older)
    store.draw("lm.repair", [1], 1, {"repairs": reply})
    again = memory.mendable(Steering(), chat=True)
    assert again is not None
    assert again.id == older
    assert memory.mendable(Steering(vetoed=frozenset({1})), chat=True) is None


def test_findings_about_a_child_are_lines_and_bounded(tmp_path: Path) -> None:
    store = seeded(tmp_path)
    # As archives of earlier versions have them: in one text.
    two = bred(store, "3:4 name: unknown name a; b (use c); 7:0 import: no (hint)")
    assert findings_about(store, two) == ["3:4 name: unknown name a; b (use c)", "7:0 import: no (hint)"]
    assert len(findings_about(store, bred(store, "1:0 x" + "; 1:0 x" * 99))) == 8
    failed = bred(store, Failed("train", "ValueError: a; 3:4 b"))
    assert findings_about(store, failed) == ["train: ValueError: a; 3:4 b"]
    assert findings_about(store, 1) == []


def test_a_finding_is_one_whatever_its_message_holds(tmp_path: Path) -> None:
    store = seeded(tmp_path)
    findings = [
        Finding(3, 4, "name", "unknown; 7:0 name: a; b", "use c; or d"),
        Finding(9, 0, "import", "no \udc80", "h"),
    ]
    (proposal,) = store.draw("lm.rewrite", [1], 1, {})
    assert admit(store, FreeOrder(), Rejected(proposal, "x = 1\n", findings)) is None
    lines = ["3:4 name: unknown; 7:0 name: a; b (use c; or d)", "9:0 import: no \\udc80 (h)"]
    assert findings_about(store, proposal.candidate) == lines
    assert told(store) == [("rejected", "; ".join(lines))]
    assert store.relatives.findings(proposal.candidate)[0] == asdict(findings[0])


# In a campaign

CHAT = {"name": "small", "backend": "embedded", "chat": True}


def config_of(**tables: Any) -> Config:
    defaults: dict[str, Any] = {
        "lm": [CHAT],
        "budget": {"evaluations": 10},
        "evaluation": {"repeats": 1},
    }
    return campaigns.config_of(**defaults | tables)


OPERATORS = [
    {"name": "lm.rewrite", "lm": "small", "samples": 2, "weight": 2.0},
    {"name": "lm.repair", "lm": "small", "samples": 2, "weight": 2.0},
    {"name": "syntactic.mutate"},
]


class Widths:
    """A quick operator that writes another width."""

    name, arity, samples = "syntactic.mutate", 1, 1

    async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
        return [Draft(MODEL.format(width=rng.randint(20, 999)), "other width") for _ in range(order.count)]


def answer(request: LMRequest, index: int) -> str:
    """By the request alone: a model, one with a finding, or prose."""
    kind = (request.seed + index) % 4
    source = MODEL.format(width=1000 + request.seed % 5000 + index)
    if kind == 0:
        return source.replace("return self.b(x)", "return nope(x)")
    return "I can't." if kind == 1 else f"```python\n{source}```"


def score(source: str) -> Outcome:
    digest = sum(map(ord, source))
    return Failed("train", "ValueError: odd") if digest % 5 == 0 else hashed_score(source)


def run(
    store: Store,
    config: Config,
    lm: Any,
    *,
    templates: Templates | None = None,
    quick: Any = None,
    evaluator: Any = None,
    **parts: Any,
) -> Ending:
    built = [build_operator(table, config, templates or Templates()) for table in config.operators]
    operators = [quick or Widths() if each.name == "syntactic.mutate" else each for each in built]
    measuring = evaluator or StubEvaluator(0.002, score)
    return campaigns.run(store, config, measuring, operators, lm=lm, **parts)


@pytest.mark.parametrize("workers", [1, 2])
def test_repairs_and_feedback_replay_without_a_model(tmp_path: Path, workers: int) -> None:
    config = config_of(operators=OPERATORS)
    first = archive_of(tmp_path / "first", *SEEDS)
    assert run(first, config, ScriptedLM(answer, chat=True), workers=workers).complete
    calls = first.calls.all()
    assert any("What became of earlier changes" in call.prompt for call in calls)
    mended = [p for p in first.proposals() if "repairs" in p.context]
    assert mended
    for proposal in mended:
        broken = first.candidate(int(str(proposal.context["repairs"])))
        assert broken.state in (State.FAILED, State.REJECTED)
        assert broken.number is not None
        assert proposal.number > broken.number
        assert proposal.parents == broken.parents
        assert broken.id not in proposal.parents
    batches = {(p.batch, p.context["repairs"]) for p in mended}
    assert len({broken for _, broken in batches}) == len(batches)
    again = archive_of(tmp_path / "again", *SEEDS)
    event_order = recorded_order(tmp_path / "first")
    ending = run(again, config, ReplayLM(calls, chat=True), workers=workers, event_order=event_order)
    assert ending.complete, ending.reason
    settled = (State.SCORED, State.REJECTED, State.DUPLICATE, State.FAILED)
    replayed = {c.id: c for c in again.candidates()}
    assert [replayed[c.id] for c in first.candidates() if c.state in settled] == [
        c for c in first.candidates() if c.state in settled
    ]
    contexts = {p.number: p.context for p in again.proposals()}
    assert all(contexts[p.number] == p.context for p in first.proposals() if p.number in contexts)


def test_a_changed_template_makes_a_replay_fail_with_the_difference(tmp_path: Path) -> None:
    config = config_of(operators=OPERATORS)
    first = archive_of(tmp_path / "first", *SEEDS)
    run(first, config, ScriptedLM(answer, chat=True))
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "_answer.j2").write_text("Answer in one file, please.")
    ending = run(
        archive_of(tmp_path / "again", *SEEDS),
        config,
        ReplayLM(first.calls.all(), chat=True),
        event_order=recorded_order(tmp_path / "first"),
        templates=open_templates(tmp_path, config),
    )
    assert ending.error
    assert "never asked" in ending.reason
    assert "+Answer in one file, please." in ending.reason


@pytest.mark.parametrize(
    ("models", "chat", "is_told"), [("none", True, False), ("chat", False, False), ("all", False, True)]
)
def test_who_is_told_is_a_choice(tmp_path: Path, models: str, chat: bool, is_told: bool) -> None:
    operators = [{"name": "lm.rewrite", "lm": "small", "weight": 4.0, "samples": 1}, OPERATORS[2]]
    config = config_of(operators=operators, lm=[{**CHAT, "chat": chat}], feedback={"models": models})
    store = archive_of(tmp_path, *SEEDS)
    run(store, config, ScriptedLM(lambda request, index: "\n        self.a = 1", chat=chat))
    assert any("feedback" in p.context for p in store.proposals()) == is_told
    assert not any("feedback" in p.context for p in store.proposals() if p.operator == "syntactic.mutate")
    assert any("# tried: " in call.prompt for call in store.calls.all()) == is_told


def test_with_nothing_to_mend_another_operator_takes_the_slot(tmp_path: Path) -> None:
    config = config_of(operators=OPERATORS[1:])
    store = archive_of(tmp_path, *SEEDS)
    ending = run(store, config, ScriptedLM([f"```\n{MODEL.format(width=5)}```"], chat=True))
    assert ending.complete
    drawn = {p.operator for p in store.proposals() if "repairs" not in p.context}
    assert drawn == {"syntactic.mutate"}


# A campaign's own templates


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rewrite.j2", "{{ tagrets }}", "rewrite.j2:1: no value 'tagrets'"),
        ("rewrit.j2", "", "no prompt has this name; nearest known: rewrite"),
        ("scoped.j2", "{% for %}", "scoped.j2:1: "),
        ("scoped.j2", b"\xff", "expected UTF-8 text, got byte 0xff"),
    ],
)
def test_a_bad_template_is_one_line_before_anything_is_spent(
    tmp_path: Path, name: str, text: str | bytes, said: str
) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match="prompts") as caught:
        open_templates(tmp_path, config_of(operators=OPERATORS))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", ["nope", "../prompts", "/etc"])
def test_a_template_folder_that_is_not_there_or_elsewhere_is_named(tmp_path: Path, folder: str) -> None:
    config = config_of(operators=OPERATORS, prompts={"folder": folder})
    with pytest.raises(UserError, match=r"prompts\.folder: expected"):
        open_templates(tmp_path, config)


@pytest.mark.parametrize(
    ("operator", "chat", "said"),
    [
        ({"name": "lm.rewrite", "lm": "small", "reply": "edits"}, False, "wants a model with chat = true"),
        ({"name": "lm.scoped", "lm": "small", "reply": "edits"}, True, "expected one of lm.rewrite"),
        ({"name": "lm.crossover"}, True, "wants lm = ''"),
    ],
)
def test_edits_want_a_chat_model_and_an_operator_that_takes_them(
    operator: dict[str, object], chat: bool, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        config_of(operators=[operator], lm=[{**CHAT, "chat": chat}])


def test_what_is_mended_is_the_source_that_failed_after_its_shape_repairs(tmp_path: Path) -> None:
    """The finding's sizes and lines are of that source, and not of the one that the operator wrote."""

    class Shapes(StubEvaluator):
        async def dry_run(self, source: str) -> Any:
            wide = source.count("30")
            if "Linear(40, 7)" in source or "Linear(40, 9)" in source or "sound" in source:
                return await super().dry_run(source)
            message = "mat1 and mat2 shapes cannot be multiplied (4x40 and 30x10)" if wide else "no way on"
            return Raised("dry_run", "RuntimeError", message, 7 if wide else 11, "a", ((4, 40),))

    config = config_of(operators=[{"name": "lm.repair", "lm": "small"}, {"name": "syntactic.mutate"}])
    store = archive_of(tmp_path, *SEEDS)
    wrong = MODEL.format(width=8).replace("nn.Linear(40, 8)", "nn.Linear(30, 8)")

    class Wrong(Widths):
        async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
            text = wrong.replace("return", f"x = x * {rng.randint(2, 99)}\n        return")
            return [Draft(text) for _ in range(order.count)]

    lm = ScriptedLM(
        lambda request, index: f"```\n{MODEL.format(width=request.seed + 40)}sound = 1\n```", chat=True
    )
    run(store, config, lm, quick=Wrong(), evaluator=Shapes(0.0, score))
    prompts = [call.prompt for call in store.calls.all()]
    assert prompts
    assert all("RuntimeError: no way on (line 11" in prompt for prompt in prompts)
    assert all("nn.Linear(40, 8)" in prompt and "nn.Linear(30, 8)" not in prompt for prompt in prompts)

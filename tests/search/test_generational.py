"""EvoPrompting in rounds: whole campaigns."""

import asyncio
import io
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from evoarch.agent.analysis.sections import rounds
from evoarch.agent.analysis.status import read_status
from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.views import section_table
from evoarch.agent.config.load import Config
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.lm.replay import ReplayLM
from evoarch.agent.operators.lm.rewrite import LMRewrite
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.components import Ending
from evoarch.agent.search.replay import recorded_calls, recorded_order
from evoarch.agent.tuning.data import TuningData
from evoarch.agent.tuning.tuner import Tuned
from evoarch.archive.records import Failed, Outcome, Scored, State
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator
from kit import campaigns
from kit.campaigns import archive_of, finished
from kit.papers_algorithms import transcription
from kit.scale_models import MODEL, scale_of

REST = """
        self.layer = nn.Linear(40, 10)
        self.scale = {scale}

    def forward(self, x):
        return self.scale * self.layer(x)
"""


class CountingTuner:
    """Saves nothing; remembers what it was given. `hold`: the round in which it never ends."""

    def __init__(self, hold: int = -1) -> None:
        self.asked: list[tuple[int, str, TuningData]] = []
        self.hold = hold
        self.begun = asyncio.Event()

    async def tune(self, data: TuningData, *, after: str, number: int) -> Tuned:
        if number == self.hold:
            self.begun.set()
            await asyncio.Event().wait()
        self.asked.append((number, after, data))
        return Tuned(f"soft-{number}", [1.0], 2.0, 1.5, 0.0, 10.0**number)


def by_number(source: str) -> Outcome:
    scale = scale_of(source)
    if scale > 0.57:
        return Failed("train", "it diverged")
    return Scored({"error": scale, "params": 100.0})


def scales(request: Any, index: int) -> str:
    """A class whose score follows from the call's seed; some can't be parsed, some score badly."""
    rng = random.Random(f"{request.seed}/{index}")
    return "???" if rng.random() < 0.1 else REST.format(scale=round(rng.uniform(0.05, 0.6), 4))


def config_of(**tables: Any) -> Config:
    rounds = {"rounds": 3, "prompts": 2, "samples": 4, "survivors": 2, **tables.pop("rounds", {})}
    data: dict[str, Any] = {
        "evaluation": {"repeats": 1},
        "rounds": rounds,
        "tuning": {"enabled": True, "held_out": 0.0},
        "lm": [{"name": "small"}],
        "operators": [{"name": "lm.rewrite", "lm": "small"}],
    }
    return campaigns.config_of(seed=3, **data | tables)


SEEDS = [MODEL.format(scale=scale) for scale in (0.5, 0.55)]


def campaign_of(store: Store, config: Config, *, lm: Any = None, **parts: Any) -> Campaign:
    evaluator, scripted = StubEvaluator(0.0, by_number), lm or ScriptedLM(scales, name="small")
    return campaigns.campaign_of(store, config, evaluator, [LMRewrite()], lm=scripted, **parts)


def run(store: Store, config: Config, **parts: Any) -> Ending:
    return asyncio.run(finished(campaign_of(store, config, **parts)))


def record(store: Store) -> list[tuple[Any, ...]]:
    proposals = {each.candidate: each for each in store.proposals()}
    return [
        (c.id, c.state, c.source, c.parents, proposals[c.id].context if c.id in proposals else None)
        for c in store.candidates()
    ]


def rounds_of(store: Store) -> list[Any]:
    return [event.detail for event in store.events(kind="round")]


def test_a_campaign_makes_its_rounds_as_the_paper_says(tmp_path: Path) -> None:
    store, tuner, lm = archive_of(tmp_path, *SEEDS, seed=3), CountingTuner(), ScriptedLM(scales, name="small")
    ending = run(store, config_of(), tuner=tuner, lm=lm)
    assert ending.reason == "all 3 rounds are made"
    assert ending.complete
    children: list[list[tuple[int, float, float] | None]] = [[], [], []]
    for proposal in store.proposals():
        child = store.candidate(proposal.candidate)
        made = (child.id, 100.0, child.metrics["error"]) if child.state is State.SCORED else None
        children[int(str(proposal.context["round"]))].append(made)
    assert [len(each) for each in children] == [8, 8, 8]
    parents, trained, _ = transcription(children, [1, 2], 2, 0.5)
    assert [each["parents"] for each in rounds_of(store)] == parents
    assert [each["training"] for each in rounds_of(store)] == [[], *trained]
    assert all(
        set(p.parents) <= set(parents[int(str(p.context["round"]))]) and len(p.parents) == 2
        for p in store.proposals()
    )
    # The soft prompt goes on from the last one, and every prompt of the round is asked with it.
    assert [(number, after) for number, after, _ in tuner.asked] == [(1, ""), (2, "soft-1")]
    assert [request.soft_prompt for request in lm.requests] == [
        "",
        "",
        "soft-1",
        "soft-1",
        "soft-2",
        "soft-2",
    ]
    assert [each.candidate for each in tuner.asked[0][2].training] == trained[0]


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 80))
def test_a_run_cut_off_anywhere_goes_on_to_the_same_campaign(cut: int) -> None:
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parted:
        wanted = archive_of(Path(whole), *SEEDS, seed=3)
        run(wanted, config_of(), tuner=CountingTuner())
        store = archive_of(Path(parted), *SEEDS, seed=3)
        written = store._db.event

        class Cut(BaseException):
            """As a kill would: nothing after this write happens."""

        def event(*args: Any, **named: Any) -> Any:
            nonlocal cut
            cut -= 1
            if cut == 0:
                raise Cut
            return written(*args, **named)

        store._db.event = event  # type: ignore[method-assign]
        with pytest.raises(Cut):
            run(store, config_of(), tuner=CountingTuner())
        store._db.event = written  # type: ignore[method-assign]
        ending = run(store, config_of(), tuner=CountingTuner())
        assert ending.complete
        assert record(store) == record(wanted)
        assert rounds_of(store) == rounds_of(wanted)


def test_tuning_is_paid_for_by_the_first_child_after_it(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS, seed=3)
    run(store, config_of(), tuner=CountingTuner())
    assert [detail.get("tuning", {}).get("cpu_seconds") for detail in rounds_of(store)] == [None, 10.0, 100.0]
    rounds = {each.candidate: each.context["round"] for each in store.proposals()}
    # Nothing else costs anything here.
    assert {(rounds.get(o.candidate, 0), o.cpu_seconds) for o in store.outlays.all()} == {
        (0, 0.0),
        (1, 10.0),
        (2, 110.0),
    }
    assert read_status(store, config_of()).cpu_s == 110.0


def test_a_stop_in_the_midst_of_tuning_is_resumed(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS, seed=3)
    tuner = CountingTuner(hold=1)

    async def stopped() -> Ending:
        campaign = campaign_of(store, config_of(), tuner=tuner)
        work = asyncio.create_task(campaign.run())
        await tuner.begun.wait()
        campaign.stop()
        return await asyncio.wait_for(work, 60)

    assert not asyncio.run(stopped()).complete
    assert len(rounds_of(store)) == 1
    assert run(store, config_of(), tuner=CountingTuner()).complete
    assert len(rounds_of(store)) == 3


def test_tuning_ends_with_the_budgets_wall_clock(tmp_path: Path) -> None:
    store, tuner = archive_of(tmp_path, *SEEDS, seed=3), CountingTuner(hold=1)
    config = config_of(budget={"evaluations": 100, "wall_clock": 1.0})
    ending = run(store, config, tuner=tuner)
    assert ending.complete
    assert "wall clock" in ending.reason
    assert not tuner.asked
    assert run(store, config_of(), tuner=CountingTuner()).complete
    assert len(rounds_of(store)) == 3


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_what_is_paid_for_is_graded_though_the_tokens_are_spent(tmp_path: Path, calls: int) -> None:
    for name in ("whole", "parted"):
        (tmp_path / name).mkdir()
    whole = archive_of(tmp_path / "whole", *SEEDS, seed=3)
    run(whole, config_of(tuning={"enabled": False}))
    tokens = sum(c.prompt_tokens + c.completion_tokens for c in recorded_calls(tmp_path / "whole")[:calls])
    store = archive_of(tmp_path / "parted", *SEEDS, seed=3)
    config = config_of(tuning={"enabled": False}, budget={"evaluations": 100, "tokens": tokens})
    assert "LM tokens are spent" in run(store, config).reason
    asked = {call.batch for call in recorded_calls(tmp_path / "parted")}
    assert len(asked) == calls
    left = {p.batch for p in store.proposals() if store.candidate(p.candidate).state is State.PROPOSED}
    assert not asked & left
    run(store, config_of(tuning={"enabled": False}))
    assert record(store) == record(whole)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_replay_makes_the_same_candidates_without_a_model(tmp_path: Path, workers: int) -> None:
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
    store = archive_of(tmp_path / "first", *SEEDS, seed=3)
    config = config_of(tuning={"enabled": False})
    run(store, config, workers=workers)
    again = archive_of(tmp_path / "again", *SEEDS, seed=3)
    lm = ReplayLM(recorded_calls(tmp_path / "first"), name="small")
    run(again, config, lm=lm, event_order=recorded_order(tmp_path / "first"))
    assert record(again) == record(store)


@pytest.mark.parametrize("parents", ["seeds", "random"])
def test_the_ablations_choose_other_parents(tmp_path: Path, parents: str) -> None:
    store = archive_of(tmp_path, *SEEDS, seed=3)
    run(store, config_of(rounds={"parents": parents}, tuning={"enabled": False}))
    later = [each["parents"] for each in rounds_of(store)[1:]]
    if parents == "seeds":
        assert later == [[1, 2], [1, 2]]
    else:
        assert all(len(each) == 2 and not {1, 2} & set(each) for each in later)


def test_where_nobody_survives_the_parents_stay(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS, seed=3)
    lm = ScriptedLM(["???"], name="small")
    ending = run(store, config_of(), tuner=CountingTuner(), lm=lm)
    assert ending.complete
    assert [each["parents"] for each in rounds_of(store)] == [[1, 2]] * 3


def test_status_has_a_line_for_each_round(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS, seed=3)
    run(store, config_of(), tuner=CountingTuner())
    screen = Console(width=200, file=io.StringIO(), soft_wrap=True)
    screen.print(section_table(rounds(read_status(store, config_of()))))
    _, heads, *lines = screen.file.getvalue().rstrip().splitlines()  # type: ignore[attr-defined]
    assert re.split(r"\s{2,}", heads.strip())[-3:] == ["scored", "trained on", "held-out loss"]
    begun = rounds_of(store)
    for number, line in enumerate(lines):
        cells = re.split(r"\s{2,}", line.strip())
        assert (cells[0], cells[2]) == (str(number + 1), str(len(begun[number]["parents"])))
        assert cells[-2] == str(len(begun[number]["training"]))
    assert len(lines) == len(begun) == 3


class Untouchable:
    """Fails whoever reads a key of it."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was read")


def test_what_rounds_refuse_they_do_not_read(tmp_path: Path) -> None:
    """The declaration in agent.config.loops is true."""
    config = config_of()
    nothing = {"portfolio": Untouchable(), "feedback": Untouchable()}
    store = archive_of(tmp_path, *SEEDS, seed=3)
    assert run(store, config.model_copy(update=nothing), tuner=CountingTuner()).complete
    assert len(rounds_of(store)) == 3


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"operators": [{"name": "random"}]}, "lm.rewrite"),
        ({"review": {"required": True}}, "review.required"),
        ({"lm": [{"name": "small", "backend": "openai", "model": "m"}]}, "tuning export"),
        ({"rounds": {"samplse": 3}}, "samples"),
    ],
)
def test_what_can_not_be_run_in_rounds_is_said_at_once(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        config_of(**tables)

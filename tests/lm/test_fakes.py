"""The public fakes keep the contract, and a replay fails on an unseen prompt with a diff."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.load import parse
from evoarch.agent.lm.base import LM, LMError, LMRequest
from evoarch.agent.lm.contract import ASK, LMContract
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.lm.local.embedded import EmbeddedLM
from evoarch.agent.lm.local.transformers import TransformersLM
from evoarch.agent.lm.openai import OpenAILM
from evoarch.agent.lm.registry import build_lm
from evoarch.agent.lm.replay import ReplayLM
from evoarch.archive.records import LMCall


class TestScripted(LMContract):
    @pytest.fixture
    def lm(self) -> LM:
        return ScriptedLM(["nn.ReLU()", "nn.GELU()"])


class TestScriptedChat(LMContract):
    @pytest.fixture
    def lm(self) -> LM:
        return ScriptedLM(lambda request, index: f"reply {index}", chat=True)


class TestReplay(LMContract):
    @pytest.fixture
    def lm(self) -> LM:
        calls = []
        for prompt in (ASK, "# Größe 宽度 🙂\nx ="):
            for n in (1, 2, 3, 4):
                calls += [call(prompt, n, seed) for seed in range(3)]
        return ReplayLM(calls)


def call(prompt: str, n: int, seed: int, text: str = "nn.ReLU()", state: str = "settled") -> LMCall:
    return LMCall(0, "m", "", prompt, {"n": n, "seed": seed}, state, (text,) * n, ("stop",) * n, 5, 3)


def test_a_replay_gives_equal_requests_their_answers_in_order() -> None:
    lm = ReplayLM([call("a", 1, 0, "first"), call("a", 1, 0, "lost", "lost"), call("a", 1, 0, "second")])

    async def thrice() -> list[str]:
        return [(await lm.complete(LMRequest("a"))).texts[0] for _ in range(3)]

    assert asyncio.run(thrice()) == ["first", "second", "second"]


def test_an_unseen_prompt_fails_with_the_diff_to_the_nearest() -> None:
    lm = ReplayLM([call("other", 1, 0), call("class A:\n    x = 1\n    y = 2", 1, 0)])
    with pytest.raises(LMError) as caught:
        asyncio.run(lm.complete(LMRequest("class A:\n    x = 3\n    y = 2")))
    assert "-    x = 1\n+    x = 3" in str(caught.value)
    with pytest.raises(LMError, match="not with seed 4 and n 1"):
        asyncio.run(lm.complete(LMRequest("other", seed=4)))


def test_a_replay_of_a_model_that_was_never_asked_works_until_it_is_asked() -> None:
    lm = ReplayLM([])
    asyncio.run(lm.check())
    with pytest.raises(LMError, match="expected an archived prompt"):
        asyncio.run(lm.complete(LMRequest("x")))


def test_a_script_of_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="at least one reply"):
        ScriptedLM([])


def test_settings_build_the_backend_they_name() -> None:
    assert isinstance(build_lm(LMSettings()), EmbeddedLM)
    assert isinstance(build_lm(LMSettings(backend="openai", model="m")), OpenAILM)
    assert isinstance(
        build_lm(LMSettings.model_validate({"backend": "transformers", "path": "m"})), TransformersLM
    )


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ({"backend": "openai", "model": "coder-7b"}, "coder-7b"),
        ({"backend": "transformers", "path": "models/coder.gguf"}, "coder"),
        ({"backend": "command", "command": ["/usr/bin/llm", "-m", "x"]}, "llm"),
        ({}, "SmolLM2-135M"),
        ({"backend": "openai", "model": "coder-7b", "name": "mine"}, "mine"),
    ],
)
def test_a_model_without_a_name_is_called_by_what_it_is(table: dict[str, Any], name: str) -> None:
    operator = {"name": "lm.scoped", "lm": name}
    data = {"campaign": {"name": "c"}, "lm": [table], "operators": [operator]}
    assert [lm.name for lm in parse(data, "campaign.toml").lm] == [name]
    with pytest.raises(UserError, match=f"wants lm = ''; known: {name}"):
        parse({**data, "operators": [{"name": "lm.scoped"}]}, "campaign.toml")


@pytest.mark.parametrize("command", [5, True, {"program": "llm"}, "llm -m x", [5], []])
def test_a_command_of_another_type_is_one_line(command: object) -> None:
    table = {"backend": "command", "command": command}
    with pytest.raises(UserError, match=r"^campaign\.toml: lm\.0.*(valid|needs command)") as caught:
        parse({"campaign": {"name": "c"}, "lm": [table], "operators": [{"name": "random"}]}, "campaign.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"backend": "openai"}, "needs model"),
        ({"backend": "transformers"}, "needs path"),
        ({"backend": "llama"}, "backend"),
        ({"modle": "x"}, "modle"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_wrong_settings_name_the_key(table: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LMSettings.model_validate(table)

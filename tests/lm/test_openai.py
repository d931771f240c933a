"""The OpenAI backend against a server on loopback that misbehaves in every way that servers do."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.load import parse
from evoarch.agent.lm.base import LM, LMError, LMRequest
from evoarch.agent.lm.contract import LMContract
from evoarch.agent.lm.openai import OpenAILM
from kit.openai_server import (
    KEY,
    Handler,
    Server,
    answer,
    ask,
    good,
    hang_up,
    one_only,
    raw,
    send,
    settings,
    shaped,
    stall,
    status,
    together,
    trickle,
)


@pytest.mark.parametrize("chat", [False, True])
class TestContract(LMContract):
    @pytest.fixture
    def lm(self, server: Server, runner: asyncio.Runner, chat: bool) -> Iterator[LM]:
        lm = OpenAILM(settings(server, chat=chat))
        yield lm
        runner.run(lm.close())


@pytest.mark.parametrize(
    ("step", "said", "retriable", "unanswered"),
    [
        (status(401, f"bad key {KEY}"), "set environment variable TEST_KEY", False, 0),
        (status(403), "set environment variable TEST_KEY", False, 0),
        (status(404, "model m not found"), "set [[lm]] model", False, 0),
        (status(418, f"a teapot, {KEY}"), "answered 418: ", False, 0),
        (status(429, "slow down"), "answered 429: ", True, 0),
        (status(500, f"broken {KEY}"), "answered 500: ", True, 2),
        (hang_up, "the connection ended before the answer", True, 2),
        (raw('{"id": '), "expected a completion", True, 1),
        (raw("<html>hello</html>"), "expected a completion", True, 1),
        (raw("[1, 2]"), "expected a completion", True, 1),
    ],
    ids=["401", "403", "404", "418", "429", "500", "closed", "cut JSON", "no JSON", "other JSON"],
)
def test_a_fault_that_stays_is_one_line_that_says_what_to_set(
    server: Server,
    step: Callable[[Handler, dict[str, Any]], None],
    said: str,
    retriable: bool,
    unanswered: int,
) -> None:
    server.script = [step]
    with pytest.raises(LMError) as caught:
        ask(server)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert (caught.value.retriable, caught.value.unanswered) == (retriable, unanswered)


@pytest.mark.parametrize(
    ("step", "unanswered"),
    [
        (status(429), 0),
        (status(429, Retry_After="0.01"), 0),
        (status(500), 1),
        (status(503), 1),
        (hang_up, 1),
        (stall, 1),
        (trickle, 1),
    ],
    ids=["429", "429 with Retry-After", "500", "503", "closed", "stalled", "trickling"],
)
def test_a_fault_that_passes_costs_one_more_request(
    server: Server, step: Callable[[Handler, dict[str, Any]], None], unanswered: int
) -> None:
    server.script = [step, good]
    reply = ask(server, timeout=1.0 if step in (stall, trickle) else 120.0)
    assert reply.texts == ("nn.ReLU()",) * 2
    assert len(server.bodies) == 2
    assert reply.detail.get("unanswered", 0) == unanswered


def test_a_wait_that_the_server_asks_for_is_kept_whatever_the_timeout(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("openai._base_client.anyio.sleep", sleep)
    server.script = [status(429, Retry_After="90"), good]
    assert ask(server, timeout=5.0).texts == ("nn.ReLU()",) * 2
    assert waits == [90]


def test_an_answer_that_unpacks_to_more_than_memory_is_given_up(server: Server) -> None:
    packer = zlib.compressobj(wbits=31)
    packed = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(300)), packer.flush()])
    assert len(packed) < 1 << 20

    def bomb(handler: Handler, body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(packed)))
        handler.end_headers()
        handler.wfile.write(packed)

    server.script = [bomb]
    tracemalloc.start()
    try:
        with pytest.raises(LMError, match="an answer of more than 16 MiB"):
            ask(server, retries=0)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_a_stalled_body_is_given_up(server: Server) -> None:
    server.script = [stall]
    with pytest.raises(LMError, match=r"no answer within 0\.1 s") as caught:
        ask(server, timeout=0.1, retries=0)
    assert (caught.value.retriable, caught.value.unanswered) == (True, 1)


def test_samples_that_came_are_kept_where_the_server_then_fails(server: Server) -> None:
    server.script = [one_only, status(500)]
    reply = ask(server, LMRequest("x", n=2, seed=5))
    assert reply.texts == ("seed 5",)
    assert "answered 500" in str(reply.detail["problem"])
    assert reply.detail["unanswered"] == 2


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"usage": {}}, (3, 3)),
        ({"usage": {"prompt_tokens": 7}}, (7, 3)),
        ({"usage": {"prompt_tokens": None, "completion_tokens": -1}}, (3, 3)),
        ({"usage": "none"}, (3, 3)),
        ({"usage": {"prompt_tokens": 10**30, "completion_tokens": 2**53 + 1}}, (3, 3)),
    ],
)
def test_a_reply_that_is_half_broken_is_kept_as_far_as_it_goes(
    server: Server, chat: bool, change: dict[str, Any], counts: tuple[int, int]
) -> None:
    def step(handler: Handler, body: dict[str, Any]) -> None:
        whole = json.loads(answer(body, ["nn.ReLU()"])) | change
        empty = {"message": {"role": "assistant", "content": None}} if chat else {"text": None}
        whole["choices"] += [None, {"index": 2, "finish_reason": None, **empty}]
        send(handler, 200, json.dumps(whole))

    server.script = [step]
    messages = ({"role": "user", "content": "x = nn."},) if chat else ()
    reply = ask(server, LMRequest("" if chat else "x = nn.", messages, n=2), chat=chat)
    assert (reply.texts, reply.finish_reasons) == (("nn.ReLU()", ""), ("stop", "stop"))
    assert (reply.prompt_tokens, reply.completion_tokens) == counts
    assert reply.detail["usage"] == "estimated"


def test_what_an_endpoint_does_not_take_is_left_out_and_named_by_the_check(server: Server) -> None:
    server.script = [status(400, "Unsupported parameter: 'max_tokens'")]

    async def check() -> None:
        lm = OpenAILM(settings(server, chat=True))
        try:
            await lm.check()
        finally:
            await lm.close()

    with pytest.raises(LMError, match=r"Unsupported parameter: 'max_tokens'; set .* omit, token_limit"):
        asyncio.run(check())
    server.script, server.bodies = [shaped(["nn.ReLU()"])], []
    omit = ("n", "temperature", "top_p", "seed", "stop")
    more = {"token_limit": "max_completion_tokens", "omit": omit, "extra": {"reasoning_effort": "low"}}
    reply = ask(server, LMRequest("x", n=2, stop=("\n",), max_tokens=9), chat=True, **more)
    assert len(reply.texts) == 2
    wanted = {"model", "messages", "max_completion_tokens", "reasoning_effort"}
    assert all(set(body) == wanted for body in server.bodies)
    assert server.bodies[0]["max_completion_tokens"] == 9


def test_without_a_system_message_its_text_begins_the_next_one(server: Server) -> None:
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "x ="})
    for omit, roles in (((), ["system", "user"]), (("system",), ["user"])):
        server.bodies = []
        ask(server, LMRequest("", messages), chat=True, omit=omit)
        sent = server.bodies[0]["messages"]
        assert [each["role"] for each in sent] == roles
    assert sent[0]["content"] == "Be brief.\n\nx ="


def test_a_password_in_a_url_is_refused_in_the_file_and_kept_out_of_errors(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"backend": "openai", "name": "a", "model": "m", "base_url": "http://me:hidden@host/v1"}
    operators = [{"name": "lm.rewrite", "lm": "a"}]
    with pytest.raises(UserError, match="base_url holds a user or password") as refused:
        parse({"campaign": {"name": "c"}, "lm": [table], "operators": operators}, "campaign.toml")
    assert "hidden" not in str(refused.value)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("//", "//me:hidden@"))
    server.script = [status(404, "no")]
    with pytest.raises(LMError, match="no model 'm' there") as caught:
        ask(server, base_url=None)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("code", [400, 413, 422])
def test_no_choices_and_a_refused_request_are_replies_without_texts(server: Server, code: int) -> None:
    server.script = [shaped([])]
    reply = ask(server)
    assert reply.texts == ()
    assert reply.detail["problem"] == "the server answered with no choices"
    assert reply.prompt_tokens == 7
    server.script = [status(code, "maximum context length is 100 tokens")]
    assert "maximum context length" in str(ask(server).detail["problem"])


def test_a_content_filter_is_a_finish_reason_and_is_not_asked_again(server: Server) -> None:
    server.script = [shaped([""], "content_filter")]
    assert ask(server).finish_reasons == ("content_filter",)
    assert len(server.bodies) == 1


def test_without_usage_tokens_are_estimated_and_said_so(server: Server) -> None:
    server.script = [shaped(["nn.ReLU()"] * 2, usage=None)]
    reply = ask(server)
    assert reply.detail["usage"] == "estimated"
    assert (reply.prompt_tokens, reply.completion_tokens) == (3, 6)


def test_a_server_that_ignores_n_is_asked_for_the_rest_with_other_seeds(server: Server) -> None:
    server.script = [one_only]
    reply = ask(server, LMRequest("x", n=3, seed=5))
    assert sorted(reply.texts) == ["seed 5", "seed 6", "seed 7"]
    assert reply.completion_tokens == 15


def test_what_is_sent_and_what_it_costs(server: Server) -> None:
    request = LMRequest("x", n=1, stop=tuple("abcdef"), max_tokens=100, seed=9, temperature=0.3)
    reply = ask(server, request, max_tokens=50, price_prompt=1e6, price_completion=2e6)
    (body,) = server.bodies
    assert (body["model"], body["prompt"], body["seed"], body["temperature"]) == ("m", "x", 9, 0.3)
    assert body["stop"] == list("abcd")
    assert body["max_tokens"] == 50
    assert reply.price == 17.0


def test_no_more_calls_at_once_than_allowed(server: Server) -> None:
    server.script = [together]

    async def many() -> None:
        lm = OpenAILM(settings(server, concurrency=2))
        await asyncio.gather(*(lm.complete(LMRequest("x", n=1, seed=i)) for i in range(6)))
        await lm.close()

    asyncio.run(many())
    assert server.most == 2


def test_without_key_and_server_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("MY_KEY", raising=False)
    lm = OpenAILM(LMSettings(backend="openai", model="m", key_env="MY_KEY"))
    with pytest.raises(LMError, match="MY_KEY is not set"):
        asyncio.run(lm.check())


def test_nobody_listening_is_said_before_anything_is_spent() -> None:
    with Server() as gone:
        url = gone.url
    lm = OpenAILM(LMSettings(backend="openai", model="m", base_url=url, key_env="", retries=0))
    with pytest.raises(LMError, match=r"can't connect .* set \[\[lm\]\] base_url") as caught:
        asyncio.run(lm.check())
    assert (caught.value.retriable, caught.value.unanswered) == (True, 0)

"""Servers that answer 200 with something else than the text that was asked for: what came and what to set."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from evoarch.agent.lm.base import LMError, LMReply, LMRequest
from evoarch.agent.lm.openai import OpenAILM
from evoarch.agent.lm.openai_reply import Answer, NoCompletionError, read_answer
from evoarch.agent.operators.lm.drafts import drafts
from evoarch.prompts.replies import Parsed
from kit.openai_server import KEY, Handler, Server, answer, ask, good, send, settings, shaped

Step = Callable[[Handler, dict[str, Any]], None]

CHAT_OR_NOT = pytest.mark.parametrize("chat", [False, True], ids=["completion", "chat"])


def request(chat: bool, n: int = 1, text: str = "x = nn.") -> LMRequest:
    return LMRequest("" if chat else text, ({"role": "user", "content": text},) if chat else (), n=n, seed=5)


def of_type(kind: str, text: str) -> Step:
    return lambda handler, body: send(handler, 200, text, {"Content-Type": kind})


def problems(reply: LMReply, count: int = 1) -> list[str]:
    """What the children of a reply say."""
    return [draft.problem for draft in drafts(reply, count, "", lambda text, cut: Parsed(text))]


PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title><style>body {color: red}</style>"
    "<script>if (a < b) { go() }</script></head><body><h1>Please &amp; log in</h1></body></html>"
)
CHUNK = {"id": "1", "object": "chat.completion.chunk", "choices": [{"delta": {"content": "nn"}}]}
STREAM = f"data: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n"
BROKEN_STREAM = ': PROCESSING\n\nevent: error\ndata: {"error": {"message": "no slot is free"}}\n\n'

OTHERS = {
    "error": (
        "application/json",
        '{"error": {"message": "no such route", "code": 99}}',
        "an error",
        "no such route",
    ),
    "error as text": ("application/json", '{"error": "model is loading"}', "an error", "model is loading"),
    "error beside nothing": (
        "application/json; charset=utf-8",
        '{"choices": [], "error": {"message": "upstream failed", "code": 502}}',
        "an error",
        "upstream failed",
    ),
    "detail": (
        "application/json",
        '{"detail": [{"loc": ["n"], "msg": "too much"}]}',
        "JSON without",
        "too much",
    ),
    "other JSON": ("application/json", '{"response": "nn", "done": true}', "JSON without", "response, done"),
    "list": ("application/json", "[1, 2]", "JSON without", "[1, 2]"),
    "choices of text": ("application/json", '{"choices": "nn.ReLU()"}', "JSON without", "choices"),
    "page": ("text/html; charset=utf-8", PAGE, "a web page", "Sign in Please & log in"),
    "page called JSON": ("application/json", PAGE, "a web page", "Sign in Please & log in"),
    "stream": ("text/event-stream", STREAM, "an event stream that was not asked for", "data: "),
    "stream called JSON": ("application/json", STREAM, "an event stream that was not asked for", "data: "),
    "stream with an error": ("text/event-stream", BROKEN_STREAM, "an event stream", "no slot is free"),
    "lines": ("application/x-ndjson", '{"a": 1}\n{"a": 2}\n', "text that is no JSON", '{"a": 1}'),
    "words": ("text/plain", "It works!", "text that is no JSON", "It works!"),
    "deep": ("application/json", "[" * 100_000, "text that is no JSON", "[["),
    "colours": ("text/plain", "\x1b[31mred", "text that is no JSON", "[31mred"),
    "empty": ("", "", "an empty answer", "of no type"),
}


@CHAT_OR_NOT
@pytest.mark.parametrize(("kind", "text", "what", "words"), OTHERS.values(), ids=OTHERS)
def test_what_came_instead_of_a_completion_is_said_with_what_may_be_wrong(
    server: Server, chat: bool, kind: str, text: str, what: str, words: str
) -> None:
    server.script = [of_type(kind, text)]
    with pytest.raises(LMError) as caught:
        ask(server, request(chat), chat=chat)
    said = str(caught.value)
    assert said.startswith(f"m at {server.url}/: expected a completion, got {what}")
    assert kind.partition(";")[0] in said
    assert words in said
    assert "base_url may be wrong" in said
    assert not {"\n", "\x1b"} & set(said)
    assert len(said) < 500
    assert "go()" not in said
    assert (caught.value.retriable, caught.value.unanswered) == (True, 1)


@CHAT_OR_NOT
@pytest.mark.parametrize("error", [{"code": 400}, {"code": 413}, {"type": "invalid_request_error"}])
def test_a_refusal_that_came_with_200_is_one_all_the_same(
    server: Server, chat: bool, error: dict[str, Any]
) -> None:
    server.script = [of_type("application/json", json.dumps({"error": {"message": "context", **error}}))]
    reply = ask(server, request(chat), chat=chat)
    assert reply.texts == ()
    assert reply.detail["problem"] == "the server refused the request: context"


def test_a_page_that_repeats_the_key_does_not_show_it(server: Server) -> None:
    server.script = [of_type("text/html", f"<html><p>bad key {KEY[:6]}<b>{KEY[6:]}</b>")]
    with pytest.raises(LMError, match=r"a web page .*bad key \*\*\*"):
        ask(server)


def test_the_servers_own_sentence_is_found_in_an_error_of_another_form(server: Server) -> None:
    for body in (
        '{"detail": [{"msg": "no n here"}]}',
        '{"error": "no n here"}',
        "<html><p>no n here</p></html>",
    ):
        server.script = [lambda handler, _, body=body: send(handler, 418, body)]
        with pytest.raises(LMError, match="answered 418: no n here"):
            ask(server)


def in_place(reason: str = "stop", **message: Any) -> Step:
    """One choice, whose message (of a completion: whose choice) holds this."""

    def step(handler: Handler, body: dict[str, Any]) -> None:
        whole = json.loads(answer(body, [""], reason))
        (choice,) = whole["choices"]
        (choice["message"] if "messages" in body else choice).update(message)
        send(handler, 200, json.dumps(whole))

    return step


PARTS = {
    "parts": [{"type": "text", "text": "nn."}, {"type": "output_text", "text": "ReLU()"}],
    "texts": ["nn.", "ReLU()"],
    "one part": {"type": "text", "text": "nn.ReLU()"},
    "beside thoughts": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "reasoning", "text": "hm"},
        None,
        {"type": "text", "text": "nn.ReLU()"},
    ],
}


@CHAT_OR_NOT
@pytest.mark.parametrize("content", PARTS.values(), ids=PARTS)
def test_a_text_in_parts_is_put_together_without_what_was_only_thought(
    server: Server, chat: bool, content: Any
) -> None:
    server.script = [in_place(content=content)]
    assert ask(server, request(chat), chat=chat).texts == ("nn.ReLU()",)


CALL = [{"id": "1", "type": "function", "function": {"name": "write", "arguments": '{"code": "nn.ReLU()"}'}}]
ELSEWHERE = {
    "reasoning_content": ({"reasoning_content": "I think"}, "reasoning_content", "max_tokens higher"),
    "reasoning": ({"reasoning": "I think"}, "reasoning", "max_tokens higher"),
    "thinking": ({"content": [{"type": "thinking", "thinking": "hm"}]}, "thinking", "reasoning_effort"),
    "tool_calls": ({"tool_calls": CALL}, "tool_calls", 'tool_choice = "none"'),
    "function_call": ({"function_call": CALL[0]["function"]}, "function_call", 'tool_choice = "none"'),
    "refusal": ({"refusal": f"I can't help with {KEY}"}, "refused (I can't help with ***)", "[[lm]] model"),
    "refusal in parts": (
        {"content": [{"type": "refusal", "refusal": "No."}]},
        "refused (No.)",
        "[[lm]] model",
    ),
}


@CHAT_OR_NOT
@pytest.mark.parametrize("reason", ["stop", "length"])
@pytest.mark.parametrize(("message", "place", "wanted"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_an_answer_that_stands_elsewhere_is_named_with_what_to_set(
    server: Server, chat: bool, reason: str, message: dict[str, Any], place: str, wanted: str
) -> None:
    server.script = [in_place(reason, **message)]
    reply = ask(server, request(chat), chat=chat)
    assert reply.texts == ("",)
    (problem,) = problems(reply)
    assert problem.startswith("expected code, got an empty reply: ")
    assert place in problem
    assert wanted in problem
    assert KEY not in problem


@pytest.mark.parametrize("whole", [True, False])
def test_code_that_was_handed_to_a_tool_is_the_answer(server: Server, whole: bool) -> None:
    code = "class Model(nn.Module):\n    pass\n"
    arguments: Any = {"path": "model.py", "content": code}
    call = {"name": "write_file", "arguments": json.dumps(arguments) if whole else arguments}
    server.script = [in_place("tool_calls", content=None, tool_calls=[{"id": "1", "function": call}])]
    assert ask(server, request(True), chat=True).texts == (code,)


def test_each_empty_text_says_its_own_and_the_others_are_read(server: Server) -> None:
    server.script = [in_place(refusal="No."), shaped(["nn.ReLU()"]), in_place(reasoning="hm")]
    reply = ask(server, request(True, n=3), chat=True, concurrency=1)
    first, second, third = problems(reply, 3)
    assert "refused (No.)" in first
    assert second == ""
    assert "stands in reasoning" in third


def test_a_probe_that_ends_in_a_models_thoughts_passes(server: Server) -> None:
    server.script = [in_place(reasoning_content="Okay")]
    check(server, chat=True)


def check(server: Server, **more: Any) -> None:
    async def once() -> None:
        lm = OpenAILM(settings(server, **more))
        try:
            await lm.check()
        finally:
            await lm.close()

    asyncio.run(once())


def one_at_a_time(handler: Handler, body: dict[str, Any]) -> None:
    """Refuses the name `n`, whatever its value."""
    if "n" in body:
        send(handler, 422, json.dumps({"detail": [{"loc": ["body", "n"], "msg": "n is not permitted"}]}))
    else:
        send(handler, 200, answer(body, [f"seed {body['seed']}"]))


@CHAT_OR_NOT
def test_a_server_that_refuses_several_samples_is_asked_for_one_by_one_and_it_is_said_once(
    server: Server, chat: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [one_at_a_time]

    async def twice() -> list[LMReply]:
        lm = OpenAILM(settings(server, chat=chat))
        try:
            return [await lm.complete(request(chat, n=3)) for _ in range(2)]
        finally:
            await lm.close()

    with caplog.at_level(logging.WARNING):
        replies = asyncio.run(twice())
    for reply in replies:
        assert sorted(reply.texts) == ["seed 5", "seed 6", "seed 7"]
        assert "problem" not in reply.detail
    assert [body.get("n") for body in server.bodies] == [3, *[None] * 6]
    (said,) = caplog.messages
    assert "takes one sample at a time, so each of 3 is a request of its own" in said
    assert "n is not permitted" in said


def test_what_is_refused_for_one_sample_too_stays_a_refusal(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [lambda handler, body: send(handler, 400, '{"error": {"message": "context is 100"}}')]
    reply = ask(server, request(False, n=3))
    assert reply.texts == ()
    assert reply.detail["problem"] == "the server refused the request: context is 100"
    assert len(server.bodies) == 2
    assert not caplog.messages


def counting(tokens: int) -> Step:
    def step(handler: Handler, body: dict[str, Any]) -> None:
        usage = {"prompt_tokens": tokens, "completion_tokens": 2}
        send(handler, 200, json.dumps(json.loads(answer(body, ["nn.ReLU()"])) | {"usage": usage}))

    return step


@CHAT_OR_NOT
@pytest.mark.parametrize(
    ("tokens", "characters", "said"),
    [
        (512, 9000, True),
        (512, 3073, True),
        (512, 3072, False),  # six characters a token: nobody can tell
        (7, 1400, False),  # too short to tell
        (0, 9000, False),  # says nothing
    ],
)
def test_a_prompt_that_the_server_cut_is_said_once(
    server: Server, chat: bool, tokens: int, characters: int, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [counting(tokens)]

    async def twice() -> None:
        lm = OpenAILM(settings(server, chat=chat))
        try:
            for _ in range(2):
                await lm.complete(request(chat, n=2, text="x" * characters))
        finally:
            await lm.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(twice())
    wanted = f"counted {tokens} tokens of a prompt of {characters} characters, so it cut the prompt"
    assert [wanted in message for message in caplog.messages] == [True] * said


NAMES = [
    *("choices", "error", "message", "content", "text", "type", "usage", "prompt_tokens", "refusal"),
    *("tool_calls", "reasoning", "code", "detail"),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@examples(deadline=None)
@given(json_values.map(json.dumps).map(str.encode) | st.binary(max_size=60), st.booleans())
def test_whatever_a_server_sends_is_read_or_said(content: bytes, whole: bool) -> None:
    if whole:
        content = b'{"choices": [' + content + b"]}"
    try:
        found = read_answer(content, "application/json", request(True), 0)
    except NoCompletionError:
        pass  # it has been said
    else:
        assert isinstance(found, Answer)
        assert all(isinstance(text, str) for text in found.texts)
        assert len(found.texts) == len(found.reasons)
        assert found.texts or found.problem


def test_a_good_server_is_said_nothing_of(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.script = [good]
    ask(server, request(False, n=2))
    assert not caplog.messages

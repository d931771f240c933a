"""What is set wrong around an endpoint: its key, its address, its limits. One line, and nothing leaks."""

from __future__ import annotations

import asyncio
import json
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.load import parse
from evoarch.agent.config.tables import BudgetTable
from evoarch.agent.lm.base import LMError, LMRequest
from evoarch.agent.lm.budget import LMBudget
from evoarch.agent.lm.calls import check
from evoarch.agent.lm.openai import OpenAILM
from evoarch.agent.lm.openai_http import BoundedClient, counted
from evoarch.agent.operators.base import Draft
from evoarch.agent.operators.lm.drafts import drafts
from evoarch.archive.store import Store, create
from evoarch.prompts.replies import Parsed
from kit.openai_server import KEY, Handler, Server, ask, good, send, settings, status

CUT_OFF = (
    "Could not finish the message because max_tokens or model output limit was reached. "
    "Please try again with higher max_tokens."
)


def archive_at(folder: Path) -> Store:
    return create(folder, name="c", seed=0)


def checked(server: Server, store: Store, samples: int = 1, **more: object) -> None:
    async def once() -> None:
        lm = OpenAILM(settings(server, **more))
        try:
            await check(store, lm, LMBudget(store, BudgetTable()), samples)
        finally:
            await lm.close()

    asyncio.run(once())


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", " "])
def test_a_lines_end_after_a_key_is_no_part_of_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv("TEST_KEY", KEY + end)
    assert ask(server).texts == ("nn.ReLU()",) * 2
    assert server.keys == [KEY]
    server.script = [status(418, f"no {KEY} or {KEY + end!r}")]
    with pytest.raises(LMError) as caught:
        ask(server)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", [f"{KEY}\r{KEY}", f"{KEY}\u2028x", f"{KEY}é"])
def test_a_key_that_no_header_can_hold_is_named_by_its_variable_and_sent_nowhere(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str
) -> None:
    monkeypatch.setenv("TEST_KEY", key)
    store = archive_at(tmp_path)
    with pytest.raises(LMError, match=r"variable TEST_KEY: expected .* printable ASCII") as caught:
        checked(server, store)
    assert not caught.value.retriable
    (call,) = store.calls.all()
    assert call.state == "failed"
    assert KEY not in str(caught.value) + call.error
    assert not server.bodies


def test_a_key_is_masked_as_python_writes_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-\\secret\n")
    known = LMSettings(backend="openai", model="m", key_env="TEST_KEY")
    for said in (f"no {known.key()!r}", f"no {known.key()}", "no sk-\\secret\n", repr("sk-\\secret\n")):
        assert "secret" not in known.without_key(said)


FORMS: dict[str, Callable[[str], str]] = {
    "spaced": " ".join,
    "lines": "\n".join,
    "zero width": "\u200b".join,
    "other case": str.swapcase,
    "backwards": lambda key: key[::-1],
    "percent": lambda key: quote(key, safe=""),
    "hex": lambda key: key.encode().hex().upper(),
    "JSON": json.dumps,
    "base64": lambda key: b64encode(key.encode()).decode(),
    "base64 in a header": lambda key: b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a login": lambda key: urlsafe_b64encode(f"a:{key}:b".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@examples(deadline=None)
@given(key=st.text(string.ascii_letters + string.digits + "-_+/\\%.", min_size=8, max_size=60))
def test_a_key_is_masked_in_every_form_in_which_it_can_be_read(form: Callable[[str], str], key: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_KEY", key)
        known = LMSettings(backend="openai", model="m", key_env="TEST_KEY")
        said = known.without_key(f"({form(key)})")
    assert "***" in said
    # Of Base64, at most the login and the characters that share bits with the key are left.
    assert len(said.replace("***", "")) <= 16


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_server_that_repeats_the_key_in_another_form_does_not_show_it(
    server: Server, chat: bool, form: Callable[[str], str]
) -> None:
    for code in (400, 418, 500, 200):
        server.script = [status(code, f"no {form(KEY)}.")]
        try:
            said = str(ask(server, chat=chat, retries=0).detail["problem"])
        except LMError as error:
            said = str(error)
        assert "***" in said
        assert form(KEY) not in said


@pytest.mark.parametrize("key", ["x", "e", "none", "EMPTY", "ollama"])
def test_a_placeholder_leaves_messages_as_they_are(
    server: Server, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("TEST_KEY", key)
    server.script = [status(418, "none of the EMPTY exits of ollama exists")]
    with pytest.raises(LMError, match="none of the EMPTY exits of ollama exists"):
        ask(server)
    assert server.keys == [key]


@pytest.mark.parametrize("chat", [False, True])
def test_the_probe_asks_for_as_many_samples_as_the_calls_will(
    server: Server, tmp_path: Path, chat: bool
) -> None:
    store = archive_at(tmp_path)
    checked(server, store, samples=5, chat=chat)
    (body,) = server.bodies
    assert (body["n"], body["max_tokens"]) == (5, 1)
    assert len(store.calls.all()[0].replies) == 5

    def one_only(handler: Handler, body: dict[str, object]) -> None:
        if "n" in body:
            send(handler, 400, '{"error": {"message": "n must be 1"}}')
        else:
            good(handler, body)

    server.script, server.bodies = [one_only], []
    checked(server, store, samples=3, chat=chat)
    assert [body.get("n") for body in server.bodies] == [3, None, None, None]
    server.script = [status(400, "no n, no model")]
    with pytest.raises(LMError, match="refused the request: no n, no model"):
        checked(server, store, samples=3, chat=chat)


@pytest.mark.parametrize("value", ["a\r", None])
def test_what_the_client_itself_refuses_was_never_sent(server: Server, value: str | None) -> None:
    headers = {"x": value} if value else {}
    request = httpx2.Request("POST", server.url if value else "host/v1", headers=headers, content=b"{}")

    async def attempted() -> int:
        async with BoundedClient(5.0) as client:
            with counted() as attempts:
                with pytest.raises((httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)):
                    await client.send(request)
                return attempts.open

    assert asyncio.run(attempted()) == 0
    assert not server.bodies


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_reasoning_model_that_one_token_cuts_off_works_and_is_counted(
    server: Server, tmp_path: Path, limit: str
) -> None:
    server.script = [status(400, CUT_OFF)]
    store = archive_at(tmp_path)
    checked(server, store, chat=True, token_limit=limit)
    assert server.bodies[0][limit] == 1
    (call,) = store.calls.all()
    assert (call.state, call.replies, call.finish_reasons) == ("settled", ("",), ("length",))
    assert (call.prompt_tokens, call.completion_tokens) == (5, 1)


def test_children_that_a_reasoning_model_had_no_tokens_for_say_what_to_set(server: Server) -> None:
    server.script = [status(400, CUT_OFF)]
    reply = ask(server, LMRequest("x", n=3, max_tokens=100))
    assert (reply.completion_tokens, reply.detail["usage"], len(server.bodies)) == (300, "estimated", 1)

    def parsed(text: str, cut: bool) -> Parsed:
        raise AssertionError("there is nothing to read")

    found = drafts(reply, 3, "", parsed)
    why = "the token limit ended it before its first word; set [[operators]] max_tokens higher"
    assert found == [Draft("", problem=f"expected code: {why}")] * 3


BAD_URLS = [
    "http://127.0.0.1:80a0/v1",
    "http://127.0.0.1:80800/v1",
    "127.0.0.1:8000/v1",
    "localhost:8000/v1",
    "ftp://localhost/v1",
    "http:///v1",
    "http://[::1/v1",
    "http://local\rhost/v1",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_is_none_is_one_line_with_its_key(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    table = {"backend": "openai", "name": "a", "model": "m", "base_url": url}
    tables = {"campaign": {"name": "c"}, "lm": [table], "operators": [{"name": "random"}]}
    with pytest.raises(UserError) as refused:
        parse(tables, "campaign.toml")
    wanted = f"expected http://HOST:PORT/PATH, or https, the port a number, got {url!r}"
    assert str(refused.value) == f"campaign.toml: lm.0: base_url: {wanted}"
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(LMError) as caught:
        asyncio.run(OpenAILM(LMSettings(backend="openai", model="m")).check())
    assert str(caught.value) == f"environment variable OPENAI_BASE_URL: {wanted}"
    assert (caught.value.retriable, caught.value.unanswered) == (False, 0)


@pytest.mark.parametrize("url", ["me:hidden@host/v1", "http://me:hid/den@host/v1", "http://h:a/v1?key=hid"])
def test_an_address_that_is_none_keeps_its_secrets(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    table = {"backend": "openai", "name": "a", "model": "m", "base_url": url}
    with pytest.raises(UserError, match="base_url") as refused:
        parse({"campaign": {"name": "c"}, "lm": [table], "operators": [{"name": "random"}]}, "campaign.toml")
    assert "hid" not in str(refused.value)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(LMError, match="OPENAI_BASE_URL: expected") as caught:
        asyncio.run(OpenAILM(LMSettings(backend="openai", model="m")).check())
    assert "hid" not in str(caught.value)


def test_an_address_from_the_environment_may_end_in_a_line(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "\r\n")
    assert ask(server, base_url=None).texts == ("nn.ReLU()",) * 2

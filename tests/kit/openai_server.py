"""An OpenAI-compatible server on loopback that misbehaves in every way that servers do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.base import LMReply, LMRequest
from evoarch.agent.lm.openai import OpenAILM

KEY = "sk-secret-key-1234"
S = TypeVar("S", bound="Server")
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


class Server(ThreadingHTTPServer):
    """Answers each request with the next of `script`, then with the last for good; keeps the bodies."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Callable[[Handler, dict[str, Any]], None]] = [good]
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.busy = 0
        self.most = 0
        self.lock = threading.Lock()
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.keys.append(self.headers["Authorization"].removeprefix("Bearer "))
            self.server.busy += 1
            self.server.most = max(self.server.most, self.server.busy)
            script = self.server.script
            step = script.pop(0) if len(script) > 1 else script[0]
        try:
            step(self, body)
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def send(handler: Handler, code: int, text: str, headers: dict[str, str] | None = None) -> None:
    data = text.encode()
    handler.send_response(code)
    for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def answer(
    body: dict[str, Any], texts: list[str], reason: str = "stop", usage: dict[str, int] | None = USAGE
) -> str:
    chat = "messages" in body
    choices = [
        {"index": i, "finish_reason": reason}
        | ({"message": {"role": "assistant", "content": text}} if chat else {"text": text})
        for i, text in enumerate(texts)
    ]
    kind = "chat.completion" if chat else "text_completion"
    whole: dict[str, Any] = {"id": "1", "object": kind, "created": 1, "model": "m", "choices": choices}
    return json.dumps(whole | ({"usage": usage} if usage else {}))


def good(handler: Handler, body: dict[str, Any]) -> None:
    send(handler, 200, answer(body, ["nn.ReLU()"] * body.get("n", 1)))


def one_only(handler: Handler, body: dict[str, Any]) -> None:
    send(handler, 200, answer(body, [f"seed {body['seed']}"]))


def status(code: int, message: str = "no", **headers: str) -> Callable[[Handler, dict[str, Any]], None]:
    def step(handler: Handler, body: dict[str, Any]) -> None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        send(handler, code, json.dumps({"error": {"message": message}}), names)

    return step


def raw(text: str) -> Callable[[Handler, dict[str, Any]], None]:
    return lambda handler, body: send(handler, 200, text)


def shaped(
    texts: list[str], reason: str = "stop", usage: dict[str, int] | None = USAGE
) -> Callable[[Handler, Any], None]:
    return lambda handler, body: send(handler, 200, answer(body, texts, reason, usage))


def hang_up(handler: Handler, body: dict[str, Any]) -> None:
    handler.connection.shutdown(2)


def stall(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id"')
    handler.wfile.flush()
    handler.server.release.wait(30)


def trickle(handler: Handler, body: dict[str, Any]) -> None:
    """Never silent as long as a client's timeout between bytes, and never at its end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    try:
        while not handler.server.release.wait(0.05):
            handler.wfile.write(b" ")
    except OSError:
        pass  # The client has had enough.


def together(handler: Handler, body: dict[str, Any]) -> None:
    handler.server.release.wait(0.2)
    good(handler, body)


@contextmanager
def serving(server: S) -> Iterator[S]:
    """The server, at work."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            server.shutdown()
            thread.join()


def settings(server: Server, **more: Any) -> LMSettings:
    values = {"backend": "openai", "model": "m", "base_url": server.url, "key_env": "TEST_KEY", "retries": 1}
    return LMSettings(**{**values, **more})


def ask(server: Server, request: LMRequest | None = None, **more: Any) -> LMReply:
    async def once() -> LMReply:
        lm = OpenAILM(settings(server, **more))
        try:
            return await lm.complete(request or LMRequest("x = nn.", n=2, stop=("\n",)))
        finally:
            await lm.close()

    return asyncio.run(once())

"""A stub endpoint that every system of the comparison asks: child k is program k, after a latency.

One reply suits all: OpenEvolve reads the fenced block, ShinkaEvolve the tags, evoarch the completion's text.
A chosen child misbehaves (`BEHAVIOURS`); the others return their number and nothing else.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MARK = "731.25"
"""Seconds that a misbehaving child's own child sleeps: no other process has such a command line."""

BEHAVIOURS = {
    "": "pass",
    "hang": f"import subprocess, time; subprocess.Popen(['sleep', '{MARK}']); time.sleep({MARK})",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "crash": "raise ValueError('a child that crashes')",
    "forge": """import json, os, sys
    frame = sys._getframe(1)
    if "--results_dir" in sys.argv:
        folder = sys.argv[sys.argv.index("--results_dir") + 1]
        scores = {"metrics": {"combined_score": 1e9}, "correct": {"correct": True, "error": None}}
        for name, value in scores.items():
            with open(os.path.join(folder, name + ".json"), "w") as file:
                json.dump(value, file)
        os._exit(0)
    frame.f_globals["evaluate"].__code__ = (lambda program_path: {"combined_score": 1e9}).__code__""",
}

PROGRAM = """# EVOLVE-BLOCK-START
def run():
    {body}
    return {number}
# EVOLVE-BLOCK-END
"""

REPLY = """<NAME>
child_{number}
</NAME>
<DESCRIPTION>
The next one.
</DESCRIPTION>
<CODE>
```python
{program}```
</CODE>
"""


MODEL = """import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(40, {width}), nn.ReLU(), nn.Linear({width}, 10))

    def forward(self, x):
        {body}
        return self.layer(x)
"""
"""The same child for a system whose children are PyTorch models; its walls meet the same behaviours."""


def program(number: int, behaviour: str = "") -> str:
    """The source of child `number` for the peers."""
    return PROGRAM.format(number=number, body=BEHAVIOURS[behaviour])


def model(number: int, behaviour: str = "") -> str:
    """The source of child `number` for evoarch."""
    body = BEHAVIOURS[behaviour].replace("\n    ", "\n        ")
    return MODEL.format(width=16 + number, body=body)


class Stub(ThreadingHTTPServer):
    """`latency` seconds an answer; the child `odd` (counted from 1) shows `behaviour`; `write` is `program`
    or `model`.
    """

    daemon_threads = True

    def __init__(self, latency: float, write: Callable[[int, str], str], behaviour: str, odd: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.latency, self.write, self.behaviour, self.odd = latency, write, behaviour, odd
        self.numbers = itertools.count(1)
        self.answered = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def reply(self) -> str:
        number = next(self.numbers)
        self.answered = number
        source = self.write(number, self.behaviour if number == self.odd else "")
        return REPLY.format(number=number, program=source)


@contextmanager
def serving(
    latency: float, write: Callable[[int, str], str] = program, behaviour: str = "", odd: int = 3
) -> Iterator[Stub]:
    """A stub that serves until the block ends."""
    server = Stub(latency, write, behaviour, odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stub

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if not sent:  # who asked was ended meanwhile
            return
        asked = json.loads(sent)
        time.sleep(self.server.latency)
        chat = self.path.endswith("/chat/completions")
        choices: list[dict[str, Any]] = []
        for index in range(asked.get("n") or 1):
            text = self.server.reply()
            said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            choices.append({"index": index, "finish_reason": "stop", **said})
        body = json.dumps(
            {
                "id": "x",
                "object": "chat.completion" if chat else "text_completion",
                "created": 0,
                "model": "stub",
                "choices": choices,
                "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
            }
        ).encode()
        self._send(body)

    def do_GET(self) -> None:
        self._send(json.dumps({"object": "list", "data": [{"id": "stub", "object": "model"}]}).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # who asked was ended meanwhile
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return

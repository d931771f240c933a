"""Whole campaigns by the command against a server on loopback: its faults, its own count, its replay.

The server answers `lm.scoped` with layers that follow from the seed, or with what a fault says.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kit.command import SCRIPT, evoarch_process
from kit.paths import ROOT
from kit.small_seed import SEED

pytestmark = pytest.mark.slow

KEY = "sk-very-secret-5678"

TOML = """
[campaign]
name = "c"

[budget]
evaluations = {evaluations}

[seeds]
files = ["seeds/small.py"]

[constraints]
params = 20000

[evaluation]
workers = 1
repeats = 1

[[lm]]
name = "far"
backend = "openai"
model = "m"
base_url = "{url}"
key_env = "EVOARCH_TEST_KEY"
retries = 1
timeout = 5.0

[[operators]]
name = "lm.scoped"
lm = "far"
samples = 2
{more}
"""

QUICK = """
[[operators]]
name = "syntactic.mutate"
"""


class Server(ThreadingHTTPServer):
    """Counts its calls and tokens as one that sends bills does. `fault` may answer in its place."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.calls = 0
        self.refused = 0
        self.tokens = 0
        self.delay = 0.0
        self.fault: Callable[[Handler, int], bool] = lambda handler, number: False
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.calls += 1
            number = self.server.calls
        self.server.over.wait(self.server.delay)
        if self.server.fault(self, number):
            return
        rng = random.Random(body["seed"])
        texts = [
            f"nn.Conv1d(1, {rng.randint(2, 24)}, {rng.choice((3, 5, 7))}, stride=2, padding=1)"
            for _ in range(body["n"])
        ]
        self.answer(texts)

    def answer(self, texts: list[str], reason: str = "stop", usage: bool = True) -> None:
        choices = [{"index": i, "finish_reason": reason, "text": text} for i, text in enumerate(texts)]
        whole: dict[str, Any] = {"id": "1", "object": "text_completion", "created": 1, "model": "m"}
        whole["choices"] = choices
        if usage:
            whole["usage"] = {"prompt_tokens": 100, "completion_tokens": 10 * len(texts), "total_tokens": 0}
        with self.server.lock:
            self.server.tokens += 100 + 10 * len(texts)
        self.send(200, json.dumps(whole))

    def send(self, code: int, text: str, **headers: str) -> None:
        with self.server.lock:
            self.server.refused += 400 <= code < 500
        data = text.encode()
        try:
            self.send_response(code)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # The client was killed.

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def prepared(folder: Path, url: str, evaluations: int, more: str = "") -> Path:
    (folder / "seeds").mkdir(parents=True)
    (folder / "seeds" / "small.py").write_text(SEED)
    (folder / "campaign.toml").write_text(TOML.format(url=url, evaluations=evaluations, more=more))
    return folder


ENVIRONMENT = {**os.environ, "EVOARCH_TEST_KEY": KEY, "OMP_NUM_THREADS": "1"}


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return evoarch_process("run", str(folder), *options, environment=ENVIRONMENT)


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{folder}/archive.db?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def candidates(folder: Path) -> list[tuple[Any, ...]]:
    """What a campaign made, without what it did not come to any more."""
    return rows(
        folder,
        "SELECT id, operator, state, source, error, params FROM candidates"
        " WHERE state NOT IN ('proposed', 'queued') ORDER BY id",
    )


def each_third(step: Callable[[Handler], None]) -> Callable[[Handler, int], bool]:
    """A fault at every third call; the first is the check's."""

    def fault(handler: Handler, number: int) -> bool:
        if number % 3:
            return False
        step(handler)
        return True

    return fault


def hang_up(handler: Handler) -> None:
    handler.connection.shutdown(2)


def stall(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id"')
    handler.wfile.flush()
    handler.server.over.wait(60)


def slow(handler: Handler) -> None:
    """A thousand times the usual few milliseconds and still within the timeout."""
    handler.server.over.wait(3)
    handler.answer(["nn.Conv1d(1, 9, 3, stride=2, padding=1)"] * 2)


PASSING: dict[str, Callable[[Handler], None]] = {
    "429": lambda handler: handler.send(429, '{"error": {"message": "slow down"}}'),
    "429 with Retry-After": lambda handler: handler.send(429, "{}", Retry_After="0.01"),
    "500": lambda handler: handler.send(500, '{"error": {"message": "broken"}}'),
    "closed": hang_up,
    "stalled": stall,
    "malformed": lambda handler: handler.send(200, '{"id": '),
    "no choice": lambda handler: handler.answer([]),
    "filtered": lambda handler: handler.answer(["", ""], "content_filter"),
    "no usage": lambda handler: handler.answer(["nn.Conv1d(1, 9, 3, padding=1)"] * 2, usage=False),
    "slow": slow,
}


@pytest.mark.parametrize("name", PASSING)
def test_a_run_goes_on_through_a_fault_that_passes(server: Server, tmp_path: Path, name: str) -> None:
    server.fault = each_third(PASSING[name])
    folder = prepared(tmp_path / "c", server.url, 4, QUICK)
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    assert rows(folder, "SELECT count(*) FROM candidates WHERE number IS NOT NULL AND state = 'scored'")
    # Each child is counted once, each call is answered once, and all that was sent is in the archive.
    numbers = [row[0] for row in rows(folder, "SELECT number FROM proposals ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    batches = rows(folder, "SELECT batch FROM lm_calls WHERE batch > 0 AND state = 'settled'")
    assert len(batches) == len(set(batches))
    states = dict(rows(folder, "SELECT state, count(*) FROM lm_calls GROUP BY state"))
    assert states["settled"] + states.get("lost", 0) == server.calls - server.refused
    ((kept,),) = rows(
        folder, "SELECT sum(prompt_tokens + completion_tokens) FROM lm_calls WHERE state <> 'sent'"
    )
    assert kept >= server.tokens
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (401, "set environment variable EVOARCH_TEST_KEY"),
        (404, r"set \[\[lm\]\] model"),
        (500, "answered 500"),
    ],
)
def test_a_fault_that_stays_ends_the_run_with_one_line_and_keeps_what_is_paid(
    server: Server, tmp_path: Path, code: int, said: str
) -> None:
    server.fault = lambda handler, number: (
        number > 2 and not handler.send(code, json.dumps({"error": {"message": f"no, {KEY}"}}))
    )
    folder = prepared(tmp_path / "c", server.url, 200, QUICK)
    done = run(folder)
    assert done.returncode == 1
    (line,) = re.findall(r"^evoarch: (?:the LM did not answer: )?far at .*$", done.stderr, re.MULTILINE)
    assert re.search(said, line)
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr
    paid = rows(folder, "SELECT count(*) FROM lm_calls WHERE state = 'settled'")[0][0]
    assert paid == 2
    # Mended, the run goes on, and what was answered is not asked again.
    server.fault = lambda handler, number: False
    trained = rows(folder, "SELECT count(*) FROM evaluations WHERE kind = 'search'")[0][0]
    assert run(folder, "--set", f"budget.evaluations={trained + 2}").returncode == 0
    batches = rows(folder, "SELECT batch FROM lm_calls WHERE batch > 0 AND state = 'settled'")
    assert len(batches) == len(set(batches)) >= 1
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_after_kills_settled_and_lost_calls_are_the_servers_count(server: Server, tmp_path: Path) -> None:
    server.delay = 0.3
    folder = prepared(tmp_path / "c", server.url, 500, QUICK)
    rng = random.Random(1)
    for kill in range(2):
        process = subprocess.Popen(
            [SCRIPT, "run", str(folder)],
            env=ENVIRONMENT,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wanted = server.calls + 3 + kill
        while server.calls < wanted and process.poll() is None:
            time.sleep(rng.random() * 0.02)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    trained = rows(folder, "SELECT count(*) FROM evaluations WHERE kind = 'search'")[0][0]
    assert run(folder, "--set", f"budget.evaluations={trained + 2}").returncode == 0
    counted = dict(rows(folder, "SELECT state, count(*) FROM lm_calls GROUP BY state"))
    assert set(counted) <= {"settled", "lost"}
    # A call that was logged and killed before its bytes left is lost too, and stands at its bound.
    assert counted["settled"] + counted["lost"] >= server.calls
    settled = "SELECT count(*), total(prompt_tokens) + total(completion_tokens) FROM lm_calls WHERE state = "
    (_, tokens), (_, bound) = rows(folder, settled + "'settled'")[0], rows(folder, settled + "'lost'")[0]
    assert tokens <= server.tokens <= tokens + bound
    batches = rows(folder, "SELECT batch FROM lm_calls WHERE batch > 0 AND state = 'settled'")
    assert len(batches) == len(set(batches))


def test_a_replay_needs_no_model_and_a_changed_template_fails_with_the_difference(
    server: Server, tmp_path: Path
) -> None:
    first = prepared(tmp_path / "first", server.url, 40, QUICK)
    assert run(first, "--set", "budget.evaluations=5").returncode == 0
    server.fault = lambda handler, number: not handler.send(500, "{}")
    calls = server.calls
    done = run(tmp_path / "again", "--replay", str(first))
    assert done.returncode == 0, done.stderr
    assert server.calls == calls
    assert candidates(tmp_path / "again") == candidates(first)
    (first / "prompts").mkdir()
    built_in = ROOT / "prompts" / "templates" / "scoped.j2"
    (first / "prompts" / "scoped.j2").write_text("# A line of my own.\n" + built_in.read_text())
    done = run(tmp_path / "changed", "--replay", str(first))
    assert done.returncode == 1
    assert "expected an archived prompt, got one that was never asked" in done.stderr
    assert "\n+# A line of my own." in done.stderr
    assert "Traceback" not in done.stderr

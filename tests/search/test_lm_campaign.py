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
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kit.command import SCRIPT, evoarch_process
from kit.openai_server import Server, answer, hang_up, raw, send, serving, stall
from kit.paths import ROOT
from kit.small_seed import SEED

pytestmark = pytest.mark.slow

Step = Callable[[Any, dict[str, Any]], None]
"""Answers a request, given by the handler and its body."""

Fault = Callable[[Any, dict[str, Any], int], bool]
"""Answers the call of that number, or leaves it and returns False."""

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


class Billing(Server):
    """Counts its calls and tokens as one that sends bills does. `fault` may answer in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.script = [self.bill]
        self.calls = self.refused = self.tokens = 0
        self.delay = 0.0
        self.fault: Fault | None = None

    def bill(self, handler: Any, body: dict[str, Any]) -> None:
        with self.lock:
            self.calls += 1
            number = self.calls
        self.release.wait(self.delay)
        if self.fault and self.fault(handler, body, number):
            return
        rng = random.Random(body["seed"])
        texts = [
            f"nn.Conv1d(1, {rng.randint(2, 24)}, {rng.choice((3, 5, 7))}, stride=2, padding=1)"
            for _ in range(body.get("n", 1))
        ]
        self.answer(handler, body, texts)

    def answer(
        self, handler: Any, body: dict[str, Any], texts: list[str], reason: str = "stop", usage: bool = True
    ) -> None:
        counted = {"prompt_tokens": 100, "completion_tokens": 10 * len(texts), "total_tokens": 0}
        with self.lock:
            self.tokens += 100 + 10 * len(texts)
        with suppress(OSError):  # the client was killed
            send(handler, 200, answer(body, texts, reason, counted if usage else None))

    def refuse(self, handler: Any, code: int, text: str = "{}", **headers: str) -> None:
        with self.lock:
            self.refused += 400 <= code < 500
        with suppress(OSError):
            send(handler, code, text, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def server() -> Iterator[Billing]:
    with serving(Billing()) as server:
        yield server


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


def each_third(step: Step) -> Fault:
    """A fault at every third call; the first is the check's."""

    def fault(handler: Any, body: dict[str, Any], number: int) -> bool:
        if number % 3 == 0:
            step(handler, body)
        return number % 3 == 0

    return fault


def slow(handler: Any, body: dict[str, Any]) -> None:
    """A thousand times the usual few milliseconds and still within the timeout."""
    handler.server.release.wait(3)
    handler.server.answer(handler, body, [CONV] * body.get("n", 1))


def unbilled(handler: Any, body: dict[str, Any]) -> None:
    """As many answers as were asked for, and nothing about tokens."""
    handler.server.answer(handler, body, ["nn.Conv1d(1, 9, 3, padding=1)"] * body.get("n", 1), usage=False)


def refused(code: int, text: str = "{}", **headers: str) -> Step:
    return lambda handler, body: handler.server.refuse(handler, code, text, **headers)


def answered(texts: list[str], **more: Any) -> Step:
    return lambda handler, body: handler.server.answer(handler, body, texts, **more)


CONV = "nn.Conv1d(1, 9, 3, stride=2, padding=1)"
PASSING: dict[str, Step] = {
    "429": refused(429, '{"error": {"message": "slow down"}}'),
    "429 with Retry-After": refused(429, Retry_After="0.01"),
    "500": refused(500, '{"error": {"message": "broken"}}'),
    "closed": hang_up,
    "stalled": stall,
    "malformed": raw('{"id": '),
    "no choice": answered([]),
    "filtered": answered(["", ""], reason="content_filter"),
    "no usage": unbilled,
    "slow": slow,
}


@pytest.mark.parametrize("name", PASSING)
def test_a_run_goes_on_through_a_fault_that_passes(server: Billing, tmp_path: Path, name: str) -> None:
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
    # A call that asks for several places is a request for each to a server that takes one prompt.
    settled = rows(folder, "SELECT replies, request FROM lm_calls WHERE state = 'settled'")
    requests = sum(max(1, len(json.loads(got)) // json.loads(asked)["n"]) for got, asked in settled)
    ((lost,),) = rows(folder, "SELECT count(*) FROM lm_calls WHERE state = 'lost'")
    assert requests + lost == server.calls - server.refused
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
    server: Billing, tmp_path: Path, code: int, said: str
) -> None:
    refusal = json.dumps({"error": {"message": f"no, {KEY}"}})
    server.fault = lambda handler, body, number: number > 2 and not server.refuse(handler, code, refusal)
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
    server.fault = None
    trained = rows(folder, "SELECT count(*) FROM evaluations WHERE kind = 'search'")[0][0]
    assert run(folder, "--set", f"budget.evaluations={trained + 2}").returncode == 0
    batches = rows(folder, "SELECT batch FROM lm_calls WHERE batch > 0 AND state = 'settled'")
    assert len(batches) == len(set(batches)) >= 1
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_after_kills_settled_and_lost_calls_are_the_servers_count(server: Billing, tmp_path: Path) -> None:
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
    # A call that asks for several places is a request for each to a server that takes one prompt. One that
    # was logged and killed is lost, and stands at its bound: perhaps none of its requests left, perhaps all.
    answered = rows(folder, "SELECT replies, request FROM lm_calls WHERE state = 'settled'")
    requests = sum(max(1, len(json.loads(got)) // json.loads(asked)["n"]) for got, asked in answered)
    children = "SELECT count(*) FROM proposals WHERE proposals.batch = lm_calls.batch"
    lost = [row[0] for row in rows(folder, f"SELECT ({children}) FROM lm_calls WHERE state = 'lost'")]
    assert requests <= server.calls <= requests + sum(max(1, count) for count in lost)
    settled = "SELECT count(*), total(prompt_tokens) + total(completion_tokens) FROM lm_calls WHERE state = "
    (_, tokens), (_, bound) = rows(folder, settled + "'settled'")[0], rows(folder, settled + "'lost'")[0]
    assert tokens <= server.tokens <= tokens + bound
    batches = rows(folder, "SELECT batch FROM lm_calls WHERE batch > 0 AND state = 'settled'")
    assert len(batches) == len(set(batches))


def test_a_replay_needs_no_model_and_a_changed_template_fails_with_the_difference(
    server: Billing, tmp_path: Path
) -> None:
    first = prepared(tmp_path / "first", server.url, 40, QUICK)
    assert run(first, "--set", "budget.evaluations=5").returncode == 0
    server.fault = lambda handler, body, number: not server.refuse(handler, 500)
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

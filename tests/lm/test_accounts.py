"""What a server leaves out of its counts, and what it takes of this machine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.base import LMRequest
from evoarch.agent.lm.openai_reply import read_answer
from evoarch.agent.lm.server_clock import ServerClock, is_here
from evoarch.agent.search.cost_estimate import TriedProposal, estimate
from kit.campaigns import config_of

LINE = "self.conv = nn.Conv1d(16, 32, 5, padding=2)"
TOKENS = 18
"""Of that line, at the 2.4 characters a token of the prompt below."""


def answer_of(texts: list[str], counted: int) -> int:
    """The completion tokens that are booked where the server says `counted`."""
    prompt = LINE * 24
    body = {
        "choices": [{"text": text, "finish_reason": "stop"} for text in texts],
        "usage": {"prompt_tokens": 24 * TOKENS, "completion_tokens": counted},
    }
    request = LMRequest(prompt, n=len(texts))
    return read_answer(json.dumps(body).encode(), "application/json", request, 0).completion_tokens


def test_a_server_that_counts_one_of_several_samples_is_corrected() -> None:
    assert answer_of([LINE] * 4, TOKENS) == pytest.approx(4 * TOKENS, rel=0.05)


@pytest.mark.parametrize(("texts", "counted"), [([LINE] * 4, 4 * TOKENS), ([LINE], 3), ([LINE] * 2, 900)])
def test_other_counts_stand(texts: list[str], counted: int) -> None:
    """Of one sample, of all, and of more than is seen: what a model thought is counted too."""
    assert answer_of(texts, counted) == counted


@contextmanager
def listening() -> Iterator[int]:
    """Another process that listens on a port of its own, and works when it is connected to."""
    program = (
        "import socket, time\n"
        "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
        "c = s.accept()[0]; begun = time.process_time()\n"
        "while time.process_time() < begun + 0.2: pass\n"
        "c.close(); s.accept()\n"
    )
    process = subprocess.Popen([sys.executable, "-I", "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def test_the_clock_of_a_server_on_this_machine_is_what_its_process_took() -> None:
    with listening() as port:
        clock = ServerClock(f"http://127.0.0.1:{port}/v1")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            assert connection.recv(1) == b""
        assert clock.spent() == pytest.approx(0.2, abs=0.1)
        assert clock.spent() < 0.1
    assert clock.spent() == 0.0


def test_the_clock_of_a_server_elsewhere_stands_still() -> None:
    assert not is_here("https://api.openai.com/v1")
    assert ServerClock("https://api.openai.com/v1").spent() == 0.0


def test_calls_at_once_to_a_server_on_this_machine_are_no_quicker() -> None:
    def hours(url: str) -> float:
        lm = LMSettings(backend="openai", model="m", name="big", base_url=url, concurrency=4)
        config = config_of(
            lm=[lm.model_dump(exclude_defaults=True)], operators=[{"name": "lm.rewrite", "lm": "big"}]
        )
        asked = TriedProposal("lm.rewrite", "big", "sound", "", 1.0, 8, 1000, 200, 0.0, 30.0)
        parts = {"left": 80, "proposals": 0, "trained": 0, "seconds": 9.0, "workers": 2}
        return estimate([asked], config, **parts).lm_hours

    assert hours("http://127.0.0.1:8080/v1") == pytest.approx(4 * hours("https://example.org/v1"))

"""A program as a language model: the contract, what it is given, and how it fails."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.load import parse
from evoarch.agent.lm.base import LM, LMError, LMReply, LMRequest
from evoarch.agent.lm.command import CommandLM
from evoarch.agent.lm.contract import LMContract
from evoarch.agent.lm.registry import build_lm
from kit.paths import ROOT


def program(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", textwrap.dedent(code), *arguments)


ECHO = program("import sys; print(len(sys.stdin.read()), 'nn.ReLU()')")


def ask(code: str, request: LMRequest | None = None, *arguments: str, **more: Any) -> LMReply:
    lm = CommandLM(LMSettings(backend="command", name="p", command=program(code, *arguments), **more))
    return asyncio.run(lm.complete(request or LMRequest("x = nn.")))


@pytest.mark.parametrize("chat", [False, True])
class TestContract(LMContract):
    @pytest.fixture
    def lm(self, chat: bool) -> LM:
        return build_lm(LMSettings(backend="command", command=ECHO, chat=chat))


def test_prompt_in_reply_out_cut_at_the_stop() -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read()[::-1] + '\\nmore')"
    reply = ask(code, LMRequest("Größe 🙂", stop=("\n",)), price_prompt=3e6, price_completion=1e6)
    assert reply.texts == ("🙂 eßörG",)
    assert (reply.prompt_tokens, reply.completion_tokens) == (3, 4)
    assert reply.price == 13.0
    assert reply.detail["usage"] == "estimated"


def test_each_sample_is_a_run_with_its_own_seed() -> None:
    request = LMRequest("x", n=3, seed=7, temperature=0.5, max_tokens=900)
    code = "import sys; print(*sys.argv[1:])"
    reply = ask(code, request, "s={seed}", "{temperature}", "{max_tokens}", "{other}", max_tokens=100)
    assert reply.texts == tuple(f"s={seed} 0.5 100 {{other}}\n" for seed in (7, 8, 9))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; print('half'); sys.exit('first\\nno such model')", "ended with code 1: no such model"),
        ("import os; os.kill(os.getpid(), 9)", "ended with code -9"),
        ("while True: print('x' * 100_000)", "at most 4194304 bytes"),
        ("import time; time.sleep(600)", r"no reply within 0\.5 s; set \[\[lm\]\] timeout"),
    ],
    ids=["exit code", "killed", "endless", "hangs"],
)
def test_a_program_that_fails_is_one_line(code: str, said: str) -> None:
    timeout = 0.5 if "sleep" in code else 60
    with pytest.raises(LMError, match=said) as caught:
        ask(code, timeout=timeout)
    assert caught.value.retriable
    assert "\n" not in str(caught.value)


def test_a_program_that_can_not_be_started_is_one_line_and_may_be_tried_again() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def without_descriptors() -> None:
        lm = CommandLM(LMSettings(backend="command", command=ECHO))
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        try:
            await lm.complete(ASK)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    with pytest.raises(LMError, match=r"can't start '.*' \(Too many open files\)") as caught:
        asyncio.run(without_descriptors())
    assert (caught.value.retriable, caught.value.unanswered) == (True, 0)


def test_samples_that_came_are_kept_where_others_failed() -> None:
    code = "import sys; sys.exit('odd') if int(sys.argv[1]) % 2 else print(sys.argv[1])"
    reply = ask(code, LMRequest("x", n=3, seed=2), "{seed}")
    assert reply.texts == ("2\n", "4\n")
    assert "odd" in str(reply.detail["problem"])


def test_a_program_that_reads_nothing_still_answers() -> None:
    assert ask("print('done')", LMRequest("x" * 5_000_000)).texts == ("done\n",)


def test_no_such_program_and_no_command_are_said_before_anything_is_spent() -> None:
    lm = CommandLM(LMSettings(backend="command", command=("no-such-program-here",)))
    with pytest.raises(LMError, match=r"no program 'no-such-program-here' here; set \[\[lm\]\] command"):
        asyncio.run(lm.check())
    tables = {"campaign": {"name": "c"}, "operators": [{"name": "random"}], "lm": [{"backend": "command"}]}
    with pytest.raises(UserError, match='backend "command" needs command'):
        parse(tables, "campaign.toml")


GRANDCHILD = """\
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "w") as out: out.write(f"{os.getpid()} {child.pid}\\n")
child.wait()
"""


def test_a_timeout_takes_the_whole_process_group(tmp_path: Path) -> None:
    fifo = tmp_path / "pids"
    os.mkfifo(fifo)

    async def cancelled() -> list[int]:
        command = program(GRANDCHILD, str(fifo))
        task = asyncio.create_task(CommandLM(LMSettings(backend="command", command=command)).complete(ASK))
        pids = await asyncio.to_thread(lambda: [int(pid) for pid in fifo.read_text().split()])
        watched = [os.pidfd_open(pid) for pid in pids]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return watched

    for watch in asyncio.run(cancelled()):
        assert select.select([watch], [], [], 20)[0], "a process outlived the call"
        os.close(watch)


ASK = LMRequest("x")


HOLDER = """\
import subprocess, sys
waits = [sys.executable, "-I", "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(waits, start_new_session=True)
with open(sys.argv[1], "w") as out: out.write(str(child.pid))
"""


def test_who_left_the_process_group_and_holds_the_pipes_does_not_hold_the_call(tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)

    async def cancelled() -> int:
        lm = CommandLM(LMSettings(backend="command", command=program(HOLDER, str(fifo))))
        # A prompt that nobody reads must not hold it either.
        task = asyncio.create_task(lm.complete(LMRequest("x" * 1_000_000)))
        holder = os.pidfd_open(int(await asyncio.to_thread(fifo.read_text)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return holder

    holder = asyncio.run(cancelled())
    assert not select.select([holder], [], [], 0)[0], "it was to outlive the call"
    signal.pidfd_send_signal(holder, signal.SIGKILL)
    os.close(holder)


def test_a_program_ends_with_a_killed_parent(tmp_path: Path) -> None:
    fifo = tmp_path / "pids"
    os.mkfifo(fifo)
    code = (
        "import asyncio\n"
        "from evoarch.agent.lm.command import CommandLM\n"
        "from evoarch.agent.lm.base import LMRequest\n"
        "from evoarch.agent.config.lm import LMSettings\n"
        f"command = {program(GRANDCHILD, str(fifo))!r}\n"
        "asyncio.run(CommandLM(LMSettings(backend='command', command=command)).complete(LMRequest('x')))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as parent:
        pid = int(fifo.read_text().split()[0])
        watch = os.pidfd_open(pid)
        parent.kill()
    assert select.select([watch], [], [], 20)[0], "the program outlived its parent"
    os.close(watch)

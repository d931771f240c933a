"""What many tests begin with."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from evoarch.evaluators.program import inside_program
from evoarch.sandbox.job import Runner
from evoarch.sandbox.runner import start
from kit.command import evoarch_process, small_campaign

# Campaigns of tests may have code of their own; those of tests/cli/test_trust.py are asked about it.
os.environ["EVOARCH_TRUST"] = "1"


@pytest.fixture(scope="session", autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a command remembers of its user stays out of the home folder."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """The loop that a module's pool lives in."""
    with asyncio.Runner() as loop:
        yield loop


@pytest.fixture(scope="module")
def walls() -> Iterator[tuple[asyncio.Runner, Runner]]:
    """The evaluators' program behind the best walls that there are here, warm, and the loop it lives in."""
    with asyncio.Runner() as loop:
        runner = loop.run(start(inside_program()))
        yield loop, runner
        loop.run(runner.close())


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real campaign, trained and scored by the command: two seeds and three children."""
    folder = small_campaign(tmp_path_factory.mktemp("finished") / "campaign", "--evaluations", "3")
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = evoarch_process("run", str(folder), environment=one_thread)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def finished(finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module's own copy of `finished_once`, so that a test may change it."""
    return Path(shutil.copytree(finished_once, tmp_path_factory.mktemp("copy") / "campaign"))

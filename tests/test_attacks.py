"""The adversarial corpus at every level that this machine offers: no attack reaches its aim."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.level import detect
from sandbox.limits import Level

HARNESS = Path(__file__).parent / "corpus" / "harness.py"
NAMES = sorted(path.stem for path in (HARNESS.parent / "attacks").glob("*.py"))
BEST = detect().level
needs_landlock = pytest.mark.skipif(BEST is Level.NONE, reason="this kernel has no Landlock or no seccomp")
needs_full = pytest.mark.skipif(BEST is not Level.FULL, reason="bubblewrap does not work here")


@functools.cache
def escapes(level: Level, unprivileged: bool) -> dict[str, list[str]]:
    """What each attack achieved, from one run of the corpus in a process of its own."""
    command = [sys.executable, str(HARNESS), level.value, *(["--unprivileged"] if unprivileged else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode == 77:
        pytest.skip("run by root, and no bubblewrap to become somebody without privileges")
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["level"] == level
    return {name: one["escaped"] for name, one in report["attacks"].items()}


def test_the_corpus_is_large_enough() -> None:
    assert len(NAMES) >= 60


@needs_landlock
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_escapes_landlock_without_privileges(name: str) -> None:
    assert escapes(Level.LANDLOCK, True)[name] == []


@needs_full
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_escapes_full(name: str) -> None:
    assert escapes(Level.FULL, False)[name] == []


def test_the_attacks_work_where_no_wall_stands() -> None:
    # Answers and limits are checked by the parent at every level; the rest must be able to succeed.
    worked = {name: found for name, found in escapes(Level.NONE, False).items() if found}
    assert len(worked) >= 50, sorted(worked)
    for sure in (
        "files_open",
        "environment_of_parent",
        "network_tcp",
        "exec_subprocess",
        "fork_once",
        "signal_zygote",
    ):
        assert sure in worked

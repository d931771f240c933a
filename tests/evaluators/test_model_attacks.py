"""The corpus of attacks on scores and counts: none wins at any level, each wins without its defence."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections import Counter

import pytest

from corpus.model_harness import ATTACKS
from evoarch.sandbox import container
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level
from kit.paths import CORPUS

BEST = detect().level
NO_CONTAINER = container.problem(container.find_podman())
needs_walls = pytest.mark.skipif(BEST is Level.NONE, reason="this kernel has no Landlock or no seccomp")
needs_container = pytest.mark.skipif(bool(NO_CONTAINER), reason=NO_CONTAINER or "podman works")
every_attack = pytest.mark.parametrize("name", [attack.name for attack in ATTACKS])


@functools.cache
def wins(level: Level, *options: str) -> dict[str, str]:
    """What came of each attack that won, from one run of the corpus in a process of its own."""
    command = [sys.executable, str(CORPUS / "model_harness.py"), level.value, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == 77:
        pytest.skip("run by root, and no bubblewrap to become somebody without privileges")
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["level"] == level
    assert set(report["attacks"]) == {attack.name for attack in ATTACKS}
    return {name: one["outcome"] for name, one in report["attacks"].items() if one["won"]}


def test_the_corpus_is_large_enough() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 40
    assert Counter(attack.aim for attack in ATTACKS)["count"] >= 15
    assert all(attack.twin != attack.source for attack in ATTACKS)


@needs_walls
@every_attack
def test_no_attack_wins(name: str) -> None:
    assert name not in wins(BEST), wins(BEST)[name]


@needs_walls
@every_attack
def test_without_its_defence_it_would_win(name: str) -> None:
    assert name in wins(BEST, "--undefended")


@pytest.mark.slow
@needs_walls
def test_no_attack_wins_at_landlock_without_privileges() -> None:
    assert wins(Level.LANDLOCK, "--unprivileged") == {}


@pytest.mark.slow
@needs_container
def test_no_attack_wins_in_a_container() -> None:
    assert wins(Level.CONTAINER) == {}

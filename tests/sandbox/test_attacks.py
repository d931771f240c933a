"""The adversarial corpus at every level that this machine offers: no attack reaches its aim."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys

import pytest

from evoarch.sandbox import container
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level
from kit.paths import CORPUS

HARNESS = CORPUS / "harness.py"
NAMES = sorted(path.stem for path in (HARNESS.parent / "attacks").glob("*.py"))
BEST = detect().level
needs_landlock = pytest.mark.skipif(BEST is Level.NONE, reason="this kernel has no Landlock or no seccomp")
NO_CONTAINER = container.problem(container.find_podman())
needs_container = pytest.mark.skipif(bool(NO_CONTAINER), reason=NO_CONTAINER or "podman works")
needs_full = pytest.mark.skipif(BEST is not Level.FULL, reason="bubblewrap does not work here")


@functools.cache
def escapes(
    level: Level, unprivileged: bool, where: str = "", ray: bool = False, frozen: bool = False
) -> dict[str, list[str]]:
    """What each attack achieved, from one run of the corpus in a process of its own.

    `where` tells runs in different surroundings apart.
    """
    options = [*(["--unprivileged"] if unprivileged else []), *(["--ray"] if ray else [])]
    options += ["--frozen"] if frozen else []
    command = [sys.executable, str(HARNESS), level.value, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=480 if ray else 240, check=False)
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


@pytest.mark.slow
@needs_landlock
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_escapes_landlock_beside_frozen_modules(name: str) -> None:
    assert escapes(Level.LANDLOCK, True, frozen=True)[name] == []


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_escapes_full_beside_frozen_modules(name: str) -> None:
    assert escapes(Level.FULL, False, frozen=True)[name] == []


@pytest.mark.slow
@needs_container
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_escapes_a_container(name: str) -> None:
    assert escapes(Level.CONTAINER, False)[name] == []


@pytest.mark.slow
@needs_container
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_escapes_a_container_without_landlock(name: str, no_landlock: None) -> None:
    assert escapes(Level.CONTAINER, False, "no landlock")[name] == []


@pytest.fixture
def no_landlock(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """podman's filter of system calls hides Landlock, as older kernels do by having none."""
    folder = tmp_path_factory.mktemp("podman")
    real = container.find_podman()
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {
                "names": ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 38,
            }
        ],
    }
    (folder / "profile.json").write_text(json.dumps(profile))
    option = f"--security-opt=seccomp={folder / 'profile.json'}"
    podman = folder / "podman"
    podman.write_text(
        f'#!/bin/sh\n[ "$1" = run ] || exec {real} "$@"\nshift\nexec {real} run {option} "$@"\n'
    )
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert container.landlock_abi(str(podman)) == 0


@pytest.mark.slow
@needs_landlock
def test_no_attack_escapes_a_slot_of_ray_without_privileges() -> None:
    pytest.importorskip("ray")
    assert {name: found for name, found in escapes(Level.LANDLOCK, True, ray=True).items() if found} == {}


@pytest.mark.slow
@needs_full
def test_no_attack_escapes_a_slot_of_ray() -> None:
    pytest.importorskip("ray")
    assert {name: found for name, found in escapes(Level.FULL, False, ray=True).items() if found} == {}


@pytest.mark.slow
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

"""Which isolation is chosen, and what is said about it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from evoarch.sandbox import container
from evoarch.sandbox.environment import own
from evoarch.sandbox.level import SandboxUnavailableError, choose, detect
from evoarch.sandbox.limits import Level
from evoarch.sandbox.mounts import mounts

BEST = detect().level
needs_landlock = pytest.mark.skipif(BEST is Level.NONE, reason="this kernel has no Landlock or no seccomp")

NO_CONTAINER = container.problem(container.find_podman())
needs_container = pytest.mark.skipif(bool(NO_CONTAINER), reason=NO_CONTAINER or "podman works")


@needs_landlock
def test_without_bubblewrap_the_report_says_why_and_how_to_get_it() -> None:
    report = detect(bwrap="", podman="")
    assert report.level is Level.LANDLOCK
    assert "bubblewrap is not installed" in str(report)
    assert "apt install bubblewrap" in report.advice


@needs_landlock
def test_a_bubblewrap_that_fails_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'No permissions to create a new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    report = detect(bwrap=str(broken), podman="")
    assert report.level is Level.LANDLOCK
    assert "No permissions to create a new namespace" in report.reasons[0]
    assert "user namespaces" in report.advice


def test_without_landlock_nothing_runs_unless_asked() -> None:
    report = detect(landlock_abi=0, podman="")
    assert report.level is Level.NONE
    assert "no Landlock" in report.reasons[0]
    assert "podman is not installed" in report.reasons
    assert "--unsafe" in report.advice


def test_none_is_never_chosen_silently() -> None:
    with pytest.raises(SandboxUnavailableError, match="only with --unsafe"):
        choose(Level.NONE, unsafe=False)
    assert choose(Level.NONE, unsafe=True).level is Level.NONE


@needs_landlock
def test_unsafe_takes_the_best_there_is() -> None:
    assert choose(None, unsafe=True).level is BEST


@needs_landlock
def test_a_level_that_is_not_there_is_refused_with_its_reason() -> None:
    with pytest.raises(
        SandboxUnavailableError,
        match=r"expected full, got landlock: bubblewrap is not installed; podman is not installed",
    ):
        choose(Level.FULL, unsafe=False, bwrap="", podman="")


@needs_landlock
def test_a_lower_level_can_be_asked_for() -> None:
    assert choose(Level.LANDLOCK, unsafe=False).level is Level.LANDLOCK


def test_levels_are_ordered() -> None:
    order = [Level.FULL, Level.CONTAINER, Level.LANDLOCK, Level.NONE]
    for better, worse in itertools.combinations(order, 2):
        assert better.at_least(worse)
        assert not worse.at_least(better)
    assert all(level.at_least(level) for level in order)


@needs_container
def test_a_container_stands_in_for_bubblewrap() -> None:
    report = detect(bwrap="")
    assert report.level is Level.CONTAINER
    assert "bubblewrap is not installed" in report.reasons
    assert "apt install bubblewrap" in report.advice
    # It needs no Landlock: what that would deny is not mounted.
    assert detect(landlock_abi=0).level is Level.CONTAINER


@needs_container
def test_a_container_can_be_asked_for() -> None:
    assert choose(Level.CONTAINER, unsafe=False).level is Level.CONTAINER


def test_a_podman_that_fails_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "podman"
    broken.write_text("#!/bin/sh\necho 'Error: cannot set up namespace using newuidmap' >&2\nexit 125\n")
    broken.chmod(0o755)
    with pytest.raises(
        SandboxUnavailableError, match="podman does not work here: Error: cannot set up namespace"
    ):
        choose(Level.CONTAINER, unsafe=False, podman=str(broken))


def test_the_container_has_no_network_no_capability_and_nothing_to_write(tmp_path: Path) -> None:
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\nexit 1\n")
    podman.chmod(0o755)
    package = tmp_path / "a, package"
    package.mkdir()
    line = container.command(str(podman), "evoarch-x", mounts([str(package)], own()), {"A": "1"})
    assert line[0] == str(podman)
    assert {"--network=none", "--cap-drop=all", "--read-only", "--unsetenv-all", "--rm"} <= set(line)
    places = [line[at + 1] for at, word in enumerate(line) if word == "--mount"]
    assert all(place.endswith(",ro=true") for place in places)
    assert f'type=bind,"source={package}","destination={package}",ro=true' in places
    # The root holds nothing but places to mount upon.
    root = Path(line[-1])
    assert line[-2] == "--rootfs"
    assert not [path for path in root.rglob("*") if path.is_file() and path.stat().st_size]

"""Which isolation is chosen, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.level import SandboxUnavailableError, choose, detect
from sandbox.limits import Level

BEST = detect().level
needs_landlock = pytest.mark.skipif(BEST is Level.NONE, reason="this kernel has no Landlock or no seccomp")


@needs_landlock
def test_without_bubblewrap_the_report_says_why_and_how_to_get_it() -> None:
    report = detect(bwrap="")
    assert report.level is Level.LANDLOCK
    assert "bubblewrap is not installed" in str(report)
    assert "apt install bubblewrap" in report.advice


@needs_landlock
def test_a_bubblewrap_that_fails_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'No permissions to create a new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    report = detect(bwrap=str(broken))
    assert report.level is Level.LANDLOCK
    assert "No permissions to create a new namespace" in report.reasons[0]
    assert "user namespaces" in report.advice


def test_without_landlock_nothing_runs_unless_asked() -> None:
    report = detect(landlock_abi=0)
    assert report.level is Level.NONE
    assert "no Landlock" in report.reasons[0]
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
        SandboxUnavailableError, match=r"expected full, got landlock: bubblewrap is not installed"
    ):
        choose(Level.FULL, unsafe=False, bwrap="")


@needs_landlock
def test_a_lower_level_can_be_asked_for() -> None:
    assert choose(Level.LANDLOCK, unsafe=False).level is Level.LANDLOCK

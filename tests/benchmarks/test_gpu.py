"""`make gpu` without a GPU: the same children, through a device that is the CPU behind a driver's locks."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace

import pytest
from benchmarks.gpu import PAGE, RESULTS, page, run
from benchmarks.gpu_checks import CHECKS, STAND_IN, Finding, Kit

from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level

SHORT = replace(load_task("mnist1d").recipes["fast"], steps=20)
KIT = Kit(STAND_IN, SHORT, children=2, repeats=1)

walled = pytest.mark.skipif(detect().level is Level.NONE, reason="this machine offers no isolation")


def test_the_page_is_what_was_found() -> None:
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else None
    assert PAGE.read_text(encoding="utf-8") == page(known)


def test_what_does_not_hold_stands_on_the_page() -> None:
    found = {"walls": asdict(Finding(False, {"full": 0.25})), "bf16": asdict(Finding(None, why="no time"))}
    shown = page({"machine": {"device": "Made Up 80"}, "checks": found})
    assert "Run on: device Made Up 80." in shown
    assert "| **no** | full: 0.25 |" in shown
    assert "| not tried | no time |" in shown


@walled
def test_a_child_goes_through_a_device_and_one_that_does_not_open_is_the_machine_s_fault() -> None:
    found = asyncio.run(run(KIT, ["walls", "lost device"]))
    assert found["walls"].held, found
    assert found["lost device"].held, found


@walled
@pytest.mark.long
def test_every_check_comes_to_its_end() -> None:
    found = asyncio.run(run(KIT, list(CHECKS)))
    left_out = {name for name, finding in found.items() if finding.held is None}
    assert left_out == {"memory", "language model"}
    assert found["same again"].held
    assert all(finding.figures for name, finding in found.items() if name not in left_out)

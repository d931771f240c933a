"""The table of benchmarks/operators.py: shares with intervals, rates by CPU-minute, and their page."""

from __future__ import annotations

import argparse
import math
import os
import platform
import random
from collections.abc import Mapping
from pathlib import Path

import torch
from benchmarks.operators_measure import LEVELS, Result

from evoarch.agent.statistics.intervals import wilson

DOCUMENT = Path(__file__).parents[1] / "docs" / "operators.md"
BEGIN, END = "<!-- benchmarks/operators.py: begin -->", "<!-- benchmarks/operators.py: end -->"


def rate(result: Result, rng: random.Random, draws: int = 2000) -> tuple[float, float, float]:
    """New valid children per CPU-minute, and the 95% bootstrap interval over calls (percentiles)."""
    valid = [0] * len(result.cpu)
    for child in result.children:
        valid[child.call] += child.level >= LEVELS.index("valid")
    calls = range(len(valid))
    ratios: list[float] = []
    for _ in range(draws):
        some = rng.choices(calls, k=len(valid))
        ratios.append(60 * sum(valid[c] for c in some) / max(1e-9, sum(result.cpu[c] for c in some)))
    ratios.sort()
    return (
        60 * sum(valid) / max(1e-9, sum(result.cpu)),
        ratios[int(0.025 * draws)],
        ratios[int(0.975 * draws) - 1],
    )


def table(results: Mapping[str, Result]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| operator | proposals | " + " | ".join(LEVELS) + " | new valid per CPU-minute |",
        "|---" * (len(LEVELS) + 3) + "|",
    ]
    for name, result in results.items():
        count = len(result.children)
        cells = [f"`{name}`", str(count)]
        for at in range(len(LEVELS)):
            hits = sum(child.level >= at for child in result.children)
            share = wilson(hits / count, count)
            cells.append(f"{100 * hits / count:.0f}% ({100 * share.low:.0f}-{100 * share.high:.0f})")
        middle, low, high = rate(result, random.Random(0))
        cells.append(f"{_three(middle)} ({_three(low)}-{_three(high)})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _three(value: float) -> str:
    """Three digits that say something; in thousands no more, but no exponent."""
    return f"{value:.3g}" if value < 1000 else f"{round(value, 2 - math.floor(math.log10(value))):,.0f}"


def write_markdown(path: Path, text: str, arguments: argparse.Namespace) -> None:
    """Puts the table between the markers of `path`."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: expected the markers {BEGIN} and {END}")
    cores = len(os.sched_getaffinity(0))
    made = (
        f"Made by `python -m benchmarks.operators --proposals {arguments.proposals} --batch {arguments.batch}"
        f" --rewrite-tokens {arguments.rewrite_tokens} --threads {arguments.threads} --seed {arguments.seed}"
        f" --markdown` on {cores} core{'s' if cores > 1 else ''} ({platform.machine()}), torch"
        f" {torch.__version__}. Intervals: 95%."
    )
    path.write_text(f"{before}{BEGIN}\n{text}\n\n{made}\n{END}{after}", encoding="utf-8")

"""Everything that the docs claim of a GPU, tried on one.

    python -m benchmarks.gpu                       # on a machine with CUDA; `make gpu`
    python -m benchmarks.gpu --stand-in            # the same way through, on the CPU; writes nothing
    python -m benchmarks.gpu --page                # docs/gpu.md again, from results/gpu.json

Needs no network. Writes results/gpu.json and docs/gpu.md; exit status 1 where a claim does not hold, 2 where
there is no GPU.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from benchmarks.gpu_checks import CHECKS, STAND_IN, Finding, Kit

from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.nvidia import gpus

TOP = Path(__file__).parents[1]
RESULTS, PAGE = TOP / "results" / "gpu.json", TOP / "docs" / "gpu.md"

Report = Mapping[str, Any]
"""`machine`: words by what they describe; `checks`: findings by name."""

HEAD = """# What was tried on a GPU

With `device = "cuda"` children train on GPUs ([evaluation.md](evaluation.md), "Devices"). `make gpu` tries on
a machine with CUDA everything that these pages claim of it, without the network, and writes this page. Where
there is no GPU, `python -m benchmarks.gpu --stand-in` sends the same children through a device that is
the CPU behind a driver's locks; the tests do that.

"""
NEVER = "**No GPU has been at hand: none of this was ever run on one.** This is what will be tried:\n\n"


def page(report: Report | None) -> str:
    """docs/gpu.md for what was found, None where nothing was."""
    if report is None:
        rows = [f"| {name} | {claim} |" for name, (claim, _) in CHECKS.items()]
        return HEAD + NEVER + "\n".join(["| check | claim |", "|---|---|", *rows]) + "\n"
    machine = ", ".join(f"{what} {value}" for what, value in report["machine"].items())
    lines = [f"Run on: {machine}.", "", "| check | claim | holds | measured |", "|---|---|---|---|"]
    for name, found in report["checks"].items():
        said = {True: "yes", False: "**no**", None: "not tried"}[found["held"]]
        figures = "; ".join(f"{what}: {_number(value)}" for what, value in found["figures"].items())
        lines.append(f"| {name} | {CHECKS[name][0]} | {said} | {figures or found['why']} |")
    return HEAD + "\n".join(lines) + "\n"


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    if isinstance(value, list):
        return ", ".join(map(_number, value))
    return str(value).replace("|", "\\|").replace("\n", " ")


async def run(kit: Kit, names: Sequence[str]) -> dict[str, Finding]:
    """The findings of the checks of these names, each printed when it is there."""
    found = dict[str, Finding]()
    for name in names:
        found[name] = finding = await CHECKS[name][1](kit)
        said = {True: "holds", False: "DOES NOT HOLD", None: "not tried"}[finding.held]
        figures = "; ".join(f"{what}: {_number(value)}" for what, value in finding.figures.items())
        print(f"{name}: {said}. {figures}{finding.why}", flush=True)
    return found


def machine(name: str) -> dict[str, str]:
    """What the figures depend on, in words."""
    return {
        "device": name,
        "CPU": f"{len(os.sched_getaffinity(0))} cores of {platform.machine()}",
        "torch": torch.__version__,
        "CUDA": str(torch.version.cuda),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stand-in", action="store_true")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--only", action="append", choices=list(CHECKS), help="[default: all]")
    parser.add_argument("--children", type=int, default=24, help="of a block")
    parser.add_argument("--repeats", type=int, default=3, help="blocks that take turns")
    chosen = parser.parse_args()
    if chosen.page:
        known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else None
        PAGE.write_text(page(known), encoding="utf-8")
        return 0
    recipe = load_task("mnist1d").recipes["fast"]
    if chosen.stand_in:
        device, name = STAND_IN, "the stand-in"
        recipe = replace(recipe, steps=40)
    else:
        usable = [gpu for gpu in gpus() if not gpu.problem]
        if not usable:
            print("gpu: expected a usable CUDA device, got none (`evoarch doctor`)", file=sys.stderr)
            return 2
        device, name = replace(usable[0].device, share=0.45), usable[0].name
    kit = Kit(device, recipe, chosen.children, chosen.repeats)
    found = asyncio.run(run(kit, chosen.only or list(CHECKS)))
    if not chosen.stand_in:
        old = json.loads(RESULTS.read_text(encoding="utf-8"))["checks"] if RESULTS.exists() else {}
        checks = {n: f for n, f in old.items() if n in CHECKS} | {n: asdict(f) for n, f in found.items()}
        report = {"machine": machine(name), "checks": checks}
        RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(report), encoding="utf-8")
    return 1 if any(finding.held is False for finding in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

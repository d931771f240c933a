"""The three systems of the comparison: how each is started, and what it kept when it ended."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.endpoint import model, program

HERE = Path(__file__).parent
TIMEOUT = 5
"""Seconds that an evaluation may take in every system."""


@dataclass(frozen=True)
class Setting:
    """One run: `children` to make at `url`, `slots` evaluations at a time, each sleeping `evaluation` s."""

    folder: Path
    url: str
    children: int
    slots: int = 1
    evaluation: float = 0.2
    sign: int = 1
    unknown_key: bool = False


@dataclass(frozen=True)
class Kept:
    """What is on disk: `children` with a score, the best score, and how many of them claim 1e9."""

    children: int
    best: float | None = None
    forged: int = 0
    best_is_odd: bool = False


@dataclass(frozen=True)
class System:
    """`command` writes a setting's files and gives the command line; `kept` reads what a run left."""

    name: str
    write: Callable[[int, str], str]
    command: Callable[[Setting], list[str]]
    kept: Callable[[Setting], Kept]
    environment: Mapping[str, str] = field(default_factory=dict)

    def environ(self, setting: Setting) -> dict[str, str]:
        own = {
            "PEERS_EVALUATION": str(setting.evaluation),
            "PEERS_SIGN": str(setting.sign),
            "PEERS_LOG": str(setting.folder / "evaluated.txt"),
            "OMP_NUM_THREADS": "1",
        }
        return {**os.environ, **own, **self.environment}


def evaluated(setting: Setting) -> int:
    """Children that an evaluation of the peers saw to its end."""
    log = setting.folder / "evaluated.txt"
    lines = set(log.read_text().split()) if log.exists() else set()
    return len(lines - {"0"})


def openevolve(python: Path) -> System:
    """OpenEvolve by its own command line."""

    def command(setting: Setting) -> list[str]:
        (setting.folder / "initial.py").write_text(program(0))
        (setting.folder / "config.yaml").write_text(
            f"{'max_iteratons' if setting.unknown_key else 'max_iterations'}: {setting.children}\n"
            f"checkpoint_interval: {min(setting.children, 100)}\n"
            "diff_based_evolution: false\nlog_level: ERROR\n"
            f"llm:\n  api_base: {setting.url}\n  api_key: none\n  primary_model: stub\n"
            f"evaluator:\n  timeout: {TIMEOUT}\n  max_retries: 0\n  cascade_evaluation: false\n"
            f"  parallel_evaluations: {setting.slots}\n"
        )
        return [
            str(python.parent / "openevolve-run"),
            *(str(setting.folder / "initial.py"), str(HERE / "evaluate.py")),
            *("--config", str(setting.folder / "config.yaml"), "--output", str(setting.folder / "out")),
        ]

    def kept(setting: Setting) -> Kept:
        found = list((setting.folder / "out").glob("checkpoints/*/programs/*.json"))
        programs = {path.name: json.loads(path.read_text()) for path in found}
        scores = {k: p["metrics"].get("combined_score", 0.0) for k, p in programs.items() if p["parent_id"]}
        best_file = setting.folder / "out" / "best" / "best_program_info.json"
        best = code = None
        if best_file.exists():
            best = json.loads(best_file.read_text())["metrics"].get("combined_score", 0.0)
            code = (best_file.parent / "best_program.py").read_text()
        forged = sum(score >= 1e8 for score in scores.values())
        return Kept(len(scores), best, forged, "return 3\n" in (code or ""))

    return System("OpenEvolve", program, command, kept)


def shinka(python: Path) -> System:
    """ShinkaEvolve by its Python interface, from a script that runs in its environment."""

    def command(setting: Setting) -> list[str]:
        initial = setting.folder / "initial.py"
        initial.write_text(program(0))
        file = setting.folder / "settings.json"
        settings = {
            "children": setting.children,
            "url": setting.url,
            "initial": str(initial),
            "output": str(setting.folder / "out"),
            "evaluator": str(HERE / "evaluate.py"),
            "slots": setting.slots,
            "proposals": setting.slots,
            "timeout": TIMEOUT,
            "extra": {"num_generatons": 3} if setting.unknown_key else {},
        }
        file.write_text(json.dumps(settings))
        return [str(python), str(HERE / "shinka_case.py"), str(file)]

    def kept(setting: Setting) -> Kept:
        database = setting.folder / "out" / "programs.sqlite"
        if not database.exists():
            return Kept(0)
        with sqlite3.connect(database) as connection:
            rows = connection.execute(
                "select combined_score, code from programs where correct = 1 and generation > 0"
            ).fetchall()
        best = max(rows, default=(None, ""))
        return Kept(len(rows), best[0], sum(row[0] >= 1e8 for row in rows), "return 3\n" in best[1])

    return System("ShinkaEvolve", program, command, kept, {"PATH": f"{python.parent}:{os.environ['PATH']}"})


CAMPAIGN = """
[campaign]
name = "peers"
[budget]
{budget} = {children}
[seeds]
files = ["seed.py"]
[evaluation]
workers = {slots}
wall_clock = {timeout}
repeats = 1
[sandbox]
vet = "report"
[[lm]]
name = "stub"
backend = "openai"
base_url = "{url}"
model = "stub"
chat = true
[[operators]]
name = "lm.rewrite"
lm = "stub"
samples = 1
"""


def evoarch() -> System:
    """evoarch by its command line. Vetting only reports, so that every behaviour meets the walls."""

    def command(setting: Setting) -> list[str]:
        (setting.folder / "seed.py").write_text(model(0))
        (setting.folder / "campaign.toml").write_text(
            CAMPAIGN.format(
                budget="evaluation" if setting.unknown_key else "evaluations",
                children=setting.children,
                slots=setting.slots,
                timeout=TIMEOUT,
                url=setting.url,
            )
        )
        return [str(Path(sys.executable).parent / "evoarch"), "run", str(setting.folder)]

    def kept(setting: Setting) -> Kept:
        database = setting.folder / "archive.db"
        if not database.exists():
            return Kept(0)
        with sqlite3.connect(database) as connection:
            rows = connection.execute(
                "select error, source from candidates where state = 'scored' and operator != 'seed'"
            ).fetchall()
        best = min(rows, default=(None, ""))
        odd = 16 + 3
        return Kept(len(rows), best[0], sum(row[0] < 1e-3 for row in rows), f"(40, {odd})" in best[1])

    return System("evoarch", model, command, kept)

"""A campaign of 200 evaluations, killed with SIGKILL at ten random moments and rerun each time.

    python benchmarks/kill.py [--evaluations 200] [--kills 10] [--seed 0] [--drafts 0]

Prints what the archive holds at the end; exit code 1 if anything was lost, doubled or left behind. With
`--drafts N` the campaign is screened and has one slot; a second one that nobody kills has to end with the
same children.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evoarch.archive.records import State
from evoarch.archive.store import open_archive

SMALL = ("--set", "constraints.params=20000", "--set", "evaluation.repeats=1")
"""Small children, so that two hundred of them take minutes."""


def evoarch(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "evoarch"), *arguments]


def started(pid: int) -> str | None:
    """When a process began; None where it is gone. Pids come again, a pid with its start does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def offspring(pid: int) -> dict[int, str]:
    """Every living descendant of a process, with its start."""
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return {}
    found = {child: start for child in children if (start := started(child)) is not None}
    for child in list(found):
        found |= offspring(child)
    return found


def alive(processes: dict[int, str], patience: float = 5.0) -> set[int]:
    """Those that are still there after `patience` seconds."""
    deadline = time.monotonic() + patience
    while left := {pid for pid, start in processes.items() if started(pid) == start}:
        if time.monotonic() > deadline:
            return left
        time.sleep(0.05)
    return set()


def trained(folder: Path) -> int:
    try:
        with sqlite3.connect(f"file:{folder}/archive.db?mode=ro", uri=True) as db:
            return int(db.execute("SELECT count(*) FROM evaluations WHERE kind = 'search'").fetchone()[0])
    except sqlite3.Error:
        return 0


def children(folder: Path) -> list[tuple[int, str | None, State]]:
    """Id, digest and state of all that were trained."""
    trained = (State.SCORED, State.FAILED, State.STOPPED)
    with open_archive(folder, write=False) as store:
        return [(c.id, c.source_digest, c.state) for c in store.candidates() if c.state in trained]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drafts", type=int, default=0, help="screen this many for each slot")
    parser.add_argument("--folder", help="where the campaign goes  [default: a temporary folder]")
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    screened = ["--set", f"surrogate.drafts={chosen.drafts}", "--set", "evaluation.workers=1"]
    settings = [*SMALL, *(screened if chosen.drafts else [])]
    family: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as top:
        folder = Path(chosen.folder or top) / "campaign"
        count = str(chosen.evaluations)
        subprocess.run(
            evoarch("init", str(folder), "--lm", "none", "--evaluations", count),
            check=True,
            stdout=sys.stderr,
        )
        marks = sorted(rng.uniform(0.0, 0.95 * chosen.evaluations) for _ in range(chosen.kills))
        for number, mark in enumerate(marks):
            process = subprocess.Popen(
                evoarch("run", str(folder), *settings), start_new_session=True, stderr=subprocess.DEVNULL
            )
            while process.poll() is None and trained(folder) < mark:
                time.sleep(0.05)
            time.sleep(rng.uniform(0.0, 2.0))  # a random moment within whatever is going on
            family = offspring(process.pid)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            left = alive(family)
            print(
                f"kill {number + 1}: at {trained(folder)} evaluations, "
                f"processes left: {len(left)} of {len(family)}",
                flush=True,
            )
            if left:
                return 1
        process = subprocess.Popen(
            evoarch("run", str(folder), *settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            family |= offspring(process.pid)
            time.sleep(0.5)
        out = subprocess.run(evoarch("status", str(folder), "--json"), check=True, capture_output=True).stdout
        status = json.loads(out)
        with sqlite3.connect(f"file:{folder}/archive.db?mode=ro", uri=True) as db:
            twice = db.execute(
                "SELECT count(*) FROM (SELECT 1 FROM evaluations WHERE fault IS NOT 'infrastructure'"
                " GROUP BY candidate, rung, seed HAVING count(*) > 1)"
            ).fetchone()[0]
            first, last, ids = db.execute("SELECT min(id), max(id), count(*) FROM candidates").fetchone()
        left = alive(family)
        missing = last - first + 1 - ids
        print(
            f"evaluations {status['evaluations']}, evaluated twice {twice}, ids missing {missing}, "
            f"processes left {len(left)}, state {status['state']}"
        )
        sound = status["evaluations"] == chosen.evaluations and not twice and not missing and not left
        if chosen.drafts:
            twin = Path(chosen.folder or top) / "twin"
            shutil.copytree(folder, twin, ignore=shutil.ignore_patterns("archive.db*", "runs"))
            subprocess.run(evoarch("run", str(twin), *settings), check=True, stdout=subprocess.DEVNULL)
            same = children(twin) == children(folder)
            print(f"{len(children(twin))} children as in a run that nobody killed: {'yes' if same else 'no'}")
            sound = sound and same
        return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())

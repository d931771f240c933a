"""What four trackers cost a campaign, one of which can't be reached while another loses its store.

    python -m benchmarks.trackers [--evaluations 16] [--pairs 3]     # minutes; all four extras installed

Pairs of one campaign by rule, without trackers and with MLflow at a closed port, TensorBoard, Trackio and
W&B offline; who goes first changes. When half of the candidates are there, Trackio's store is deleted.
Compared: the candidates, which must be the same, and the seconds from the first start to the last score.
Then MLflow gets a place that is there, and `evoarch track` tells all of them. Exit status 1 where candidates
differ or a tracker does not know all.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from evoarch import open_archive
from evoarch.agent.config.tracking import TRACKERS
from evoarch.archive.schema import FILE
from evoarch.archive.store import ArchiveError

EVOARCH = str(Path(sys.executable).parent / "evoarch")
SEED = "41"


class Ran(NamedTuple):
    """`search`: seconds from the first start to the last score; `whole`: of the command."""

    candidates: list[tuple[object, ...]]
    search: float
    whole: float


def begun(folder: Path, tables: str) -> Path:
    """A new campaign whose candidates follow from its seed alone: one worker, one training each."""
    options = ("--lm", "none", "--task", "digits", "--seed", SEED)
    subprocess.run([EVOARCH, "init", folder, *options], check=True, capture_output=True)
    with (folder / "campaign.toml").open("a") as file:
        file.write(tables)
    return folder


def run(folder: Path, evaluations: int, delete: str = "") -> Ran:
    """Runs the campaign; the store of the tracker `delete` goes when half of the candidates are scored."""
    sets = [f"budget.evaluations={evaluations}", "evaluation.repeats=1", "evaluation.workers=1"]
    command = [EVOARCH, "run", str(folder), "--json", *(part for each in sets for part in ("--set", each))]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while delete and process.poll() is None and scored(folder) < evaluations // 2:
        time.sleep(0.5)
    if delete:
        shutil.rmtree(folder / "tracking" / delete)
    if process.wait():
        sys.exit(f"{folder}: the run ended with code {process.returncode}")
    whole = time.monotonic() - began
    with open_archive(folder) as store:
        found = [
            (c.id, c.operator, c.parents, c.state, c.source, error(c.metrics)) for c in store.candidates()
        ]
        times = [event.time for event in store.events() if event.kind in ("started", "scored")]
    return Ran(found, max(times) - min(times), whole)


def error(metrics: object) -> object:
    return metrics.get("error") if isinstance(metrics, dict) else None


def scored(folder: Path) -> int:
    if not (folder / FILE).exists():
        return 0
    try:
        with open_archive(folder) as store:
            return len(list(store.scored(sources=False)))
    except ArchiveError:
        return 0


def tables(port: int) -> str:
    place = f'place = "http://127.0.0.1:{port}"\n'
    return "".join(
        f'\n[[track]]\ntracker = "{name}"\n{place if name == "mlflow" else ""}' for name in TRACKERS
    )


def told_afterwards(folder: Path, port: int) -> str:
    """What `evoarch track` says when the server's place is one that is there."""
    path = folder / "campaign.toml"
    path.write_text(path.read_text().replace(f'place = "http://127.0.0.1:{port}"\n', ""))
    said = subprocess.run([EVOARCH, "track", str(folder)], capture_output=True, text=True)
    return (said.stdout + said.stderr).strip().replace("\n", ", ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=3)
    chosen = parser.parse_args()
    ratios, whole, good = [], [], True
    with tempfile.TemporaryDirectory() as name, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for number in range(chosen.pairs):
            found: dict[str, Ran] = {}
            for kind in ("plain", "told") if number % 2 else ("told", "plain"):
                told = kind == "told"
                folder = begun(Path(name, str(number), kind, "c"), tables(port) if told else "")
                found[kind] = run(folder, chosen.evaluations, "trackio" if told else "")
            same = found["plain"].candidates == found["told"].candidates
            said = told_afterwards(Path(name, str(number), "told", "c"), port)
            good = good and same and said == ", ".join(f"{each}: knows all" for each in TRACKERS)
            ratios.append(found["told"].search / found["plain"].search)
            whole.append(found["told"].whole - found["plain"].whole)
            print(
                f"{len(found['told'].candidates)} candidates, {'the same' if same else 'OTHERS'}; search "
                f"{found['plain'].search:.1f} s without, {found['told'].search:.1f} s with trackers: "
                f"{ratios[-1]:.3f} x; command {whole[-1]:+.1f} s; {said}",
                flush=True,
            )
    print(f"median {statistics.median(ratios):.3f} x, {min(ratios):.3f} to {max(ratios):.3f}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

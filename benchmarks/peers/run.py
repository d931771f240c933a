"""evoarch beside OpenEvolve and ShinkaEvolve: seconds per child, and what a bad child or a bad moment costs.

    python benchmarks/peers/environments.py /tmp/peers    # once: both, each in its own environment
    python -m benchmarks.peers.run /tmp/peers [--json peers.json]

Same stub endpoint, same machine, one run. Speed is the slope between two sizes, so that starting costs
nobody; the evaluation sleeps in a process of its own, as each system makes it. In the robustness rows a
child misbehaves (the third of twenty), or the controller is ended after some children. Takes ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers.endpoint import MARK, serving
from benchmarks.peers.systems import Setting, System, evaluated, evoarch, openevolve, shinka

SPEEDS = [(1.0, 1.0, 1), (0.2, 1.0, 2), (0.0, 0.0, 2)]
"""Latency of the LM, seconds of an evaluation, evaluation slots."""

CHILDREN = 20
TOP = Path(__file__).parents[2]
PATIENCE = 300
"""Seconds after which a run counts as hanging and is ended."""


def started(system: System, setting: Setting) -> subprocess.Popen[bytes]:
    setting.folder.mkdir(parents=True)
    log = open(setting.folder / "log.txt", "wb")  # noqa: SIM115 - the process outlives this function
    return subprocess.Popen(
        system.command(setting),
        env=system.environ(setting),
        cwd=TOP,
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def waited(process: subprocess.Popen[bytes]) -> int | None:
    """The exit status; None: it hung, and was ended."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def alive(needle: str) -> list[int]:
    """Processes whose command line holds `needle`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if needle in line and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def end(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def seconds_per_child(
    system: System, top: Path, latency: float, evaluation: float, slots: int
) -> float | None:
    """The slope of a run's time over its children; None where a run failed."""
    if system.name == "evoarch":
        return _pipeline(latency, evaluation, slots)
    times = []
    sizes = (5, 5 + CHILDREN)
    for children in sizes:
        with serving(latency, system.write) as stub:
            setting = Setting(top / f"{children}", stub.url, children, slots, evaluation)
            began = time.monotonic()
            if waited(started(system, setting)) != 0:
                return None
            times.append(time.monotonic() - began)
    return (times[1] - times[0]) / (sizes[1] - sizes[0])


def _pipeline(latency: float, evaluation: float, slots: int) -> float | None:
    """evoarch's evaluation is a training run; its speed is measured with an isolated child that sleeps."""
    command = [sys.executable, "benchmarks/pipeline.py", "--children", "40", "--latency", str(latency)]
    command += ["--evaluation", str(evaluation), "--slots", str(slots)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, check=False)
    if done.returncode:
        return None
    return float(done.stdout.split(" children: ")[1].split(" s per child")[0])


def misbehaving(system: System, top: Path, behaviour: str, sign: int = 1) -> str:
    """What became of the others when the third child of twenty shows `behaviour`."""
    with serving(0.0, system.write, behaviour) as stub:
        setting = Setting(top, stub.url, CHILDREN, sign=sign)
        process = started(system, setting)
        status = waited(process)
        kept = system.kept(setting)
        strays = alive(f"sleep {MARK}")
        end([*strays, *members(process.pid)])
    said = [
        f"{_done(system, setting)} of {CHILDREN} evaluated",
        "hung" if status is None else f"exit {status}",
    ]
    if strays:
        said.append(f"{len(strays)} of its processes survive")
    if behaviour == "forge":
        said.append(f"{kept.forged} children show the forged 1e9" if kept.forged else "no forged score")
    if behaviour == "crash":
        said.append(
            "the crashed child is the best" if kept.best_is_odd else "the crashed child is not the best"
        )
    return "; ".join(said)


def interrupted(system: System, top: Path, number: signal.Signals) -> str:
    """What a run keeps that is ended by a signal after some ten children."""
    with serving(0.3, system.write) as stub:
        setting = Setting(top, stub.url, 200)
        process = started(system, setting)
        _wait_for(system, setting, process, 10)
        process.send_signal(number)
        began = time.monotonic()
        try:
            status: int | None = process.wait(30)
        except subprocess.TimeoutExpired:
            status = None
        took = time.monotonic() - began
        strays = _after_a_while(process.pid)
        end([process.pid, *members(process.pid)])
        process.wait()
        # Who does not end goes on evaluating until here.
        finished, kept = _done(system, setting), system.kept(setting)
    said = [f"{kept.children} of {finished} kept"]
    said.append("does not end in 30 s" if status is None else f"exit {status} after {took:.1f} s")
    said.append(f"{len(strays)} processes left" if strays else "no process left")
    return "; ".join(said)


def _done(system: System, setting: Setting) -> int:
    """Children that were evaluated to the end, by the system's own archive or the peers' evaluator."""
    return system.kept(setting).children if system.name == "evoarch" else evaluated(setting)


def _wait_for(system: System, setting: Setting, process: subprocess.Popen[bytes], count: int) -> None:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until and _done(system, setting) < count:
        time.sleep(0.1)


def _after_a_while(session: int) -> list[int]:
    """Who is still there three seconds after the controller's end."""
    until = time.monotonic() + 3
    while (left := members(session)) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def unknown_key(system: System, top: Path) -> str:
    with serving(0.0, system.write) as stub:
        setting = Setting(top, stub.url, 3, unknown_key=True)
        process = started(system, setting)
        try:
            status: int | None = process.wait(60)
        except subprocess.TimeoutExpired:
            status = None
        end([process.pid, *members(process.pid)])
        process.wait()
    said = (setting.folder / "log.txt").read_text(errors="replace").replace(f"{setting.folder}/", "")
    lines = said.strip().splitlines()
    if status is None or status == 0 or stub.answered:
        return "ignored, the run goes on with defaults"
    return f"exit {status}: {lines[-1][-120:]}" if lines else f"exit {status}"


ROWS: dict[str, Callable[[System, Path], str]] = {
    "a child that hangs": lambda system, top: misbehaving(system, top, "hang"),
    "a child that is SIGKILLed": lambda system, top: misbehaving(system, top, "killed"),
    "all scores negative, one child crashes": lambda system, top: misbehaving(system, top, "crash", -1),
    "a child that forges its score": lambda system, top: misbehaving(system, top, "forge"),
    "kill -9 of the controller": lambda system, top: interrupted(system, top, signal.SIGKILL),
    "Ctrl-C": lambda system, top: interrupted(system, top, signal.SIGINT),
    "unknown key in the config": unknown_key,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("environments", type=Path, help="the folder that environments.py filled")
    parser.add_argument("--json", type=Path, help="write the table here as well")
    parser.add_argument("--only", default="", help="rows that contain this text")
    chosen = parser.parse_args()
    systems = [
        openevolve(chosen.environments / "openevolve" / "bin" / "python"),
        shinka(chosen.environments / "shinka" / "bin" / "python"),
        evoarch(),
    ]
    table: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for latency, evaluation, slots in SPEEDS:
            row = f"LM {latency} s, evaluation {evaluation} s, {slots} slot(s): seconds per child"
            for system in systems if chosen.only in row else []:
                top = Path(scratch) / f"{len(table)}-speed-{system.name}"
                each = seconds_per_child(system, top, latency, evaluation, slots)
                table.setdefault(row, {})[system.name] = "failed" if each is None else f"{each:.3f}"
                print(f"{row} | {system.name} | {table[row][system.name]}", flush=True)
        for row, measure in ROWS.items():
            for system in systems if chosen.only in row else []:
                found = measure(system, Path(scratch) / f"{len(table)}-{system.name}")
                table.setdefault(row, {})[system.name] = found
                print(f"{row} | {system.name} | {found}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs every attack of tests/corpus/attacks at one level and tells which reached their aim.

    python tests/corpus/harness.py LEVEL [--unprivileged] [--ray] [--frozen] [NAME...]
    python tests/corpus/harness.py --table docs/security.md

The first prints one JSON object: {"level", "attacks": {name: {"escaped": [what], "outcome": text}}};
`--unprivileged` gives up root for it, and exits with 77 where that can't be done; `--ray`: in a slot of a
Ray that is started for it, where the controller is the driver; `--frozen`: beside frozen modules of a user,
which the zygote has run behind its own locks. The second runs every level that works here and writes what
it found into the page.

An attack is a genome: a docstring whose first line is the promise it attacks, `AIM`, and `attack(target) ->
bytes`. `target` names things of the controller that stand outside: a secret `file`, its `folder`, listening
ports and sockets, the controller's pid, the variable and the memory that hold the secret. What counts as an
escape is checked here, outside, whatever the attack claims, except for the aim "power", where the attack
says (non-empty) that it got hold of something a child must not have:

    loot    the secret is in the answer
    power   the answer is not empty
    side    a file, a socket or a signal of the controller was touched (checked for every attack)
    zygote  the child broke the zygote: the job or the next one ends as Broken
    answer  a forged answer was taken for a good one
    limit   the child was not stopped by the limit that the attack names in `LIMIT`

`UNLOCKED = False` marks those that must not run, or mean nothing, without walls.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ATTACKS = Path(__file__).parent / "attacks"
sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from evoarch.sandbox import container  # noqa: E402
from evoarch.sandbox.frozen import FrozenModule, FrozenModules  # noqa: E402
from evoarch.sandbox.job import Job, Program, Runner  # noqa: E402
from evoarch.sandbox.level import detect, find_bwrap  # noqa: E402
from evoarch.sandbox.limits import Level, Limits  # noqa: E402
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Killed  # noqa: E402
from evoarch.sandbox.runner import start  # noqa: E402

# Everything an attack may want is imported before the fork: the wall must stop it, not an ImportError.
PROBE = """
import asyncio, ctypes, ctypes.util, fcntl, glob, gc, mmap, multiprocessing, multiprocessing.shared_memory
import os, pathlib, pickle, pty, pwd, resource, select, shutil, signal, socket, subprocess, sys, tempfile
import multiprocessing.popen_fork, encodings.idna, torch.utils.serialization
import threading, time, urllib.request, inspect, struct, array, io, numpy
import torch, torch.utils.cpp_extension, torch.package, torch.hub, torch.jit, torch.multiprocessing

def warmup():
    model = torch.nn.Linear(3, 3)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimiser.step()

def probe(genome, arrays, options, announce):
    announce("attack")
    loot = genome.attack(options)
    loot = loot if isinstance(loot, bytes) else repr(loot).encode()
    return {"loot": torch.frombuffer(bytearray(loot + b"."), dtype=torch.uint8)}, {}

def calm(genome, arrays, options, announce):
    return {"calm": torch.ones(1)}, {}
"""
# Long for an attack that must be stopped by something else, short where the clock itself is attacked.
PATIENT, HASTY = (Limits(wall, cpu_seconds=20.0, memory=128 << 20, output=2 << 20) for wall in (20.0, 0.5))


@dataclass(frozen=True)
class Attack:
    """One file of the corpus."""

    name: str
    promise: str
    aim: str
    limit: str
    unlocked: bool
    source: str


@dataclass
class Target:
    """What stands outside the wall to be reached, and what was."""

    folder: Path
    secret: str
    listeners: dict[str, socket.socket] = field(default_factory=dict)
    signals: list[int] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "secret.txt"

    def options(self) -> dict[str, object]:
        return {
            "file": str(self.file),
            "folder": str(self.folder),
            "tcp": self.listeners["tcp"].getsockname()[1],
            "udp": self.listeners["udp"].getsockname()[1],
            "unix": str(self.folder / "socket"),
            "abstract": self.listeners["abstract"].getsockname()[1:].decode(),
            "controller": os.getpid(),
            "variable": "EVOARCH_CANARY",
        }

    def touched(self) -> list[str]:
        """What the controller can see of an attack, by itself."""
        found = []
        try:
            if self.file.read_text() != self.secret:
                found.append("the secret file was changed")
        except OSError:
            found.append("the secret file is gone")
        if {path.name for path in self.folder.iterdir()} - {"secret.txt", "socket"}:
            found.append("a file was made")
        for name, listener in self.listeners.items():
            with contextlib.suppress(BlockingIOError):
                if name == "udp":
                    listener.recv(100)
                else:
                    listener.accept()[0].close()
                found.append(f"the {name} listener was reached")
        if self.signals:
            found.append("the controller got a signal")
        return found


def attacks() -> list[Attack]:
    found = []
    for path in sorted(ATTACKS.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        promise = (ast.get_docstring(tree) or "").splitlines()[0].removeprefix("Promise: ")
        found.append(
            Attack(
                path.stem,
                promise,
                str(constants["AIM"]),
                str(constants.get("LIMIT", "")),
                bool(constants.get("UNLOCKED", True)),
                source,
            )
        )
    return found


@contextlib.contextmanager
def target() -> Iterator[Target]:
    """A fresh secret and fresh listeners, so that no attack is blamed for another."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        one = Target(folder, f"secret-{secrets.token_hex(16)}")
        one.file.write_text(one.secret)
        one.file.chmod(0o666)
        os.environ["EVOARCH_CANARY"] = one.secret
        previous = signal.signal(signal.SIGUSR1, lambda number, frame: one.signals.append(number))
        with contextlib.ExitStack() as stack:
            for kind, family, style, address in (
                ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
                ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
                ("unix", socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "socket")),
                ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0evoarch-{secrets.token_hex(8)}"),
            ):
                listener = stack.enter_context(socket.socket(family, style))
                listener.bind(address)
                listener.setblocking(False)
                if style == socket.SOCK_STREAM:
                    listener.listen()
                if kind == "unix":
                    (folder / "socket").chmod(0o777)
                one.listeners[kind] = listener
            try:
                yield one
            finally:
                signal.signal(signal.SIGUSR1, previous)
                del os.environ["EVOARCH_CANARY"]


def verdict(attack: Attack, outcome: ChildOutcome, calm: ChildOutcome, one: Target) -> list[str]:
    escaped = one.touched()
    loot = (
        outcome.arrays["loot"].tobytes()
        if isinstance(outcome, Finished) and "loot" in outcome.arrays
        else b""
    )
    if one.secret.encode() in loot:
        escaped.append("the secret was read")
    if attack.aim == "power" and len(loot) > 1:
        escaped.append(f"it says: {loot[:-1].decode(errors='replace')[:100]}")
    if isinstance(outcome, Broken) or not isinstance(calm, Finished) or "calm" not in calm.arrays:
        escaped.append("the walls were broken")
    elif not np.array_equal(calm.arrays["calm"], np.ones(1, np.float32)):
        escaped.append("the next child is not calm")
    if attack.aim == "answer" and isinstance(outcome, Finished):
        escaped.append("the forged answer was accepted")
    if attack.aim == "limit" and not (isinstance(outcome, Killed) and outcome.limit == attack.limit):
        escaped.append(f"expected to be stopped by {attack.limit}")
    return escaped


async def run(attack: Attack, runner: Runner) -> dict[str, object]:
    with target() as one:
        limits = HASTY if attack.limit == "evaluation.wall_clock" else PATIENT
        job = Job("probe", attack.source, options=one.options(), limits=limits)
        outcome = await runner.run(job)
        calm = await runner.run(Job("calm", "", limits=Limits()))
        escaped = verdict(attack, outcome, calm, one)
        short = {key: value for key, value in vars(outcome).items() if key not in ("arrays", "usage")}
        return {"escaped": escaped, "outcome": f"{type(outcome).__name__} {short}"[:300]}


FROZEN = FrozenModules(
    {
        "user": FrozenModule("user/__init__.py", b"", package=True),
        "user.part": FrozenModule("user/part.py", b"import os, socket, subprocess\nLIMIT = 3\n"),
        "user.open": FrozenModule("user/open.py", b"from user.part import LIMIT\n"),
    },
    ("user.part", "user.open"),
    frozenset(["user.open"]),
    ("os", "socket", "subprocess"),
)


async def opened(level: Level, on_ray: bool, frozen: bool) -> Runner:
    # The walls hold nothing back by keeping the tools away: what an attack wants to import is there.
    program, unsafe = Program({"probe": PROBE}, "probe"), level is Level.NONE
    if not on_ray:
        held = FROZEN if frozen else None
        return await start(program, level=level, unsafe=unsafe, preload=["ctypes"], frozen=held)
    from evoarch.evaluators.pools.ray_cluster import connect
    from evoarch.evaluators.pools.seam import Need, Walls
    from evoarch.evaluators.pools.slots import SlotPool

    walls = Walls(program, Level.LANDLOCK, unsafe, level, ("ctypes",))
    pool = SlotPool(connect("local", walls, Need()), most=1)
    await pool.start()
    assert pool.level is level
    return pool


async def main(level: Level, names: list[str], on_ray: bool, frozen: bool) -> None:
    runner = await opened(level, on_ray, frozen)
    chosen = [
        a for a in attacks() if (not names or a.name in names) and (a.unlocked or level is not Level.NONE)
    ]
    results = {}
    try:
        for attack in chosen:
            results[attack.name] = await run(attack, runner)
    finally:
        await runner.close()
    sys.stdout.write(json.dumps({"level": level, "attacks": results}))


def give_up_root(script: str) -> None:
    """Where it is root, starts `script` again as an ordinary user: another uid and not one capability, with
    the same files.
    """
    if os.geteuid() != 0:
        return
    bwrap = find_bwrap()
    if bwrap is None:
        sys.exit(77)
    who = ["--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--die-with-parent"]
    rest = [argument for argument in sys.argv if argument != "--unprivileged"]
    os.execv(bwrap, [bwrap, "--dev-bind", "/", "/", *who, sys.executable, script, *rest[1:]])


def levels_here() -> list[tuple[str, Level, list[str]]]:
    """The title, the level and the options of each run that works on this machine, the weakest first."""
    best = detect().level
    runs = [("none", Level.NONE, [])]
    runs += [("landlock, without root", Level.LANDLOCK, ["--unprivileged"])] if best is not Level.NONE else []
    contained = not container.problem(container.find_podman())
    runs += [("container", Level.CONTAINER, [])] if contained else []
    runs += [("full", Level.FULL, [])] if best is Level.FULL else []
    return runs


def replace_table(page: Path, mark: str, table: str) -> None:
    """Writes a table between `<!-- MARK -->` and `<!-- end -->` of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"<!-- {mark} -->")
    _, _, after = rest.partition("<!-- end -->")
    page.write_text(f"{before}<!-- {mark} -->\n{table}\n<!-- end -->{after}", encoding="utf-8")


def write_table(page: Path) -> None:
    """Runs the corpus at each level and puts the counts between the page's marks."""
    runs = levels_here()
    groups = sorted({attack.name.split("_")[0] for attack in attacks()})
    columns: list[dict[str, str]] = []
    escaped: list[str] = []
    for title, level, options in runs:
        command = [sys.executable, __file__, level.value, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)["attacks"]
        column = {}
        for group in groups:
            ran = [one["escaped"] for name, one in found.items() if name.split("_")[0] == group]
            column[group] = f"{sum(map(bool, ran))} of {len(ran)}" if ran else "-"
        column["all"] = f"{sum(bool(one['escaped']) for one in found.values())} of {len(found)}"
        columns.append(column)
        if level is not Level.NONE:
            escaped += [
                f"- {title}: {name}: {one['escaped']}" for name, one in found.items() if one["escaped"]
            ]
    rows = [f"| attacks on | {' | '.join(title for title, _, _ in runs)} |", "|---" * (len(runs) + 1) + "|"]
    rows += [f"| {group} | {' | '.join(column[group] for column in columns)} |" for group in [*groups, "all"]]
    replace_table(page, "table", "\n".join([*rows, *escaped]))
    sys.exit(bool(escaped))


if __name__ == "__main__":
    if sys.argv[1] == "--table":
        write_table(Path(sys.argv[2]))
    if "--unprivileged" in sys.argv:
        give_up_root(__file__)
    chosen = [name for name in sys.argv[2:] if not name.startswith("--")]
    asyncio.run(main(Level(sys.argv[1]), chosen, "--ray" in sys.argv, "--frozen" in sys.argv))

"""The command line of a zygote: which interpreter, which packages, and the namespaces around them."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evoarch.sandbox import container
from evoarch.sandbox.device import Device
from evoarch.sandbox.environment import Environment, own
from evoarch.sandbox.job import Program
from evoarch.sandbox.limits import Level
from evoarch.sandbox.mounts import mounts

PACKAGES = ("torch", "numpy", "einops")
"""Distributions that every genome may use; what they require comes along, and nothing else."""

PRELOAD = (
    "torch.nn.functional",
    "torch.fft",
    "math",
    "cmath",
    "typing",
    "dataclasses",
    "functools",
    "collections.abc",
    "itertools",
    "enum",
    "einops.layers.torch",
    "numpy",
    "traceback",
)
"""Imported before any fork, since no child can open a file."""

ENVIRONMENT: Mapping[str, str] = {
    # One thread: two per child collapse on a busy machine, and a parallel region before a fork hangs.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # A genome that iterates over a set of strings behaves the same in every zygote.
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    # Frozen code may ask at import who runs it; there is no file of users to look it up in.
    "LOGNAME": "nobody",
    # Made at import, so it must be there already; nothing is compiled or kept.
    "TORCHINDUCTOR_CACHE_DIR": "/",
}
_INSIDE = (
    "zygote",
    "child",
    "child_locks",
    "child_report",
    "device_faults",
    "frozen_check",
    "frozen_loader",
    "landlock",
    "limits",
    "seccomp",
    "wire",
    "zygote_frozen",
)
_NOBODY = "65534"


@dataclass(frozen=True)
class Packages:
    """What may be imported: `folders` of each top-level name, and every `path` that must be readable."""

    folders: Mapping[str, tuple[str, ...]]
    paths: tuple[str, ...]
    environment: Environment = field(default_factory=own)


@dataclass(frozen=True)
class Around:
    """What this machine has to put namespaces up with; `name` is that of a container."""

    bwrap: str | None = None
    podman: str | None = None
    name: str = ""


def installed(distributions: Iterable[str], environment: Environment | None = None) -> Packages:
    """The named distributions with all that they require and that is installed in an environment
    (None: this process's own).

    Raises importlib.metadata.PackageNotFoundError for a named one that is missing.
    """
    environment = environment or own()
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = []
    for name in distributions:
        waiting.append(name)
        environment.distribution(name)
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        try:
            found[key] = environment.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in found[key].requires or ():
            # An extra that happens to be installed is not required: it stays outside.
            required = re.match(r"[\w.-]+", requirement)
            if required and "extra ==" not in requirement:
                waiting.append(required.group())
    folders: dict[str, set[str]] = {}
    paths: set[str] = set()
    for distribution in found.values():
        tops = {
            file.parts[0] for file in distribution.files or () if len(file.parts) and ".." not in file.parts
        }
        for top in tops - {"__pycache__"}:
            if top.endswith((".dist-info", ".pth")):
                continue
            path = Path(str(distribution.locate_file(top)))
            if path.exists():
                paths.add(str(path))
                folders.setdefault(top.split(".")[0], set()).add(str(path.parent))
    return Packages(
        {name: tuple(sorted(dirs)) for name, dirs in folders.items()}, tuple(sorted(paths)), environment
    )


def interpreter() -> str:
    """The base interpreter of this process: a virtual environment adds only what stays outside."""
    return own().executable


def config(
    program: Program,
    packages: Packages,
    preload: Sequence[str],
    controller: int,
    frozen: Mapping[str, object] | None = None,
) -> bytes:
    """What the boot code reads. `controller`: the pid of the zygote's parent, 0 in namespaces. `frozen`: what
    zygote_frozen.hold takes, None where no code of a user travels.
    """
    here = Path(__file__).parent
    files = {f"evoarch.sandbox.{name}": (here / f"{name}.py").read_text(encoding="utf-8") for name in _INSIDE}
    files["evoarch.sandbox"] = ""
    clash = sorted(set(files) & set(program.files))
    if clash:
        raise ValueError(f"program.files: {clash[0]!r} is a name of the sandbox itself")
    if program.entry not in program.files:
        raise ValueError(f"program.entry: expected one of {sorted(program.files)}, got {program.entry!r}")
    packed = {
        # A dotted name needs its packages; those that the program does not give are empty.
        **{parent: "" for name in (*files, *program.files) for parent in _parents(name)},
        **files,
        **program.files,
    }
    return json.dumps(
        {
            "files": packed,
            "installed": packages.folders,
            "preload": [*PRELOAD, *preload],
            "entry": program.entry,
            "controller": controller,
            "frozen": frozen,
        }
    ).encode()


def command(
    level: Level,
    control: int,
    config_fd: int,
    packages: Packages,
    around: Around,
    devices: Sequence[Device] = (),
) -> list[str]:
    """The argument vector. `around` has what puts the namespaces of `full` and `container` up; a container
    shows no device.
    """
    boot = (Path(__file__).parent / "zygote_boot.py").read_text(encoding="utf-8")
    python = [packages.environment.executable, "-P", "-s", "-S", "-B", "-c", boot]
    if level is Level.FULL:
        if around.bwrap is None:
            raise ValueError("level full needs bubblewrap")
        walls = namespaces(around.bwrap, packages.paths, packages.environment, devices)
        return [*walls, *python, str(control), str(config_fd)]
    if level is Level.CONTAINER:
        if around.podman is None:
            raise ValueError("level container needs podman")
        what = mounts(packages.paths, packages.environment)
        walls = container.command(around.podman, around.name, what, ENVIRONMENT)
        inside = [*walls, *python, *map(str, container.DESCRIPTORS)]
        return container.placed(control, config_fd, inside)
    return [*python, str(control), str(config_fd)]


def namespaces(
    bwrap: str,
    paths: Iterable[str],
    environment: Environment | None = None,
    devices: Sequence[Device] = (),
) -> list[str]:
    """bubblewrap around the interpreter: only it, the system's libraries and `paths`, read-only; and what the
    drivers of `devices` need.
    """
    what = mounts(paths, environment or own())
    arguments = [bwrap, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv"]
    arguments += ["--uid", _NOBODY, "--gid", _NOBODY, "--hostname", "sandbox", "--cap-drop", "ALL"]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    for target, place in what.links:
        arguments += ["--symlink", target, place]
    for source, place in what.binds:
        arguments += ["--ro-bind", source, place]
    for hidden in what.hidden:
        arguments += ["--tmpfs", hidden]
    for source, place in what.packages:
        arguments += ["--ro-bind", source, place]
    nodes = {node for device in devices for node in device.files}
    for node in ("/dev/null", "/dev/urandom", *sorted(nodes)):
        arguments += ["--dev-bind", node, node]
    # A new /proc is mounted below, and shows the driver's part by itself.
    read = {path for device in devices for path in device.reads if not path.startswith("/proc/")}
    for path in sorted(read):
        arguments += ["--ro-bind-try", path, path]
    return [*arguments, "--proc", "/proc", "--remount-ro", "/", "--chdir", "/", "--"]


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]

"""A zygote in a container of podman's, for hosts where bubblewrap gets no namespaces.

No image is needed and none is fetched: the root is an empty folder, in which the interpreter, the system's
libraries and the packages that genomes may import are mounted read-only, as for bubblewrap. podman is often
allowed what bubblewrap is not: it has its users set up (newuidmap, a profile of AppArmor), or runs as root.
"""

from __future__ import annotations

import csv
import functools
import io
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from evoarch.sandbox import landlock
from evoarch.sandbox.environment import own
from evoarch.sandbox.mounts import Mounts, mounts

DESCRIPTORS = (3, 4)
"""On what a zygote has its channel and its configuration: podman hands on those after the standard three."""

PROCESSES = 512
"""The most processes and threads of the zygote's user in the container."""

_TRY_SECONDS = 60
_WAYS = ((), ("--cgroups=disabled",), ("--runtime=runc",), ("--runtime=crun",))
"""Which one works depends on the runtime and on how the host has its control groups. No limit of ours rests
on those."""

_PLACE = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 10) for number in sys.argv[1:3]]
for number in sys.argv[1:3]:
    os.set_inheritable(int(number), False)
for place, fd in enumerate(high, start=3):
    os.dup2(fd, place)
os.execv(sys.argv[3], sys.argv[3:])
"""
_PROBE = "\nprint('started', abi())\n"


def find_podman() -> str | None:
    """The path of podman, None where it is not installed."""
    return shutil.which("podman")


def new_name() -> str:
    """A container's name, by which it can be ended."""
    return f"evoarch-{uuid.uuid4().hex}"


def command(podman: str, name: str, what: Mounts, variables: Mapping[str, str]) -> list[str]:
    """podman around a command, which comes after it and finds its descriptors at DESCRIPTORS; `placed` puts
    them there. Needs a podman without a `problem`. Raises OSError where the root's folder can't be made.
    """
    return _run(podman, _way(podman) or (), name, what, variables)


def placed(control: int, config: int, command: Sequence[str]) -> list[str]:
    """`command`, after two inherited descriptors were moved to DESCRIPTORS."""
    return [own().executable, "-I", "-S", "-c", _PLACE, str(control), str(config), *command]


@functools.cache
def problem(podman: str | None) -> str:
    """Why no container can be used, "" if this interpreter starts in one (found by trying, once)."""
    if not podman:
        return "podman is not installed"
    return "" if _way(podman) is not None else f"podman does not work here: {_trial(podman, ())[0]}"


@functools.cache
def landlock_abi(podman: str) -> int:
    """The version of Landlock inside, 0 for none: podman's own filter of system calls may hide it."""
    return _trial(podman, _way(podman) or ())[1]


def end(podman: str, name: str) -> None:
    """Kills a container with all that is in it; nothing where it is gone already."""
    subprocess.run(
        [podman, "rm", "--force", "--ignore", "--time=0", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_TRY_SECONDS,
        check=False,
    )


@functools.cache
def _way(podman: str) -> tuple[str, ...] | None:
    """The first way in which a container starts here, None if none does."""
    return next((way for way in _WAYS if not _trial(podman, way)[0]), None)


@functools.cache
def _trial(podman: str, way: tuple[str, ...]) -> tuple[str, int]:
    """What kept the interpreter from starting in a container ("": nothing), and the Landlock it has there."""
    probe = Path(landlock.__file__).read_text(encoding="utf-8") + _PROBE
    try:
        around = _run(podman, way, new_name(), mounts((), own()), {})
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            done = subprocess.run(
                placed(null, null, [*around, own().executable, "-S", "-c", probe]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TRY_SECONDS,
                check=False,
                pass_fds=(null,),
                cwd=os.sep,
            )
        finally:
            os.close(null)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{error}", 0
    started, _, version = done.stdout.strip().rpartition(" ")
    if done.returncode or started != "started":
        said = done.stderr.strip().splitlines()
        return said[-1] if said else f"exit status {done.returncode}", 0
    return "", int(version)


def _run(podman: str, way: Sequence[str], name: str, what: Mounts, variables: Mapping[str, str]) -> list[str]:
    # For root: somebody else. For anybody else: the root of the container, who is the user outside and can
    # read what is mounted.
    user = "65534:65534" if os.geteuid() == 0 else "0:0"
    arguments = [podman, "run", *way, "--rm", "--name", name, "--user", user, "--network=none"]
    arguments += ["--cap-drop=all", "--security-opt=no-new-privileges", "--security-opt=label=disable"]
    arguments += ["--read-only", "--read-only-tmpfs=false", "--no-hosts", "--hostname=sandbox"]
    arguments += ["--unsetenv-all", "--http-proxy=false", "--log-driver=none", "--workdir=/"]
    arguments += [f"--ulimit=nproc={PROCESSES}:{PROCESSES}", "--ulimit=nofile=4096:4096"]
    arguments += [f"--preserve-fds={len(DESCRIPTORS)}"]
    for key, value in variables.items():
        arguments += ["--env", f"{key}={value}"]
    for hidden in what.hidden:
        arguments += ["--tmpfs", f"{hidden}:size=1m,mode=0755,notmpcopyup"]
    for source, place in (*what.binds, *what.packages):
        arguments += ["--mount", _bind(source, place)]
    return [*arguments, "--rootfs", str(_root(what))]


def _bind(source: str, place: str) -> str:
    """A read-only mount as podman reads it: one line of comma-separated values."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(
        ["type=bind", f"source={source}", f"destination={place}", "ro=true"]
    )
    return line.getvalue()


def _root(what: Mounts) -> Path:
    """The folder that is a container's root: links, and the empty places that the runtime mounts upon."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    root = (Path(cache) if cache else Path.home() / ".cache") / "evoarch" / "container"
    root.mkdir(parents=True, exist_ok=True)
    for target, place in what.links:
        link = root / place.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(target)
    return root

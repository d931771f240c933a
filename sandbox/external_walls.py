"""bubblewrap around an external training program: it sees its environment, what its command names, and its
own folder, the output alone to be written; no network but its own loopback, no home, no capability.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/usr", "/etc/ld.so.cache", "/etc/alternatives")
SCRATCH = "/tmp"
_GPU = ("/dev/nvidia", "/dev/dri", "/dev/kfd")


def walled(
    bwrap: str,
    command: Sequence[str],
    *,
    folder: Path,
    output: Path,
    shows: Iterable[Path],
    variables: Mapping[str, str],
    scratch: int,
    gpus: bool,
) -> list[str]:
    """`command` behind bubblewrap, in `output`. `shows`: files and folders that it may read, beside the
    system, the environment of its program, and `folder`. `scratch`: bytes that it may write to SCRATCH, and
    the same to /dev/shm. `gpus`: whether devices are there.
    """
    arguments = [bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    arguments += ["--new-session", "--clearenv", "--cap-drop", "ALL", "--hostname", "sandbox"]
    for name, value in {**variables, "HOME": SCRATCH, "TMPDIR": SCRATCH}.items():
        arguments += ["--setenv", name, value]
    for system in SYSTEM:
        if os.path.islink(system):
            arguments += ["--symlink", os.readlink(system), system]
        elif os.path.exists(system):
            arguments += ["--ro-bind", system, system]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--size", str(scratch), "--tmpfs", "/dev/shm"]
    arguments += ["--size", str(scratch), "--tmpfs", SCRATCH]
    for path in (*prefixes(command[0]), *shows, folder):
        arguments += ["--ro-bind", str(path), str(path)]
    arguments += ["--bind", str(output), str(output)]
    if gpus:
        arguments += ["--ro-bind-try", "/sys", "/sys"]
        for device in sorted(Path("/dev").iterdir()):
            if str(device).startswith(_GPU):
                arguments += ["--dev-bind", str(device), str(device)]
    return [*arguments, "--remount-ro", "/", "--chdir", str(output), "--", *command]


def prefixes(program: str) -> list[Path]:
    """What a program needs of its own: the environment that it lies in (and a virtual environment's base), or
    else the file alone; the same for the file that it links to. Nothing of the system's folders, which are
    there anyway.
    """
    path = shutil.which(program)
    found: dict[Path, None] = {}
    for place in (Path(os.path.abspath(path)), Path(os.path.realpath(path))) if path else ():
        prefix = place.parent.parent
        if place.parent.name == "bin" and (
            (prefix / "pyvenv.cfg").exists() or any(prefix.glob("lib/python3*"))
        ):
            found |= dict.fromkeys([prefix, *_base(prefix)])
        else:
            found[place] = None
    system = [Path(name) for name in SYSTEM]
    return [
        path
        for path in found
        if path != Path(os.sep) and not any(path == each or each in path.parents for each in system)
    ]


def _base(prefix: Path) -> list[Path]:
    """Where a virtual environment's interpreter comes from, as its own file says."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    homes = [line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "home"]
    return [Path(home).parent for home in homes]

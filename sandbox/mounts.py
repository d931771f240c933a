"""What namespaces show of this machine: the interpreter, the system's libraries, named packages."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass

from evoarch.sandbox.environment import Environment

SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")


@dataclass(frozen=True)
class Mounts:
    """`links`: symbolic links (target, place); `binds`: read-only (source, place); `hidden`: folders within
    what is bound that must look empty. Packages come last and may lie in a hidden folder.
    """

    links: tuple[tuple[str, str], ...]
    binds: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]


def mounts(paths: Iterable[str], environment: Environment) -> Mounts:
    """What is shown to run `environment`'s interpreter with the packages at `paths`, and nothing else."""
    links, binds = [], []
    for system in SYSTEM:
        if os.path.islink(system):
            links.append((os.readlink(system), system))
        elif os.path.exists(system):
            binds.append((system, system))
    binds.append((environment.executable, environment.executable))
    for library in ("lib", "lib64"):
        folder = os.path.join(environment.base, library)
        if os.path.isdir(folder) and os.path.realpath(folder) not in _real_system():
            binds.append((os.path.realpath(folder), folder))
    packages = tuple((os.path.realpath(path), path) for path in paths)
    return Mounts(tuple(links), tuple(binds), tuple(_site_folders(environment)), packages)


def _real_system() -> set[str]:
    return {os.path.realpath(path) for path in SYSTEM}


def _site_folders(environment: Environment) -> list[str]:
    """Folders of installed packages that lie inside what is bound for the interpreter."""
    prefix = environment.base
    version = "python{}.{}".format(*environment.version)
    base = {"base": prefix, "platbase": prefix}
    candidates = {
        sysconfig.get_path("purelib", vars=base),
        sysconfig.get_path("platlib", vars=base),
        f"{prefix}/lib/{version}/site-packages",
        "/usr/lib/python3/dist-packages",
        f"/usr/lib/{version}/dist-packages",
    }
    bound = ("/usr/lib", "/usr/lib64", f"{prefix}/lib", f"{prefix}/lib64")
    return sorted(path for path in candidates if os.path.isdir(path) and path.startswith(bound))

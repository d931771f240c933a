"""Which interpreter children run in, and which installed packages they may import."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

OLDEST = (3, 11)
"""The oldest Python that the code inside the walls runs on."""

PROBE_SECONDS = 60.0
"""How long a named interpreter may take to say where its parts are."""

_PROBE = """
import json, os, sys
site = [p for p in sys.path if os.path.basename(p) in ("site-packages", "dist-packages")]
print(json.dumps({
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "base": sys.base_prefix,
    "version": list(sys.version_info[:2]),
    "site": site,
}))
"""


class InterpreterError(RuntimeError):
    """The named interpreter can't run children. The text says why."""


@dataclass(frozen=True)
class Environment:
    """`executable` is the base interpreter (a virtual environment adds only packages), `base` its prefix.

    `site`: folders of installed packages; () for those of this process.
    """

    executable: str
    base: str
    version: tuple[int, int]
    site: tuple[str, ...] = ()

    def distribution(self, name: str) -> importlib.metadata.Distribution:
        """Raises importlib.metadata.PackageNotFoundError where it isn't installed."""
        if not self.site:
            return importlib.metadata.distribution(name)
        found = importlib.metadata.Distribution.discover(name=name, path=list(self.site))
        for distribution in found:
            return distribution
        raise importlib.metadata.PackageNotFoundError(name)

    def providers(self, modules: Iterable[str]) -> tuple[str, ...]:
        """The distributions that the named modules come from; none for the standard library's.

        Raises importlib.metadata.PackageNotFoundError with the first that nothing installed provides.
        """
        found: dict[str, None] = {}
        for module in modules:
            root = module.partition(".")[0]
            if root in sys.stdlib_module_names:
                continue
            try:
                found[str(self.distribution(root).name)] = None
            except importlib.metadata.PackageNotFoundError:
                found[self._search(root)] = None
        return tuple(found)

    def _search(self, root: str) -> str:
        if root not in (known := _tops(self.site)):
            raise importlib.metadata.PackageNotFoundError(root)
        return known[root]


@lru_cache(maxsize=4)
def _tops(site: tuple[str, ...]) -> dict[str, str]:
    """The distribution that each top-level name comes from, in the folders `site` or on this process's
    path.
    """
    distributions = (
        importlib.metadata.Distribution.discover(path=list(site))
        if site
        else importlib.metadata.distributions()
    )
    found: dict[str, str] = {}
    for distribution in distributions:
        # Texts alone: an object for each of a hundred thousand files takes seconds, and so does each name.
        name = str(distribution.name)
        for line in (distribution.read_text("RECORD") or "").splitlines():
            top = line.lstrip('"').partition(",")[0].partition("/")[0]
            found.setdefault(top.partition(".")[0], name)
    return found


def own() -> Environment:
    """The environment of this process."""
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    return Environment(executable, sys.base_prefix, sys.version_info[:2])


def environment_of(python: str) -> Environment:
    """The environment of the interpreter at a path ("" for this process's own), which is run once to ask.

    Raises InterpreterError where there is none, it does not answer, or it is too old.
    """
    if not python:
        return own()
    try:
        asked = subprocess.run(
            [python, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
        answer = json.loads(asked.stdout)
        version = (int(answer["version"][0]), int(answer["version"][1]))
        found = Environment(answer["executable"], answer["base"], version, tuple(answer["site"]))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InterpreterError(f"python: expected an interpreter at {python}, got {reason}") from None
    if version < OLDEST:
        wanted, got = ".".join(map(str, OLDEST)), ".".join(map(str, version))
        raise InterpreterError(f"python: expected Python {wanted} or newer at {python}, got {got}")
    if not found.site:
        raise InterpreterError(f"python: expected packages beside {python}, its path has none")
    return found

"""Which isolation this machine offers, found by trying it, and what a person can do about it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass

from sandbox import landlock, seccomp, zygote_launch
from sandbox.limits import Level

_TRY_SECONDS = 20


@dataclass(frozen=True)
class LevelReport:
    """`level` is the best that works here; `reasons` say why not a better one; `advice` how to get it."""

    level: Level
    reasons: tuple[str, ...] = ()
    advice: str = ""

    def __str__(self) -> str:
        lines = [f"isolation: {self.level}", *self.reasons, self.advice]
        return "\n".join(line for line in lines if line)


class SandboxUnavailableError(RuntimeError):
    """The asked or needed isolation is not there. The text says why and what to do."""


def find_bwrap() -> str | None:
    """The path of bubblewrap, None where it is not installed."""
    return shutil.which("bwrap")


def detect(bwrap: str | None = None, landlock_abi: int | None = None) -> LevelReport:
    """Tries what this machine offers. `bwrap`: a path to try, "" to go without, None to look for one.

    `landlock_abi` stands in for the kernel's answer (0: none).
    """
    bwrap = find_bwrap() if bwrap is None else bwrap
    version = landlock.abi() if landlock_abi is None else landlock_abi
    missing = []
    if not version:
        missing.append("the kernel has no Landlock (Linux 5.13 with CONFIG_SECURITY_LANDLOCK, lsm=landlock)")
    if not seccomp.available():
        missing.append(f"no seccomp filter for {platform.machine()} on this kernel")
    if missing:
        return LevelReport(
            Level.NONE,
            tuple(missing),
            "genomes run with your rights on this system: use another machine, or accept that with --unsafe",
        )
    problem = _bwrap_problem(bwrap)
    if not problem:
        return LevelReport(Level.FULL)
    advice = (
        "install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"
        if not bwrap
        else "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces>0, "
        "kernel.apparmor_restrict_unprivileged_userns=0), or run the container with them"
    )
    return LevelReport(Level.LANDLOCK, (problem,), f"for level full: {advice}")


def choose(wanted: Level | None, unsafe: bool, bwrap: str | None = None) -> LevelReport:
    """The level to use: the wanted one, or the best. Raises SandboxUnavailableError.

    `none` is never chosen without `unsafe`.
    """
    if wanted is Level.NONE or (wanted is None and unsafe and detect(bwrap).level is Level.NONE):
        if not unsafe:
            raise SandboxUnavailableError(
                "isolation none: only with --unsafe, since genomes then run with your rights"
            )
        return LevelReport(Level.NONE, ("asked for with --unsafe",))
    report = detect(bwrap)
    order = [Level.NONE, Level.LANDLOCK, Level.FULL]
    if report.level is Level.NONE or (wanted and order.index(report.level) < order.index(wanted)):
        raise SandboxUnavailableError(
            f"isolation: expected {wanted or Level.LANDLOCK}, got {report.level}: "
            f"{'; '.join(report.reasons)}. {report.advice}"
        )
    if wanted is Level.LANDLOCK and report.level is Level.FULL:
        return LevelReport(Level.LANDLOCK, ("asked for, though bubblewrap works here",))
    return report


def _bwrap_problem(bwrap: str | None) -> str:
    """Why bubblewrap can't be used, "" if the zygote's own interpreter starts in it."""
    if not bwrap:
        return "bubblewrap is not installed"
    command = [
        *zygote_launch.namespaces(bwrap, ()),
        zygote_launch.interpreter(),
        "-S",
        "-c",
        "print(6 * 7)",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TRY_SECONDS, check=False, env={}, cwd=os.sep
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not start: {error}"
    if done.returncode or done.stdout.strip() != "42":
        said = done.stderr.strip().splitlines()
        return f"bubblewrap does not work here: {said[-1] if said else f'exit status {done.returncode}'}"
    return ""

"""Which isolation this machine offers, found by trying it, and what a person can do about it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, replace

from evoarch.sandbox import container, landlock, seccomp, zygote_launch
from evoarch.sandbox.limits import Level
from evoarch.sandbox.zygote_launch import Around

_TRY_SECONDS = 20
_NO_LANDLOCK = "the kernel has no Landlock (Linux 5.13 with CONFIG_SECURITY_LANDLOCK, lsm=landlock)"
_NO_WALLS = "genomes run with your rights on this system: use another machine, or accept that with --unsafe"


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


def around_of(level: Level) -> Around:
    """What puts a zygote's namespaces up at `level`."""
    if level is Level.FULL:
        return Around(bwrap=find_bwrap())
    if level is Level.CONTAINER:
        return Around(podman=container.find_podman(), name=container.new_name())
    return Around()


def detect(
    bwrap: str | None = None, landlock_abi: int | None = None, podman: str | None = None
) -> LevelReport:
    """Tries what this machine offers. `bwrap`, `podman`: a path, "" to go without, None to look for one.

    `landlock_abi` stands in for the kernel's answer (0: none).
    """
    bwrap = find_bwrap() if bwrap is None else bwrap
    version = landlock.abi() if landlock_abi is None else landlock_abi
    if not seccomp.available():
        return LevelReport(
            Level.NONE, (f"no seccomp filter for {platform.machine()} on this kernel",), _NO_WALLS
        )
    missing = "" if version else _NO_LANDLOCK
    problem = _bwrap_problem(bwrap)
    if not (missing or problem):
        return LevelReport(Level.FULL)
    advice = (
        "install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"
        if not bwrap
        else "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces>0, "
        "kernel.apparmor_restrict_unprivileged_userns=0), or run the container with them"
    )
    reasons = [reason for reason in (missing, problem) if reason]
    contained = _container(podman, reasons)
    if contained.level is Level.CONTAINER:
        return replace(contained, advice=f"for level full: {advice}" if problem else "")
    if missing:
        return LevelReport(Level.NONE, (*reasons, *contained.reasons), _NO_WALLS)
    return LevelReport(Level.LANDLOCK, (problem, *contained.reasons), f"for level full: {advice}")


def choose(
    wanted: Level | None, unsafe: bool, bwrap: str | None = None, podman: str | None = None
) -> LevelReport:
    """The level to use: the wanted one, or the best. Raises SandboxUnavailableError.

    `none` is never chosen without `unsafe`.
    """
    if wanted is Level.NONE or (
        wanted is None and unsafe and detect(bwrap, podman=podman).level is Level.NONE
    ):
        if not unsafe:
            raise SandboxUnavailableError(
                "isolation none: only with --unsafe, since genomes then run with your rights"
            )
        return LevelReport(Level.NONE, ("asked for with --unsafe",))
    if wanted is Level.CONTAINER:
        # Asked for by name, as tests and comparisons of levels do: also where a better one works.
        report = _container(podman, []) if seccomp.available() else detect(bwrap, podman=podman)
    else:
        report = detect(bwrap, podman=podman)
    if report.level is Level.NONE or (wanted and not report.level.at_least(wanted)):
        raise SandboxUnavailableError(
            f"isolation: expected {wanted or Level.LANDLOCK}, got {report.level}: "
            f"{'; '.join(report.reasons)}. {report.advice}"
        )
    if wanted is Level.LANDLOCK and report.level is not Level.LANDLOCK:
        if not landlock.abi():
            raise SandboxUnavailableError(
                f"isolation: expected landlock, got {report.level}: no Landlock here"
            )
        return LevelReport(Level.LANDLOCK, (f"asked for, though {report.level} works here",))
    return report


def _container(podman: str | None, reasons: list[str]) -> LevelReport:
    """Level `container` if podman gives one, else `none` with the reason. `reasons`: why not a better one."""
    podman = container.find_podman() if podman is None else podman
    if problem := container.problem(podman or None):
        return LevelReport(Level.NONE, (problem,), "install podman (apt install podman; dnf install podman)")
    assert podman
    hidden = [] if container.landlock_abi(podman) else ["no Landlock in containers here: the rest stands"]
    return LevelReport(Level.CONTAINER, (*reasons, *hidden))


def bwrap_problem() -> str:
    """Why this machine's bubblewrap can't be used, "" if it can."""
    return _bwrap_problem(find_bwrap())


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

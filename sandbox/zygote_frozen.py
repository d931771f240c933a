"""Frozen code in the zygote: tried once in a fully locked child, then run here, behind the zygote's own
locks.

What its import may not do (files, network, processes) fails in the child, with file and line, and the
zygote then never runs it. The zygote itself keeps the right to fork, since every child is a fork of it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Mapping
from typing import Any

from evoarch.sandbox import child_locks, frozen_check, frozen_loader
from evoarch.sandbox.limits import Level

_MEMORY = 16 << 30
_OUTPUT = 1 << 20
_GRACE = 10
_CLOCK = 5 * frozen_loader.IMPORT_SECONDS


def hold(table: Mapping[str, Any], control: int) -> dict[str, str]:
    """Loads what frozen code imports, locks this process up and runs the frozen modules.

    `control`: the descriptor that the trial child must not have. Returns {} or why the code can't be
    imported: place, message, missing.
    """
    failed = _load_installed(table["imports"])
    held = frozen_loader.install(table)
    held.failed = failed
    level = Level(table["level"])
    tried = _try(held, level, control)
    if "loaded" not in tried:
        return tried
    if level is not Level.NONE:
        child_locks.restrict_zygote(level, table["files"], table["reads"])
    held.import_early(tried["loaded"])
    frozen_check.remember(held)
    return {}


def _load_installed(names: list[str]) -> dict[str, str]:
    """Imports installed modules, since no child can open a file; those that are not there are passed over.

    What is no module may be a name that its package imports when it is asked for: it is asked for.
    """
    failed: dict[str, str] = {}
    for name in names:
        package, _, last = name.rpartition(".")
        try:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name != name or package not in sys.modules:
                    raise
                getattr(sys.modules[package], last, None)
        except ModuleNotFoundError as error:
            if error.name != name and not name.startswith(f"{error.name}."):
                failed[name] = str(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a package may do anything; frozen code may do without
            failed[name] = f"{type(error).__name__}: {error}"[:300]
    return failed


def _try(held: frozen_loader.FrozenFinder, level: Level, control: int) -> dict[str, Any]:
    """Imports everything in a child with all locks on; what it says."""
    reader, writer = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            os.close(control)
            # Before the locks: a locked process sets no timer.
            signal.setitimer(signal.ITIMER_PROF, frozen_loader.IMPORT_SECONDS)
            signal.setitimer(signal.ITIMER_REAL, _CLOCK)
            child_locks.restrict(level, parent, _MEMORY, frozen_loader.IMPORT_SECONDS + _GRACE, _OUTPUT)
            _say(writer, _imported(held))
        finally:
            os._exit(0)
    os.close(writer)
    said = b""
    with contextlib.closing(os.fdopen(reader, "rb", buffering=0)) as stream:
        while select.select([stream], [], [], _CLOCK + _GRACE)[0]:
            part = stream.read(1 << 16)
            if not part:
                break
            said += part
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not said:
        how = f"ended the process (status {status})" if not os.WIFSIGNALED(status) else "was stopped"
        return {"place": held.paths[held.entries[0]], "message": f"its import {how}", "missing": ""}
    answer: dict[str, Any] = json.loads(said)
    return answer


def _imported(held: frozen_loader.FrozenFinder) -> dict[str, Any]:
    try:
        return {"loaded": held.import_all()}
    except BaseException as error:  # noqa: BLE001 - whatever the code raises, an exit too, is what is said of it
        return held.describe(error)


def _say(writer: int, answer: Mapping[str, Any]) -> None:
    rest = memoryview(json.dumps(answer).encode())
    while rest:
        rest = rest[os.write(writer, rest) :]

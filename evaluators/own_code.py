"""Parts of a user's own, by name: from a file, from an installed package, or handed over as an object.

A name in campaign.toml is looked up among evoarch's own parts, the objects handed to `evoarch.run_campaign`,
files ("my_ops.py:Widen", relative to the campaign's folder) and entry points of installed packages. What is
found is the user's own code: it is trusted, and runs in this process.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from evoarch.evaluators.errors import PartError

BUILT_IN = "evoarch"
GIVEN = "run_campaign"

NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True)
class Kind:
    """A kind of part: what messages call it, and the group of entry points that it may come from."""

    noun: str
    group: str

    @property
    def one(self) -> str:
        """With its article: "an operator"."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"


OPERATOR = Kind("operator", "evoarch.operators")
LANGUAGE_MODEL = Kind("language model backend", "evoarch.lms")
TASK = Kind("task", "evoarch.tasks")
METRIC = Kind("metric", "evoarch.metrics")
SELECTION = Kind("selection method", "evoarch.selection_methods")


@dataclass(frozen=True)
class Found:
    """A part as it was found: a class, or the object itself. `origin` names where, for messages and lists;
    `path` is the user's file, None where there is none.
    """

    name: str
    value: Any
    origin: str
    path: Path | None = None

    @property
    def own(self) -> bool:
        """Whether it is a user's, and not one of evoarch's."""
        return self.origin != BUILT_IN

    @property
    def place(self) -> str:
        """How a message names it: origin and name."""
        called = self.name.rpartition(":")[2] if self.path else self.name
        return f"{self.origin}: {called}"


def find(
    kind: Kind,
    name: str,
    built_in: Mapping[str, object],
    folder: Path | None = None,
    given: Mapping[str, object] = NOTHING,
) -> Found:
    """The part called `name`; the path in "FILE.py:NAME" is relative to `folder` (None: the current one).

    `built_in` are evoarch's parts of this kind and `given` the objects handed over, by name. Raises
    PartError where there is no such part, or two of one name.
    """
    if name in built_in:
        _refuse_taken(kind, name, given)
        return Found(name, built_in[name], BUILT_IN)
    if name in given:
        return Found(name, given[name], GIVEN)
    if (parts := file_and_name(name)) is not None:
        path = (folder or Path()) / parts[0]
        return Found(name, from_file(kind, path, parts[1]), str(path), path)
    if (entry := _entry(kind, name)) is not None:
        return Found(name, _loaded(kind, entry), _said_of(entry))
    known = [*built_in, *given, *(each.name for each in entry_points(group=kind.group))]
    shown = ", ".join(dict.fromkeys([*known, "FILE.py:NAME"]))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    raise PartError(
        f"{kind.noun}: expected one of {shown}, got {name!r}" + (f"; nearest is {near[0]!r}" if near else "")
    )


def made(found: Found, *arguments: object, **options: object) -> Any:
    """The part itself: a class is called with what it wants, any other object is taken as it is.

    Raises PartError for whatever the class raises.
    """
    if not isinstance(found.value, type):
        if options:
            raise PartError(f"{found.place}: options: expected a class to call with them, got an object")
        return found.value
    try:
        return found.value(*arguments, **options)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        raise PartError(f"{found.place}: {found.value.__name__}(): {said(error, found.path)}") from None


def installed(kind: Kind) -> dict[str, str]:
    """The parts of this kind that installed packages bring: name and origin."""
    return {each.name: _said_of(each) for each in entry_points(group=kind.group)}


def file_and_name(name: str) -> tuple[str, str] | None:
    """Path and name of "FILE.py:NAME"; None for a name of another form."""
    path, colon, wanted = name.rpartition(":")
    return (path, wanted) if colon and path.endswith(".py") else None


def moved(name: str, folder: Path, target: Path) -> str:
    """`name`, whose path is relative to `folder`, as the folder `target` has to say it."""
    parts = file_and_name(name)
    if parts is None or Path(parts[0]).is_absolute():
        return name
    return f"{os.path.relpath((folder / parts[0]).resolve(), target.resolve())}:{parts[1]}"


def from_file(kind: Kind, path: Path, wanted: str) -> object:
    """What the file at `path` calls `wanted`. Raises PartError, one line with file and line."""
    module = load_file(kind, path)
    value = getattr(module, wanted, None)
    if value is None:
        known = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__]
        near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.0)
        hint = f"nearest is {near[0]!r}" if near else "it defines no class"
        raise PartError(f"{path}: expected a class {wanted!r}, got none; {hint}")
    return value


def load_file(kind: Kind, path: Path) -> ModuleType:
    """The file as a module of its own, once for each text; it may import from its folder.

    Raises PartError for a file that is not there or does not load.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise PartError(f"{path}: expected the file of {kind.one}: {error.strerror}") from None
    key = hashlib.sha256(f"{path.resolve()}\n".encode() + text).hexdigest()[:16]
    name = f"evoarch_own_{path.stem}_{key}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        del sys.modules[name]
        raise PartError(f"{path}: {said(error, path)}") from None
    return module


def said(error: BaseException, path: Path | None) -> str:
    """An exception as one line: the last line of `path` that it passed, its type and its message."""
    own = path.resolve() if path else None
    passed = traceback.extract_tb(error.__traceback__)
    frames = [frame.lineno for frame in passed if own and Path(frame.filename).resolve() == own]
    line = getattr(error, "lineno", None) or (frames[-1] if frames else None)
    message = " ".join(str(error).split())
    return f"{f'line {line}: ' if line else ''}{type(error).__name__}: {message}"


def _refuse_taken(kind: Kind, name: str, given: Mapping[str, object]) -> None:
    expected = f"expected {kind.one} with a name of its own, got {name!r}, which is a built-in one's"
    if name in given:
        raise PartError(f"{GIVEN}: {expected}")
    for entry in entry_points(group=kind.group, name=name):
        raise PartError(f"{_said_of(entry)}: {expected}")


def _entry(kind: Kind, name: str) -> EntryPoint | None:
    # A package that is found twice on the path (an editable install) says the same twice.
    entries = list({each.value: each for each in entry_points(group=kind.group, name=name)}.values())
    if len(entries) > 1:
        both = " and ".join(_said_of(each) for each in entries)
        raise PartError(f"{kind.noun} {name!r}: expected one installed package that brings it, got {both}")
    return entries[0] if entries else None


def _loaded(kind: Kind, entry: EntryPoint) -> object:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        raise PartError(f"{_said_of(entry)}: {kind.noun} {entry.name!r}: {said(error, None)}") from None


def _said_of(entry: EntryPoint) -> str:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an installed package"
    return f"{package} ({entry.value})"

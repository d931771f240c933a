"""Frozen modules inside the walls: imported from memory under their own names.

In the zygote, modules with open definitions are placeholders, and so becomes whatever turns out to need
them; all others run once. A child runs the placeholders for itself, with the open definitions in their
place.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import re
import signal
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

IMPORT_SECONDS = 120
"""CPU seconds that all frozen modules together may take to be imported; five times that by the clock."""

_MOST_TEXT = 500
_listdir = os.listdir


class ImportStoppedError(BaseException):
    """The clock of an import ran out. No `except Exception` of a module holds it up."""


class NotYetError(BaseException):
    """A module asked a placeholder for something. No `except Exception` of a module swallows it."""


class FrozenFinder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads the modules of `table` (sandbox.frozen.FrozenModules.as_json)."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.paths: dict[str, str] = {n: m[0] for n, m in table["modules"].items()}
        self.sources: dict[str, bytes] = {n: m[1].encode("latin-1") for n, m in table["modules"].items()}
        self.opened: dict[str, str] = {}
        """In a child: the texts of those with changed definitions."""
        self.packages = {n for n, m in table["modules"].items() if m[2]}
        self.entries: list[str] = table["entries"]
        self.late = set(table["opened"])
        self.data: dict[str, bytes] = {p: d.encode("latin-1") for p, d in table["data"].items()}
        self.waiting = False
        """Whether late modules are only placeholders, as in a zygote."""
        self.placeholders: dict[str, types.ModuleType] = {}
        self.done: list[str] = []
        """Modules that were run, in the order in which they ended."""
        self.made: dict[str, types.ModuleType] = {}
        self.codes: dict[str, types.CodeType] = {}
        self.lines: dict[str, list[tuple[int, int]]] = {}
        """Of a file with open definitions in their place: pairs of its line and the genome's."""
        self.failed: dict[str, str] = {}
        """Installed modules that could not be loaded beforehand, and why."""

    def find_spec(
        self, fullname: str, path: object = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.paths:
            return None
        package = fullname in self.packages
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=self.paths[fullname], is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [os.path.dirname(self.paths[fullname])]
        return spec

    def get_source(self, fullname: str) -> str:
        return self.opened.get(fullname) or importlib.util.decode_source(self.sources[fullname])

    def get_code(self, fullname: str) -> types.CodeType:
        if fullname not in self.codes:
            source = self.opened.get(fullname) or self.sources[fullname]
            self.codes[fullname] = compile(source, self.paths[fullname], "exec", dont_inherit=True)
        return self.codes[fullname]

    def get_data(self, path: str) -> bytes:
        """A declared data file, as `pkgutil.get_data` and importlib.resources read it."""
        name = str(path).replace(os.sep, "/").lstrip("/")
        if name not in self.data:
            raise FileNotFoundError(f"{name} did not travel: --data {name}")
        return self.data[name]

    def get_resource_reader(self, fullname: str) -> _Resources:
        return _Resources(self, os.path.dirname(self.paths[fullname]))

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """A placeholder becomes the module: others may hold it already."""
        module = self.placeholders.pop(spec.name, None)
        if module is not None:
            module.__dict__.pop("__getattr__", None)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__name__
        if self.waiting and name in self.late:
            self.placeholders[name] = module
            module.__dict__["__getattr__"] = functools.partial(self._ask, name)
            return
        for full, child in list(sys.modules.items()):
            if full.rpartition(".")[0] == name and full in self.paths:
                setattr(module, full.rpartition(".")[2], child)
        self.made[name] = module
        if self.data:
            module.__dict__["__builtins__"] = {**vars(builtins), "open": self.open}
        try:
            builtins.exec(self.get_code(name), module.__dict__)
        except NotYetError:
            self.late.add(name)
            raise
        self.done.append(name)

    def _ask(self, name: str, attribute: str) -> object:
        """An attribute of a placeholder: what it takes from a module that has run is known."""
        below = f"{name}.{attribute}"
        if below in self.paths or (
            attribute.startswith("__") and attribute not in ("__all__", "__version__")
        ):
            raise AttributeError(attribute)
        package = name if name in self.packages else name.rpartition(".")[0]
        for node in ast.parse(self.get_source(name)).body:
            if isinstance(node, ast.ImportFrom) and any(
                (a.asname or a.name) == attribute for a in node.names
            ):
                origin = next(a.name for a in node.names if (a.asname or a.name) == attribute)
                path = "." * node.level + (node.module or "")
                source = importlib.import_module(path, package if node.level else None)
                return getattr(source, origin)
        raise NotYetError(below)

    def open(self, file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        """`open` as frozen modules see it: a declared data file comes from memory."""
        path = os.fspath(file) if isinstance(file, str | os.PathLike) else ""
        name = str(path).replace(os.sep, "/").lstrip("/")
        if name not in self.data or set(mode) & set("wax+"):
            return builtins.open(file, mode, *args, **more)
        raw = io.BytesIO(self.data[name])
        return raw if "b" in mode else io.TextIOWrapper(raw, encoding=more.get("encoding") or "utf-8")

    def listdir(self, path: Any = ".") -> list[Any]:
        """`os.listdir`: a folder of frozen files holds what travels, for packages that import all of it."""
        folder = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
        start = f"{str(folder).strip('/')}/"
        found = {p[len(start) :].partition("/")[0] for p in self.paths.values() if p.startswith(start)}
        return sorted(found) if found else _listdir(path)

    def place(self, error: BaseException) -> str:
        """`file:line` of the frozen code that an error came through last, "" where it came through none."""
        found, known = "", set(self.paths.values())
        if isinstance(error, SyntaxError) and error.filename in known:
            return f"{error.filename}:{error.lineno}"
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename in known:
                found = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
            trace = trace.tb_next
        return found

    def genome_line(self, file: str, line: int) -> int:
        """The line of the genome that stands at a line of a frozen file, 0 for frozen code."""
        return next((own for at, own in self.lines.get(file, ()) if at == line), 0)

    def is_open(self, place: str) -> bool:
        """Whether a `file:line` is the genome's."""
        file, _, line = place.rpartition(":")
        return self.genome_line(file, int(line)) > 0

    def describe(self, error: BaseException) -> dict[str, str]:
        """Why an import failed: place, message and the module that was missing."""
        missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if isinstance(error, AttributeError):
            # A package may make names of its folder's files: one of them did not travel.
            package = getattr(error.obj, "__name__", "")
            missing = f"{package}.{error.name}" if package in self.packages else ""
        root = missing.partition(".")[0]
        why = next((f"; {m}: {w}" for m, w in self.failed.items() if m.partition(".")[0] == root), "")
        if deeper := re.search(r"No module named '([\w.]+)'", why):
            missing = deeper[1]  # an installed package's own import, which its metadata doesn't tell
        if isinstance(error, ImportStoppedError):
            text = f"its import did not end within {IMPORT_SECONDS} s"
        elif isinstance(error, PermissionError):
            text = f"code at import wants a file, the network or a process, which is closed: {error}"
        else:
            text = f"{type(error).__name__}: {str(error).strip() or 'no message'}"
        return {"place": self.place(error), "message": (text + why)[:_MOST_TEXT], "missing": missing}

    def import_all(self) -> list[str]:
        """Imports the entries as a child does; the frozen modules that ran, in the order in which they ended.

        SIGPROF and SIGALRM, where they are due, stop an import that hangs.
        """

        def stop(number: int, frame: object) -> None:
            raise ImportStoppedError

        signal.signal(signal.SIGALRM, stop)
        signal.signal(signal.SIGPROF, stop)
        for name in self.entries:
            importlib.import_module(name)
        return self.done

    def import_early(self, names: Sequence[str]) -> None:
        """Runs those that depend on nothing open; what fails here is left to each child."""
        self.waiting = True
        for name in names:
            known = -1
            while len(self.late) > known and name not in self.late:
                known = len(self.late)
                # Whatever it needs that is a placeholder: a child has it.
                with contextlib.suppress(Exception, NotYetError):
                    importlib.import_module(name)
        for name in self.placeholders:
            sys.modules.pop(name, None)
        self.made = {name: module for name, module in self.made.items() if sys.modules.get(name) is module}
        self.waiting = False

    def replace(self, modules: Mapping[str, str], lines: Mapping[str, Sequence[Sequence[int]]]) -> None:
        """In a child: runs what was a placeholder. `modules`: the texts of those with changed definitions;
        `lines`: by file, the genome's lines in them.
        """
        for name, text in modules.items():
            self.opened[name] = text
            self.codes.pop(name, None)
        self.lines = {file: [(at, own) for at, own in pairs] for file, pairs in lines.items()}
        # Modules that ran early may hold them as they are.
        while self.placeholders:
            importlib.import_module(next(iter(self.placeholders)))


class _Resources(importlib.abc.TraversableResources):
    """importlib.resources over the declared data files below a folder."""

    def __init__(self, finder: FrozenFinder, folder: str) -> None:
        self.finder, self.folder = finder, folder

    def files(self) -> Any:
        return _Resource(self.finder, self.folder)


class _Resource(importlib.abc.Traversable):
    def __init__(self, finder: FrozenFinder, path: str) -> None:
        self.finder, self.path = finder, path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def iterdir(self) -> Iterator[Any]:
        below = {p[len(self.path) + 1 :].partition("/")[0] for p in self.finder.data if self._holds(p)}
        return iter([self.joinpath(name) for name in sorted(below)])

    def _holds(self, path: str) -> bool:
        return path.startswith(f"{self.path}/")

    def is_file(self) -> bool:
        return self.path in self.finder.data

    def is_dir(self) -> bool:
        return any(self._holds(path) for path in self.finder.data)

    def joinpath(self, *parts: Any) -> Any:
        return _Resource(self.finder, "/".join([self.path, *map(str, parts)]))

    __truediv__ = joinpath

    def open(self, mode: str = "r", *args: Any, **more: Any) -> Any:
        raw = io.BytesIO(self.finder.get_data(self.path))
        return raw if "b" in mode else io.TextIOWrapper(raw, encoding="utf-8")

    def read_bytes(self) -> bytes:
        return self.finder.get_data(self.path)

    def read_text(self, encoding: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8")


finder: FrozenFinder | None = None
"""This process's, None where no code of a user is held."""


def install(table: Mapping[str, Any]) -> FrozenFinder:
    """Makes the modules importable and compiles them; runs none."""
    global finder
    finder = FrozenFinder(table)
    for name in finder.paths:
        try:
            finder.get_code(name)
        except (SyntaxError, ValueError):
            continue  # said where it is imported, if it is
    sys.meta_path.insert(0, finder)
    os.listdir = finder.listdir
    return finder

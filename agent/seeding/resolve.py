"""Which file an import means: the repository around a model file, and the modules in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from evoarch.agent.seeding.units import Imported, SeedError, Source, read_source, string_list

MARKERS = (".git", "pyproject.toml", "setup.py", "setup.cfg")

MOST_NAMED = 12
"""Known names that a message lists where none is near."""


@dataclass(frozen=True)
class External:
    """A name from outside the repository. `name` is "" where the module `module` itself is bound."""

    module: str
    name: str
    bound: str
    aliased: bool
    place: str
    line: int

    @property
    def path(self) -> str:
        """The dotted path of what the bound name means."""
        if self.name:
            return f"{self.module}.{self.name}"
        return self.module if self.aliased else self.module.partition(".")[0]


@dataclass(frozen=True)
class SourceDefinition:
    """A name that a file of the repository defines."""

    source: Source
    name: str

    def __hash__(self) -> int:
        return hash((self.source.path, self.name))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SourceDefinition) and (self.source.path, self.name) == (
            other.source.path,
            other.name,
        )


@dataclass(frozen=True)
class Folder:
    """A local module as an object: a file, a package (its `__init__.py`) or a plain folder."""

    path: Path
    source: Source | None


Target = External | SourceDefinition | Folder


@dataclass
class Repository:
    """The files that imports may lead to. `root` bounds them; `roots` are where absolute imports begin."""

    root: Path
    roots: tuple[Path, ...]
    own: str
    """The top-level package of the model file where nothing else marks a repository, else ""."""
    _sources: dict[Path, Source] = field(default_factory=dict)
    _trail: list[tuple[Source, int]] = field(default_factory=list)

    @classmethod
    def around(cls, path: Path) -> Repository:
        """The repository of a model file: the nearest folder above with a marker, else its top package's."""
        path = path.resolve()
        top = path.parent
        while (top / "__init__.py").is_file() and top.parent != top:
            top = top.parent
        for folder in (path.parent, *path.parent.parents):
            if folder.name in ("site-packages", "dist-packages"):
                break  # what is installed beside a package is not part of its repository
            if any((folder / marker).exists() for marker in MARKERS):
                roots = dict.fromkeys([folder, folder / "src", top])
                return cls(folder, tuple(r for r in roots if r.is_dir()), "")
        own = path.relative_to(top).parts[0] if top != path.parent else ""
        return cls(top, (top,), own)

    def source(self, path: Path) -> Source:
        """The file at `path`, read once."""
        if path not in self._sources:
            self._sources[path] = read_source(path, self.place(path))
        return self._sources[path]

    def place(self, path: Path) -> str:
        """A file as it is named in messages and patches: relative to the root, with slashes."""
        return path.relative_to(self.root).as_posix()

    @property
    def read(self) -> list[Source]:
        """All files that were read so far."""
        return list(self._sources.values())

    def lookup(self, source: Source, name: str) -> Target | None:
        """What a global name of a file means; None for a builtin, a name for annotations alone, or a mistake.

        Raises SeedError where an import that it leads through does not hold.
        """
        for unit in reversed(source.binding(name)):
            if unit.kind == "typing":
                return None
            found = next((i for i in reversed(unit.imports) if i.bound == name), None)
            return self.imported(source, found) if found else SourceDefinition(source, name)
        for unit in reversed(source.units):
            for star in unit.stars:
                module = self._star(source, star)
                if name in self.public(module):
                    with _Step(self, source, star.line, module):
                        return self.lookup(module, name)
        return None

    def public(self, source: Source) -> set[str]:
        """The names that a star import of a file binds."""
        for unit in source.binding("__all__"):
            listed = string_list(unit)
            if listed is not None:
                return set(listed)
        names = {name for unit in source.units if unit.kind != "typing" for name in unit.names}
        for unit in source.units:
            for star in unit.stars:
                module = self._star(source, star)
                with _Step(self, source, star.line, module):
                    names |= self.public(module)
        return {name for name in names if not name.startswith("_")}

    def check_stars(self, source: Source) -> None:
        """Raises SeedError for a star import of anything but a file of the repository."""
        for unit in source.units:
            for star in unit.stars:
                self._star(source, star)

    def _star(self, source: Source, star: Imported) -> Source:
        module = self.module(source, star)
        if isinstance(module, Folder) and module.source is not None:
            return module.source
        raise SeedError(
            source.place,
            star.line,
            f"a star import from a third party ({star.module}); import the names that are used",
        )

    def imported(self, source: Source, statement: Imported) -> Target | None:
        """What the name that an import binds means. Raises SeedError where it can't be resolved."""
        module = self.module(source, statement)
        if module is None:
            return External(
                statement.module,
                statement.name,
                statement.bound,
                statement.aliased,
                source.place,
                statement.line,
            )
        if not statement.name:
            if statement.aliased or "." not in statement.module:
                return module
            return self.module(
                source, Imported(statement.bound, 0, "", statement.bound, False, statement.line)
            )
        return self.attribute(source, statement.line, module, statement.name)

    def attribute(self, source: Source, line: int, module: Folder, name: str) -> Target | None:
        """`name` of a local module: what it binds, or a module below it. Raises SeedError for neither."""
        # A package's own `from . import part` means the file beside it, not the name that it binds.
        if module.source is not None and module.source is not source:
            inside = module.source
            with _Step(self, source, line, inside):
                if inside.binding(name):
                    return self.lookup(inside, name)
                found = self.lookup(inside, name)
            if found is not None:
                return found
        below = self._file(module.path / name) if module.path.is_dir() else None
        if below is not None:
            return below
        known = [n for unit in (module.source.units if module.source else ()) for n in unit.names]
        known += [p.stem for p in module.path.glob("*.py")] if module.path.is_dir() else []
        where = self.place(module.path)
        hint = near(name, set(known) - {"__init__"})
        raise SeedError(source.place, line, f"import can't be resolved: {where} has no {name}{hint}")

    def module(self, source: Source, statement: Imported) -> Folder | None:
        """The local module that an import names; None for one from outside the repository."""
        if statement.level:
            base = source.path.parent
            for _ in range(statement.level - 1):
                base = base.parent
            if not base.is_relative_to(self.root):
                dots = "." * statement.level
                raise SeedError(
                    source.place,
                    statement.line,
                    f"a relative import that leaves the repository: {dots}{statement.module} "
                    f"from {self.root}",
                )
            found = (
                self._file(base.joinpath(*statement.module.split(".")))
                if statement.module
                else Folder(base, self._init(base))
            )
            if found is None:
                raise self._unresolved(source, statement, base)
            return found
        first, *rest = statement.module.split(".")
        if self.own and first != self.own:
            return None
        for root in self.roots:
            begin = self._file(root / first)
            if begin is None or (begin.source is None and not rest and not statement.name):
                continue
            found = self._file(root.joinpath(first, *rest))
            if found is not None:
                return found
            if begin.source is not None:
                raise self._unresolved(source, statement, root)
        return None

    def _unresolved(self, source: Source, statement: Imported, base: Path) -> SeedError:
        folder = base.joinpath(*statement.module.split(".")[:-1])
        known = [p.stem for p in folder.glob("*.py") if p.stem != "__init__"] if folder.is_dir() else []
        hint = near(statement.module.split(".")[-1], known)
        written = "." * statement.level + statement.module
        return SeedError(
            source.place, statement.line, f"import can't be resolved: there is no module {written}{hint}"
        )

    def _file(self, path: Path) -> Folder | None:
        file = path.with_name(path.name + ".py")
        if file.is_file():
            return Folder(file, self.source(file))
        if path.is_dir() and (self._init(path) or any(path.glob("*.py"))):
            return Folder(path, self._init(path))
        return None

    def _init(self, folder: Path) -> Source | None:
        file = folder / "__init__.py"
        return self.source(file) if file.is_file() else None


def near(word: str, known: Iterable[str]) -> str:
    """The end of a message that helps with a name that isn't there, "" where nothing would help."""
    words = sorted(set(known))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"; nearest known: {close[0]}"
    return f"; known: {', '.join(words)}" if 0 < len(words) <= MOST_NAMED else ""


class _Step:
    """Following an import from one file into another; coming back to a file on the way is a cycle."""

    def __init__(self, repository: Repository, source: Source, line: int, target: Source) -> None:
        self.trail, self.source, self.line, self.target = repository._trail, source, line, target

    def __enter__(self) -> None:
        if any(source is self.target for source, _ in self.trail):
            names = " -> ".join([*(s.place for s, _ in self.trail), self.source.place, self.target.place])
            raise SeedError(self.source.place, self.line, f"a cycle of imports: {names}")
        self.trail.append((self.source, self.line))

    def __exit__(self, *_: object) -> None:
        self.trail.pop()

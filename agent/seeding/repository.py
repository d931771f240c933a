"""The modules of a user's repository: which file an import means, and all that an entry's file imports."""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.texts import FileText

MARKERS = (".git", "pyproject.toml", "setup.py", "setup.cfg")

MOST_NAMED = 12
"""Known names that a message lists where none is near."""

MOST_MODULES = 2_000
"""Files that travel for one seed."""

_OURS = frozenset(["torch", "numpy", "einops", "evoarch", "genome"])


class SeedError(UserError):
    """What keeps a model file from becoming a seed: one line with file and line."""

    def __init__(self, place: str, line: int, message: str) -> None:
        super().__init__(f"{place}:{line}: {message}", code=1)


@dataclass(frozen=True)
class Import:
    """One name that an import statement brings. `name` is "" where the module itself is bound, `*` for all of
    its names. `top`: it runs when its file is imported; `sure`: whatever else happens.
    """

    module: str
    name: str
    bound: str
    line: int
    top: bool
    sure: bool


@dataclass(frozen=True)
class Facts:
    """What a file imports and binds at its top level. `dynamic`: it may have more names."""

    imports: tuple[Import, ...]
    names: frozenset[str]
    dynamic: bool


@dataclass(frozen=True)
class SourceFile:
    """One file as a module. `place` is its path from the repository's root, with slashes."""

    name: str
    place: str
    package: bool
    content: FileText = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        """Raises SeedError for text that is no Python."""
        try:
            return ast.parse(self.content.data)
        except SyntaxError as error:
            raise SeedError(self.place, error.lineno or 1, error.msg or "invalid syntax") from None
        except ValueError as error:
            raise SeedError(self.place, 1, str(error)) from None

    @property
    def facts(self) -> Facts:
        """What its imports are about. Raises SeedError for text that is no Python."""
        try:
            return _facts(self.content.data, self.name if self.package else self.name.rpartition(".")[0])
        except (SyntaxError, ValueError):
            _ = self.tree
            raise

    @property
    def imports(self) -> tuple[Import, ...]:
        """What it imports, in the order of the text; relative ones as absolute names."""
        return self.facts.imports

    @property
    def names(self) -> frozenset[str]:
        """What its top level binds; `*` for a star import."""
        return self.facts.names

    @property
    def future(self) -> bool:
        """Whether it imports annotations from __future__."""
        return any(i.module == "__future__" and i.name == "annotations" for i in self.imports)


@lru_cache(maxsize=4096)
def _facts(data: bytes, package: str) -> Facts:
    """Of a file's bytes. The tree is let go: those of a whole repository take much memory."""
    tree = ast.parse(data)
    names = frozenset(_bound(tree.body))
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    dynamic = bool(names & {"__getattr__", "*"} or calls & {"globals", "locals", "vars", "setattr", "exec"})
    return Facts(tuple(_imports(tree, package)), names, dynamic)


@dataclass
class Repository:
    """The files that imports may lead to. `root` bounds them; `roots` are where absolute imports begin."""

    root: Path
    roots: tuple[Path, ...]
    own: str
    """The top-level package of the model file where nothing else marks a repository, else ""."""
    _files: dict[str, SourceFile | None] = field(default_factory=dict)

    @classmethod
    def around(cls, path: Path) -> Repository:
        """The repository of a model file: the nearest folder above with a marker, else its top package's."""
        top = path.parent
        while (top / "__init__.py").is_file() and top.parent != top:
            top = top.parent
        for folder in (path.parent, *path.parent.parents):
            if folder.name in ("site-packages", "dist-packages"):
                break  # what is installed beside a package is not part of its repository
            if any((folder / marker).exists() for marker in MARKERS):
                first = [top] if top != path.parent else []
                roots = dict.fromkeys([*first, folder, folder / "src", top])
                return cls(folder, tuple(r for r in roots if r.is_dir()), "")
        own = path.relative_to(top).parts[0] if top != path.parent else ""
        return cls(top, (top,), own)

    def name_of(self, path: Path) -> str:
        """A file's module name, as the rest of the repository imports it."""
        for root in self.roots:
            if path.is_relative_to(root):
                parts = [*path.relative_to(root).parts[:-1], path.stem]
                parts = parts[:-1] if path.stem == "__init__" else parts
                if parts and all(part.isidentifier() for part in parts):
                    return ".".join(parts)
        return re.sub(r"\W", "_", path.stem)

    def place(self, path: Path) -> str:
        """A file as it is named in messages and patches: relative to the root, with slashes."""
        return path.relative_to(self.root).as_posix()

    def entry(self, path: Path) -> SourceFile:
        """The module of a model file. Raises SeedError."""
        name = self.name_of(path)
        found = SourceFile(name, self.place(path), path.stem == "__init__", self._read(path))
        self._files.setdefault(name, found)
        _ = found.tree
        return found

    def find(self, name: str) -> SourceFile | None:
        """The module of that name; a folder without `__init__.py` is an empty package. None: not of here.

        Raises SeedError for two files of one name.
        """
        if name not in self._files:
            self._files[name] = self._look(name)
        return self._files[name]

    def is_own(self, name: str) -> bool:
        """Whether a module's top package is one of the repository's."""
        first = name.partition(".")[0]
        if self.own:
            return first == self.own
        return self.find(first) is not None

    def _look(self, name: str) -> SourceFile | None:
        if not name or (self.own and name.partition(".")[0] != self.own):
            return None
        found: list[SourceFile] = []
        for root in self.roots:
            base = root.joinpath(*name.split("."))
            init, file = base / "__init__.py", base.with_name(f"{base.name}.py")
            if init.is_file():
                found.append(SourceFile(name, self.place(init), True, self._read(init)))
            elif file.is_file():
                found.append(SourceFile(name, self.place(file), False, self._read(file)))
        places = dict.fromkeys(f.place for f in found)
        if len(places) > 1:
            raise SeedError([*places][1], 1, f"two modules of one name: {name} is {' and '.join(places)}")
        if found:
            return found[0]
        for root in self.roots:
            folder = root.joinpath(*name.split("."))
            if folder.is_dir() and any(folder.glob("*.py")):
                return SourceFile(name, self.place(folder), True, FileText(b""))
        return None

    def _read(self, path: Path) -> FileText:
        try:
            return FileText(path.read_bytes())
        except OSError as error:
            raise SeedError(self.place(path), 1, f"can't be read: {error.strerror}") from None


@dataclass
class Reach:
    """All that an entry's file imports, directly or not. `installed`: modules from outside, with the place
    that imports them first and whether it is sure to; `sure`: modules that an import of the entry runs
    for certain; `problems`: imports that are sure to fail, a line each.
    """

    entry: SourceFile
    modules: dict[str, SourceFile] = field(default_factory=dict)
    installed: dict[str, tuple[str, int, bool]] = field(default_factory=dict)
    sure: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def reach(repository: Repository, entry: SourceFile, more: Iterable[str] = ()) -> Reach:
    """Follows every import. `more`: modules of the repository that are imported by name while it runs.

    What is sure to fail is among the `problems`. Raises SeedError.
    """
    found = Reach(entry)
    waiting = [(entry.name, True), *((name, False) for name in more)]
    while waiting:
        name, sure = waiting.pop()
        parents = [name[: at.start()] for at in re.finditer(r"\.", name)]
        for each in (*parents, name):
            known = each in found.modules
            if known and (each in found.sure or not sure):
                continue
            module = repository.find(each)
            if module is None:
                continue
            _check_name(module)
            found.modules[each] = module
            if sure:
                found.sure.add(each)
            if len(found.modules) > MOST_MODULES:
                raise SeedError(entry.place, 1, f"imports more than {MOST_MODULES} files of its repository")
            waiting += _follow(repository, module, found, sure)
    return found


def _check_name(module: SourceFile) -> None:
    top = module.name.partition(".")[0]
    if top in _OURS or top in sys.stdlib_module_names:
        raise SeedError(
            module.place, 1, f"a module of the name {top}, which Python or torch has; rename the file"
        )


def _follow(
    repository: Repository, module: SourceFile, found: Reach, sure: bool
) -> Iterator[tuple[str, bool]]:
    try:
        imports = module.imports
    except SeedError:
        if sure:
            raise
        return
    for each in imports:
        if each.module == "__future__":
            continue
        certain = sure and each.sure
        if each.module.startswith("."):
            if certain:
                text = f"a relative import that leaves the repository: {each.module}"
                found.problems.append(f"{module.place}:{each.line}: {text}")
            continue
        target = repository.find(each.module)
        if target is None:
            if repository.is_own(each.module) and _is_compiled(repository, each.module):
                if certain:
                    text = f"{each.module} is compiled in C, and only Python files travel"
                    found.problems.append(f"{module.place}:{each.line}: {text}")
            elif repository.is_own(each.module):
                if certain:
                    found.problems.append(_unresolved(repository, module, each))
            else:
                dotted = [
                    each.module,
                    *([f"{each.module}.{each.name}"] if each.name not in ("", "*") else []),
                ]
                for name in dotted:
                    place = (module.place, each.line, certain)
                    if name not in found.installed or (certain and not found.installed[name][2]):
                        found.installed[name] = place
            continue
        yield each.module, certain
        below = f"{each.module}.{each.name}" if each.name not in ("", "*") else ""
        part = repository.find(below) if below and target.package else None
        if part is not None:
            yield below, certain
        elif certain and below and each.name not in target.names and not target.facts.dynamic:
            hint = near(each.name, {n for n in target.names if not n.startswith("__")})
            text = f"import can't be resolved: {target.place} has no {each.name}{hint}"
            found.problems.append(f"{module.place}:{each.line}: {text}")


def _is_compiled(repository: Repository, name: str) -> bool:
    stem = name.split(".")
    folders = [root.joinpath(*stem[:-1]) for root in repository.roots]
    return any(
        path.suffix in (".so", ".pyd", ".pyx", ".c", ".cpp", ".cu")
        and path.name.partition(".")[0] == stem[-1]
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
    )


def _unresolved(repository: Repository, module: SourceFile, each: Import) -> str:
    parent, _, last = each.module.rpartition(".")
    folders = [root.joinpath(*parent.split(".")) if parent else root for root in repository.roots]
    known = [
        p.stem for folder in folders if folder.is_dir() for p in folder.glob("*.py") if p.stem != "__init__"
    ]
    hint = near(last, known)
    return f"{module.place}:{each.line}: import can't be resolved: there is no module {each.module}{hint}"


def near(word: str, known: Iterable[str]) -> str:
    """The end of a message that helps with a name that isn't there, "" where nothing would help."""
    words = sorted(set(known))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"; nearest known: {close[0]}"
    return f"; known: {', '.join(words)}" if 0 < len(words) <= MOST_NAMED else ""


_PARTS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where a statement holds others."""


def _imports(tree: ast.Module, package: str) -> Iterator[Import]:
    def walk(body: Sequence[ast.AST], top: bool, sure: bool) -> Iterator[Import]:
        for node in body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    yield Import(alias.name, "", bound, node.lineno, top, sure)
            elif isinstance(node, ast.ImportFrom):
                module = _absolute(node, package)
                for alias in node.names:
                    yield Import(module, alias.name, alias.asname or alias.name, node.lineno, top, sure)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from walk(node.body, False, False)
            elif isinstance(node, ast.ClassDef):
                yield from walk(node.body, top, sure)
            elif isinstance(node, ast.If) and _for_types(node.test):
                yield from walk(node.orelse, top, sure)
            else:
                for part in _PARTS:
                    yield from walk(getattr(node, part, ()), top, False)

    yield from walk(tree.body, True, True)


def _for_types(test: ast.expr) -> bool:
    """Whether an `if` is only for type checkers."""
    return ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING"


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of what is imported from; as written where it leaves the top package."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    if node.level > len(parts):
        return "." * node.level + (node.module or "")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Names that statements bind outside any function and class; `*` for a star import."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or (
                    alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0]
                )
            continue
        for child in ast.walk(node):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                yield child.id
            elif isinstance(child, ast.ExceptHandler) and child.name:
                yield child.name
        for part in ("body", "orelse", "finalbody"):
            yield from _bound(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from _bound(handler.body)

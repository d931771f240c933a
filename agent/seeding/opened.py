"""The open part of a seed: which definitions may change, and the genome's text that holds them alone."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evoarch.agent.seeding.frozen import MARKER, stub
from evoarch.agent.seeding.names import renamed
from evoarch.agent.seeding.repository import Import, Repository, SeedError, SourceFile, near
from evoarch.agent.seeding.texts import without_end
from evoarch.agent.seeding.units import reads, units_of
from evoarch.sandbox.parsing import GenomeError
from evoarch.sandbox.rules.text import MAX_BYTES, MAX_LINES

_BUILTINS = frozenset(dir(builtins))
_HOPS = 8
"""Imports that are followed to where a name is defined."""

_ROOM = (MAX_LINES * 3 // 4, MAX_BYTES * 3 // 4)
"""Lines and bytes of open code that is taken without being named; the rest stays frozen."""


@dataclass(frozen=True)
class OpenDefinition:
    """One class or function that may change. `name` is the genome's, `original` the file's. Lines count
    from 1 and are inclusive, decorators included.
    """

    name: str
    original: str
    module: str
    file: str
    line: int
    start: int
    end: int


@dataclass(frozen=True)
class OpenPart:
    """What a genome holds. `header`: import lines that tell what names mean; never run. `spelled`: by file,
    what the genome's names are called there where they differ. `signatures`: of frozen definitions that open
    code names, by name.
    """

    definitions: tuple[OpenDefinition, ...]
    texts: tuple[str, ...]
    header: tuple[str, ...]
    spelled: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    signatures: Mapping[str, str] = field(default_factory=dict)

    def genome(
        self, digest: str, adapter: str, program: Sequence[str]
    ) -> tuple[str, list[tuple[int, str, int]]]:
        """The text, and for each open definition its first line, its file and the file's line. `program`:
        what the adapter imports.
        """
        own = {each.name for each in self.definitions}
        called = [line for line in program if adapter and line.rpartition(" ")[2] not in own]
        lines = [*dict.fromkeys([*self.header, *called]), "", "", f"{MARKER} = {digest!r}"]
        places = []
        for definition, text in zip(self.definitions, self.texts, strict=True):
            lines += ["", ""]
            places.append((len(lines) + 1, definition.file, definition.start))
            lines += text.rstrip("\n").split("\n")
        if adapter:
            lines += ["", "", *adapter.rstrip("\n").split("\n")]
        return "\n".join(lines) + "\n", places


def find_entry(repository: Repository, source: SourceFile, entry: str) -> tuple[SourceFile, str]:
    """Where the one class, function or other callable called `entry` stands. Raises SeedError."""
    defined = [n for n in source.tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    named = [n for n in defined if n.name == entry]
    if len(named) > 1:
        lines = " and ".join(str(n.lineno) for n in named)
        raise SeedError(source.place, named[1].lineno, f"two entries of one name: {entry} at lines {lines}")
    if named:
        return source, entry
    if found := definition_of(repository, source, entry):
        return found[0], found[1].name
    if entry in source.names:
        return source, entry
    known = [n.name for n in defined]
    hint = near(entry, known) if known else "; it defines no class and no function"
    raise SeedError(source.place, 1, f"there is no entry {entry}{hint}")


def definition_of(
    repository: Repository, source: SourceFile, name: str, hops: int = _HOPS
) -> tuple[SourceFile, ast.ClassDef | ast.FunctionDef] | None:
    """The class or function that a name of a file means, in this file or where it is imported from."""
    for node in reversed(source.tree.body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return source, node
    for one in reversed(source.imports):
        if one.top and one.name and (one.bound == name or one.name == "*") and hops:
            module = repository.find(one.module)
            if module is None or module is source:
                continue
            try:
                found = definition_of(repository, module, name if one.name == "*" else one.name, hops - 1)
            except SeedError:
                continue
            if found:
                return found
    return None


def choose(
    repository: Repository,
    reached: Sequence[SourceFile],
    entry: tuple[SourceFile, str],
    evolve: Sequence[str],
) -> list[tuple[SourceFile, ast.ClassDef | ast.FunctionDef]]:
    """The definitions to open, file by file in the order of their texts. Raises SeedError."""
    if not evolve:
        return _used(repository, *entry)
    found: dict[tuple[str, str], tuple[SourceFile, ast.ClassDef | ast.FunctionDef]] = {}
    for name in evolve:
        source, node = _named(repository, reached, entry, name)
        found[source.place, node.name] = (source, node)
    order = list(dict.fromkeys(source.place for source, _ in found.values()))
    return sorted(found.values(), key=lambda f: (order.index(f[0].place), f[1].lineno))


def openable(source: SourceFile) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    """Definitions of the top level that are alone on their lines, by name; the last of a name counts."""
    body = source.tree.body
    found: dict[str, ast.ClassDef | ast.FunctionDef] = {}
    for number, node in enumerate(body):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        before = body[number - 1].end_lineno or 0 if number else 0
        after = _start(body[number + 1]) if number + 1 < len(body) else (node.end_lineno or 0) + 1
        if before < _start(node) and after > (node.end_lineno or 0):
            found[node.name] = node
    return found


def _start(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _used(
    repository: Repository, source: SourceFile, entry: str
) -> list[tuple[SourceFile, ast.ClassDef | ast.FunctionDef]]:
    """What the entry uses of its own file, nearest first until there is room for no more; of other files
    where its own has nothing that fits.
    """
    known = openable(source)
    others = {
        n: s for s in source.tree.body if not isinstance(s, ast.ClassDef | ast.FunctionDef) for n in _binds(s)
    }
    room = _Room()
    names = [entry]
    taken = []
    for name in names:  # which grows
        node = known.get(name) or others.get(name)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and room.take(_text(source, node)):
            taken.append((source, node))
        read = sorted(n.id for n in ast.walk(node) if isinstance(n, ast.Name)) if node else []
        names += [n for n in dict.fromkeys(read) if n not in names]
    if not taken:
        far = [found for name in names if (found := definition_of(repository, source, name))]
        taken = [(home, node) for home, node in far if home is not source and room.take(_text(home, node))]
    if not taken:
        line = next((n.lineno for n in source.tree.body if entry in _binds(n)), 1)
        text = f"{entry} uses no class or function of its repository that fits a genome; name one: --evolve"
        raise SeedError(source.place, line, text)
    order = list(dict.fromkeys(home.place for home, _ in taken))
    return sorted(taken, key=lambda found: (order.index(found[0].place), found[1].lineno))


class _Room:
    """What a genome without named parts may still take."""

    def __init__(self) -> None:
        self.lines, self.size = _ROOM

    def take(self, text: str) -> bool:
        """Whether there is room for a text; then it is taken."""
        lines, size = text.count("\n"), len(text.encode())
        if lines > self.lines or size > self.size:
            return False
        self.lines, self.size = self.lines - lines, self.size - size
        return True


def _binds(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return {statement.name}
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _named(
    repository: Repository, reached: Sequence[SourceFile], entry: tuple[SourceFile, str], name: str
) -> tuple[SourceFile, ast.ClassDef | ast.FunctionDef]:
    """The definition that `--evolve NAME`, or `FILE:NAME`, means."""
    file, _, rest = name.rpartition(":")
    head, _, member = rest.partition(".")
    near_by = [s for s in reached if s.place.endswith(file) and head in s.names and head in openable(s)]
    near_by.sort(key=lambda source: source.place)
    meant = definition_of(repository, entry[0], head) if not file else None
    if meant and meant[0] in near_by:
        near_by = [meant[0]]  # what the entry's own file calls so
    line = next((n.lineno for n in entry[0].tree.body if entry[1] in _binds(n)), 1)
    if len(near_by) > 1:
        names = " or ".join(f"{s.place}:{head}" for s in near_by[:5])
        raise SeedError(
            near_by[1].place,
            openable(near_by[1])[head].lineno,
            f"--evolve {name} names more than one; say {names}",
        )
    if not near_by:
        known = [n for s in reached for n in s.names if not n.startswith("__")]
        text = f"--evolve {name}: the entry uses no class or function of that name{near(head, known)}"
        raise SeedError(entry[0].place, line, text)
    source = near_by[0]
    node = openable(source)[head]
    methods = (
        {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
        if isinstance(node, ast.ClassDef)
        else set()
    )
    if member and member in methods:
        raise SeedError(
            source.place, node.lineno, f"--evolve {name}: expected a class or function; open {head}"
        )
    if member or (isinstance(node, ast.ClassDef) and not methods):
        bases = [ast.unparse(base) for base in getattr(node, "bases", [])]
        owner = next((f for b in bases if (f := definition_of(repository, source, b))), None)
        where = (
            f"{owner[1].name} ({owner[0].place}:{owner[1].lineno})"
            if owner
            else ", ".join(bases) or "nothing"
        )
        raise SeedError(
            source.place,
            node.lineno,
            f"--evolve {name} is frozen by inheritance: {head} has no {member or 'method'} of its own, "
            f"it comes from {where}",
        )
    return source, node


def _text(source: SourceFile, node: ast.ClassDef | ast.FunctionDef) -> str:
    """A definition as its file has it, with plain line ends."""
    lines = source.content.lines[_start(node) - 1 : node.end_lineno]
    return "".join(without_end(line).replace("\f", "") + "\n" for line in lines)


def open_part(
    repository: Repository,
    chosen: Sequence[tuple[SourceFile, ast.ClassDef | ast.FunctionDef]],
    reserved: Sequence[str] = (),
) -> OpenPart:
    """The genome's open part. `reserved`: names that it leaves free. Raises SeedError."""
    names = _Names(repository, reserved)
    finals = [names.own(source, node.name) for source, node in chosen]
    raw = [_text(source, node) for source, node in chosen]
    for (source, _), text in zip(chosen, raw, strict=True):
        names.bind(source, text)
    definitions, texts = [], []
    for (source, node), final, text in zip(chosen, finals, raw, strict=True):
        try:
            texts.append(renamed(text, names.genome[source.place]))
        except GenomeError as error:
            raise SeedError(source.place, _start(node) + error.line - 1, error.message) from None
        definitions.append(
            OpenDefinition(
                final, node.name, source.name, source.place, node.lineno, _start(node), node.end_lineno or 0
            )
        )
    future = any(source.future for source, _ in chosen)
    header = (*(["from __future__ import annotations"] if future else []), *names.lines())
    spelled = {
        place: {new: old for old, new in known.items() if new != old} for place, known in names.genome.items()
    }
    return OpenPart(tuple(definitions), tuple(texts), header, spelled, names.signatures)


class _Names:
    """What the genome calls each name of each open file; the first file keeps a name, a later one gives
    way.
    """

    def __init__(self, repository: Repository, reserved: Sequence[str]) -> None:
        self.repository = repository
        self.taken: dict[str, str] = dict.fromkeys([*reserved, MARKER], "reserved")
        self.genome: dict[str, dict[str, str]] = {}
        self.imports: dict[str, None] = {"import torch": None}
        self.taken.setdefault("torch", "import torch")
        self.signatures: dict[str, str] = {}

    def own(self, source: SourceFile, name: str) -> str:
        """The genome's name of an open definition."""
        return self._call(source, name, f"{source.name}:{name}")

    def _call(self, source: SourceFile, name: str, meaning: str) -> str:
        known = self.genome.setdefault(source.place, {})
        if name not in known:
            final, number = name, 1
            while self.taken.get(final, meaning) != meaning:
                stem = source.name.rpartition(".")[2]
                final = f"{name}_{stem}" if number == 1 else f"{name}_{stem}{number}"
                number += 1
            self.taken[final] = meaning
            known[name] = final
        return known[name]

    def bind(self, source: SourceFile, text: str) -> None:
        """Import lines for what a definition takes from its file."""
        for name in sorted(reads(text)):
            if name in self.genome.get(source.place, {}) or (name in _BUILTINS and name not in source.names):
                continue
            statements = [i for i in source.imports if i.top and i.bound == name and i.name != "*"]
            plain = [i for i in statements if not i.name and i.bound == i.module.partition(".")[0]]
            one = statements[-1] if statements else Import(source.name, name, name, 0, True, True)
            for each in plain if plain and not one.name else [one]:
                meaning = f"{each.module}:{each.name}" if each.name or each not in plain else f"import {name}"
                if each.name or each not in plain:
                    final = self._call(source, name, meaning)
                    self.imports[_line(each, final)] = None
                else:
                    self._call(source, name, meaning if name != "torch" else "import torch")
                    self.imports[f"import {each.module}"] = None
            found = definition_of(self.repository, source, name)
            if found and self.genome[source.place].get(name) == name:
                self.signatures[name] = _stub(*found, name)

    def lines(self) -> Iterator[str]:
        """Plain imports first."""
        return iter(sorted(self.imports, key=lambda line: (line.startswith("from"), line)))


def _line(one: Import, final: str) -> str:
    path = one.name or one.module
    alias = "" if path == final else f" as {final}"
    return f"from {one.module} import {one.name}{alias}" if one.name else f"import {one.module}{alias}"


def _stub(source: SourceFile, node: ast.ClassDef | ast.FunctionDef, name: str) -> str:
    try:
        return renamed(stub(units_of(_text(source, node))[0]), {node.name: name})
    except (GenomeError, IndexError):
        return ""

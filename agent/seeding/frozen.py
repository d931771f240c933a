"""Frozen and open code: what an operator is shown, how its draft returns, and what a child may not touch.

Statements are compared by what they do: comments, docstrings and layout don't matter.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import libcst as cst

from evoarch.agent.seeding.units import Unit, units_of
from evoarch.sandbox.canonical_prose import without_prose
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.parsing import GenomeError, parse

RULE = "frozen"
MARKER = "FROZEN"
"""The constant of a genome that names its frozen modules by their digest."""

STRICT = ("import", "entry", "syntax", "size")
"""Rules (by their beginning) that hold for a user's own code too."""

SIGNATURES = 2400
"""Characters of frozen signatures in a prompt (about 600 tokens); what open code names comes first."""

_HINT = "change only what is open"


@dataclass(frozen=True)
class Opening:
    """What may change in the descendants of one seed: `evolve`, and neither the adapter `frozen_entry` (""
    where there is none) nor anything else. `signatures`: of frozen definitions elsewhere that open code
    names. `named`: the user named what is open; then no import may be added either. `splices`: what
    keeps a genome from being put into the user's files.
    """

    seed: str
    evolve: tuple[str, ...]
    frozen_entry: str = ""
    inner: str = "Model"
    signatures: Mapping[str, str] = field(default_factory=dict)
    named: bool = True
    splices: Callable[[str], Sequence[Finding]] = lambda source: ()

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The top-level statements of the seed."""
        return units_of(self.seed)

    @cached_property
    def frozen(self) -> dict[str, Unit]:
        """Frozen definitions and constants of the seed, by each name that they bind."""
        kept = {n: u for u in self.units if u.kind not in ("import", "prose") for n in u.names}
        return {n: u for n, u in kept.items() if not set(u.names) & set(self.evolve)}

    def target(self, number: int) -> str:
        """The open definition that an operator which writes one is to write, in turn."""
        return self.evolve[number % len(self.evolve)] if self.named else self.inner

    def view(self, source: str) -> str:
        """A parent as operators see it: open parts in full, frozen ones as signatures, within SIGNATURES."""
        units = [u for u in units_of(source) if MARKER not in u.names]
        named = {n for u in units if not self._is_frozen(u) for n in u.reads}
        elsewhere = [units_of(text)[0] for n, text in self.signatures.items() if text and n in named]
        stubs = {u.start: stub(u) for u in units if self._is_frozen(u)}
        left = SIGNATURES
        shown: set[int] = set()
        for unit in sorted((u for u in units if u.start in stubs), key=lambda u: not set(u.names) & named):
            if len(stubs[unit.start]) <= left or set(unit.names) & named:
                left -= len(stubs[unit.start])
                shown.add(unit.start)
        parts = [(u, stubs.get(u.start, u.text)) for u in units if u.start not in stubs or u.start in shown]
        at = next((n for n, (u, _) in enumerate(parts) if u.kind not in ("import", "prose")), len(parts))
        told: set[str] = set()
        for unit in elsewhere:
            if len(unit.text) <= left:
                left -= len(unit.text)
                told.update(unit.names)
                parts.insert(at, (unit, unit.text))
        return _joined(
            [(u, t) for u, t in parts if u.kind != "import" or not u.names or not told >= set(u.names)]
        )

    def merged(self, draft: str, parent: str, entry: str) -> tuple[str, list[Finding]]:
        """A draft of the view of `parent` as a whole file again, and what it may not do, if anything.

        Frozen parts may be missing from the draft or stand as in the view; `entry` must be there.
        """
        try:
            units = units_of(draft)
        except GenomeError:
            return draft, []  # vetting says it better
        findings = list(self._touched(units, stubs=True))
        bound = {n for u in units for n in u.names}
        if entry not in bound and entry not in self.frozen:
            kinds = {u.kind for u in self.units if entry in u.names}
            known = {n for u in self.units for n in u.names}
            new = next((u for u in units if u.kind in kinds and not set(u.names) & known), None)
            line = new.line if new else 1
            what = f"is renamed to {new.names[0]}" if new else "is gone"
            findings.append(Finding(line, 0, RULE, f"the open {entry} {what}", "keep the names of open code"))
        if findings:
            return draft, findings
        own = [u for u in units if not set(u.names) & self.signatures.keys() or u.kind == "import"]
        return self._restored(own, units_of(parent)), []

    def findings(
        self, source: str, found: Sequence[Finding] = (), seed: Sequence[Finding] = ()
    ) -> list[Finding]:
        """Findings about a whole child: `found` less those in code that is the seed's own and unchanged, and
        those that the `seed` has as well; plus what it may not do.
        """
        try:
            units = units_of(source)
        except GenomeError:
            return list(found)
        known = {(f.rule, f.message) for f in seed}
        own = {n: canonical(u.text) for u in self.units for n in u.names}
        same = [u for u in units if u.names and all(own.get(n) == canonical(u.text) for n in u.names)]
        kept = [
            f
            for f in found
            if (f.rule, f.message) not in known
            and (
                f.rule.startswith(STRICT)
                or not any(u.start <= f.line <= u.end for u in same if u.kind != "import")
            )
        ]
        wrong = [*self._missing(units), *self._touched(units, stubs=False), *self._writes(units)]
        return [*kept, *(wrong or self.splices(source))]

    def _is_frozen(self, unit: Unit) -> bool:
        return any(name in self.frozen for name in unit.names)

    def _missing(self, units: Sequence[Unit]) -> Iterator[Finding]:
        bound = {n for u in units for n in u.names}
        wanted = {n: u for u in self.units for n in u.names if n in self.frozen or n in self.evolve}
        known = {n for u in self.units for n in u.names}
        for name, unit in wanted.items():
            if name not in bound:
                new = next((u for u in units if u.kind == unit.kind and not set(u.names) & known), None)
                kind = "frozen" if name in self.frozen else "open"
                what = f"is renamed to {new.names[0]}" if new else "is gone"
                line = new.line if new else 1
                yield Finding(line, 0, RULE, f"the {kind} {name} {what}", "keep the names of the seed")

    def _writes(self, units: Sequence[Unit]) -> Iterator[Finding]:
        """Assignments into what the seed imports: a frozen class, a registry, a module."""
        imported = {i.bound for u in self.units for i in u.imports}
        own = {name: set(_written(u.text)) for u in self.units for name in u.names}
        for unit in units:
            if unit.kind == "import":
                continue
            known = own.get(unit.names[0], set()) if unit.names else set()
            for name, line in _written(unit.text).items():
                if name.partition(".")[0] in imported and name not in known:
                    yield Finding(unit.start + line - 1, 0, RULE, f"changes the frozen {name}", _HINT)

    def _touched(self, units: Sequence[Unit], *, stubs: bool) -> Iterator[Finding]:
        imports = {(i.module, i.level, i.name, i.bound) for u in self.units for i in u.imports}
        bound_by_imports = {i[3] for i in imports}
        kinds = {n: u.kind for u in self.units for n in u.names}
        for unit in units:
            for found in (*unit.imports, *unit.stars):
                if self.named and (found.module, found.level, found.name, found.bound) not in imports:
                    text = unit.text.strip()
                    yield Finding(unit.line, 0, RULE, f"adds an import: {text}", "use what the file imports")
            if unit.kind == "import":
                continue
            for name in unit.names:
                was = self.frozen.get(name)
                if stubs and self.signatures.get(name):
                    if canonical(unit.text) != canonical(self.signatures[name]):
                        yield Finding(unit.line, 0, RULE, f"changes the frozen {name}", _HINT)
                elif was is not None:
                    allowed = [was.text, stub(was)] if stubs else [was.text]
                    if canonical(unit.text) not in [canonical(text) for text in allowed]:
                        line = unit.line + changed_line(was.text, unit.text) - _offset(unit)
                        yield Finding(line, 0, RULE, f"changes the frozen {name}", _HINT)
                elif name in bound_by_imports:
                    yield Finding(unit.line, 0, RULE, f"rebinds the import {name}", _HINT)
                elif name in self.evolve and unit.kind != kinds[name]:
                    yield Finding(unit.line, 0, RULE, f"makes a {unit.kind} of the open {name}", _HINT)

    def _restored(self, draft: Sequence[Unit], parent: Sequence[Unit]) -> str:
        new = {n: u for u in draft if u.kind != "import" for n in u.names}
        known = {n for u in parent for n in u.names}
        added = [u for u in draft if u.names and u.kind != "import" and not set(u.names) & known]
        extra = [] if self.named else [u for u in draft if u.kind == "import"]
        parts: list[tuple[Unit, str]] = []
        placed = False
        for unit in parent:
            if unit.kind == "import" and extra:
                parts.append((unit, unit.text))
                continue
            is_open = bool(unit.names) and not self._is_frozen(unit) and unit.kind != "import"
            replaced = next((new[n] for n in unit.names if n in new), None)
            if is_open and not placed:
                parts += [(u, u.text) for u in added]
                placed = True
            parts.append((unit, replaced.text if is_open and replaced is not None else unit.text))
        imported = {i for u in parent for i in ((x.module, x.name, x.bound) for x in u.imports)}
        fresh = [u for u in extra if any((x.module, x.name, x.bound) not in imported for x in u.imports)]
        at = next((n for n, (u, _) in enumerate(parts) if u.kind not in ("import", "prose")), len(parts))
        parts[at:at] = [(u, u.text) for u in fresh]
        return _joined(parts)


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """What a statement does, as text."""
    return ast.dump(ast.parse(without_prose(parse(text)).code))


def stub(unit: Unit) -> str:
    """A definition's signature: a class with its `__init__` and `forward`; anything else as it is.

    Default values are left out: an operator must find nothing there to change.
    """
    node = unit.node.visit(_NoDefaults())
    body = cst.IndentedBlock([cst.SimpleStatementLine([cst.Expr(cst.Ellipsis())])])
    if isinstance(node, cst.FunctionDef):
        return cst.Module([]).code_for_node(node.with_changes(leading_lines=[], body=body))
    if not isinstance(node, cst.ClassDef):
        return unit.text
    kept = [
        each.with_changes(leading_lines=[], body=body)
        for each in node.body.body
        if isinstance(each, cst.FunctionDef) and each.name.value in ("__init__", "forward")
    ]
    return cst.Module([]).code_for_node(
        node.with_changes(leading_lines=[], body=cst.IndentedBlock(kept) if kept else body)
    )


class _NoDefaults(cst.CSTTransformer):
    def leave_Param(self, original_node: cst.Param, updated_node: cst.Param) -> cst.Param:  # noqa: N802
        return updated_node.with_changes(default=cst.Ellipsis()) if updated_node.default else updated_node


def changed_line(old: str, new: str) -> int:
    """The line of `new` (from 0) whose statement is the first that differs from `old`'s."""
    before = [_key(node) for node in _statements(ast.parse(without_prose(parse(old)).code))]
    after = [node for node in _statements(ast.parse(new)) if not _is_prose(node)]
    for key, node in zip(before, after, strict=False):
        if key != _key(node):
            return node.lineno - 1
    last = after[len(before)] if len(after) > len(before) else after[-1]
    return last.lineno - 1


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.stmt):
            yield child
        yield from _statements(child)


def _is_prose(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _key(node: ast.stmt) -> str:
    parts = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if name not in ("body", "orelse", "finalbody", "handlers"):
            values = value if isinstance(value, list) else [value]
            parts.append(" ".join(ast.dump(v) if isinstance(v, ast.AST) else repr(v) for v in values))
    return "|".join(parts)


def _written(text: str) -> dict[str, int]:
    """Dotted paths below a name that a statement assigns to, or deletes, with the line (from 1)."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root: ast.expr = node
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if isinstance(root, ast.Name):
                found.setdefault(ast.unparse(node), node.lineno)
    return found


def _offset(unit: Unit) -> int:
    return unit.line - unit.start


def _joined(parts: Sequence[tuple[Unit, str]]) -> str:
    text = ""
    last = ""
    for unit, code in parts:
        close = unit.kind == last and unit.kind in ("import", "assign")
        text += ("" if close or not text else "\n\n") + code.rstrip("\n") + "\n"
        last = unit.kind
    return text

"""A genome's open definitions put back into their files: what a child runs, and what a patch returns."""

from __future__ import annotations

import builtins
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from evoarch.agent.seeding.frozen import MARKER, RULE, Opening, canonical
from evoarch.agent.seeding.names import renamed
from evoarch.agent.seeding.opened import OpenDefinition
from evoarch.agent.seeding.record import FrozenSeed
from evoarch.agent.seeding.repository import SourceFile
from evoarch.agent.seeding.texts import FileText, end_of, lines_of, without_end
from evoarch.agent.seeding.units import Unit, reads, units_of
from evoarch.sandbox.executable import executable
from evoarch.sandbox.genome import strip_prose
from evoarch.sandbox.job import FrozenTexts
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.parsing import GenomeError

ENTRY = "Model"
_BUILTINS = frozenset(dir(builtins))


class SpliceError(ValueError):
    """A genome that can't be put into its files. `line` is the genome's."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


@dataclass(frozen=True)
class Spliced:
    """`texts`: the new text of each file that changes, by path. `runs`: the same as a child runs it, where
    changed definitions stand without prose and layout (sandbox/executable.py); `lines`: by path, pairs
    of a line of that and the genome's. `program`: what makes the model, with each line where the genome
    has it.
    """

    texts: Mapping[str, str]
    runs: Mapping[str, str]
    lines: Mapping[str, Sequence[tuple[int, int]]]
    program: str

    def frozen(self, seed: FrozenSeed) -> FrozenTexts:
        """As a child gets it."""
        names: dict[str, list[str]] = {}
        for name, (path, _) in seed.record.modules.items():
            names.setdefault(path, []).append(name)
        modules = {name: text for path, text in self.runs.items() for name in names[path]}
        return FrozenTexts(modules, self.lines)


@lru_cache(maxsize=64)
def splice(seed: FrozenSeed, genome: str) -> Spliced:
    """`genome` descends from `seed`. Raises SpliceError where a definition is gone or a name means nothing in
    its file, GenomeError for text that is no Python.
    """
    record = seed.record
    units = units_of(genome)
    after = {name: unit for unit in units for name in unit.names if unit.kind != "import"}
    before = {name: unit for unit in units_of(seed.genome) for name in unit.names}
    own = {*record.evolve, MARKER, ENTRY, "RECIPE"} if record.adapter else {*record.evolve, MARKER, "RECIPE"}
    helpers = {name: unit for name, unit in after.items() if name not in own}
    texts, runs, lines = {}, {}, {}
    for file in record.files:
        content = FileText(seed.contents[file])
        place = _File(seed, file, content, units, helpers)
        for definition in record.opened:
            if definition.file == file:
                if definition.name not in after:
                    raise SpliceError(1, f"{definition.name} is gone from the model")
                place.put(definition, before[definition.name], after[definition.name])
        new, _ = place.joined(run=False)
        running, lines[file] = place.joined(run=True)
        if new != content.text:
            texts[file], runs[file] = new, running
    return Spliced(texts, runs, lines, _program(seed, genome, units))


def opening_of(seed: FrozenSeed) -> Opening:
    """What may change in the descendants of a seed."""
    record = seed.record
    inner = next((o.name for o in record.opened if o.original == record.entry), record.opened[0].name)
    return Opening(
        seed.genome,
        record.evolve,
        ENTRY if record.adapter else "",
        inner,
        record.signatures,
        record.named,
        lambda source: _problems(seed, source),
    )


def _problems(seed: FrozenSeed, genome: str) -> list[Finding]:
    try:
        splice(seed, genome)
    except SpliceError as error:
        return [Finding(error.line, 0, RULE, error.message, "use what its file defines or imports")]
    except GenomeError:
        pass  # vetting says it better
    return []


def _program(seed: FrozenSeed, genome: str, units: Iterable[Unit]) -> str:
    """What runs as the genome's own module: the seed's adapter and RECIPE, each on its line."""
    lines = [""] * (genome.count("\n") + 1)
    lines[0] = "; ".join(["import torch", *seed.record.program])
    for unit in units:
        adapter = seed.record.adapter if ENTRY in unit.names else ""
        if unit.kind != "import" and (adapter or "RECIPE" in unit.names):
            own = (adapter or executable(unit.text).text).rstrip("\n").split("\n")
            lines[unit.line - 1 : unit.line - 1 + len(own)] = own
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Line:
    """One line of a file that is being made: its text with its end, and the genome's line, 0 if none."""

    text: str
    genome: int = 0


class _File:
    """One file with open definitions in it."""

    def __init__(
        self,
        seed: FrozenSeed,
        file: str,
        content: FileText,
        units: Sequence[Unit],
        helpers: Mapping[str, Unit],
    ) -> None:
        self.record, self.file, self.content = seed.record, file, content
        self.spelled = self.record.spelled.get(file, {})
        self.units, self.helpers = units, helpers
        self.source = SourceFile(file, file, False, content)
        self.inserted: set[str] = set()
        self.imports: list[str] = []
        self.changes: list[tuple[int, int, list[_Line], list[_Line]]] = []

    def put(self, definition: OpenDefinition, before: Unit, after: Unit) -> None:
        """One definition in its place, behind the helpers that it needs."""
        old = self.content.lines[definition.start - 1 : definition.end]
        changed = canonical(after.text) != canonical(before.text)
        wanted = _needed(reads(after.text), self.helpers) if changed else []
        for name in wanted:
            if name not in self.inserted:
                self.inserted.add(name)
                unit = self.helpers[name]
                text = self._spelled(unit.text.strip("\n"), unit.start)
                made = _laid([], text, self._end(definition.start), unit.start)
                made += [_Line(self._end(definition.start))] * 2
                at = definition.start - 1
                self.changes.append((at, at, made, _running(text, unit.line)))
        offset = after.line - after.start
        body = "".join(lines_of(after.text)[offset:])
        text = self._spelled(body, after.line) if changed else "".join(map(_plain, old))
        if changed:
            text = _with_prose("".join(map(_plain, old)), text)
            self._check_names(definition, after, text, [self.helpers[name] for name in wanted])
        made = _laid(old, text, self._end(definition.start), 0)
        runs = _running(self._spelled(body, after.line), after.line)
        runs = runs if changed else _numbered(made, body, after.line)
        self.changes.append((definition.start - 1, definition.end, made, runs))

    def joined(self, *, run: bool) -> tuple[str, list[tuple[int, int]]]:
        """The file's new text, as a patch has it or as it will `run`, and pairs of its line and the
        genome's.
        """
        lines = [_Line(line) for line in self.content.lines]
        changes = [(start, stop, runs if run else made) for start, stop, made, runs in self.changes]
        if self.imports:
            at = self._after_imports()
            changes.append((at, at, [_Line(line + self._end(at)) for line in self.imports]))
        # From the bottom up, so that line numbers keep their meaning; of one place the later first.
        order = sorted(range(len(changes)), key=lambda n: (changes[n][0], n), reverse=True)
        for number in order:
            start, stop, new = changes[number]
            lines[start:stop] = new
        text = "".join(line.text for line in lines)
        return text, [(number, line.genome) for number, line in enumerate(lines, start=1) if line.genome]

    def _spelled(self, text: str, line: int) -> str:
        try:
            return renamed(text, self.spelled)
        except GenomeError as error:
            raise SpliceError(line + error.line - 1, error.message) from None

    def _end(self, line: int) -> str:
        """How the line before ends, or the nearest that ends at all."""
        near_by = [*reversed(self.content.lines[: max(line - 1, 1)]), *self.content.lines[line:]]
        return next((end for each in near_by if (end := end_of(each))), "\n")

    def _after_imports(self) -> int:
        """Where an import goes: behind the last one of the top level, else behind the docstring."""
        ends = [
            node.end_lineno or 0
            for node in self.source.tree.body
            if type(node).__name__ in ("Import", "ImportFrom")
        ]
        first = self.source.tree.body[:1]
        doc = [n.end_lineno or 0 for n in first if type(n).__name__ == "Expr"]
        return max(ends, default=max(doc, default=0))

    def _check_names(
        self, definition: OpenDefinition, unit: Unit, text: str, helpers: Sequence[Unit]
    ) -> None:
        """Every name that a text reads must mean the same in its file; imports are added for it."""
        own = {name for helper in helpers for name in helper.names} | _BUILTINS
        wanted = reads(text).union(*(reads(self._spelled(h.text, h.start)) for h in helpers)) - own
        if "*" in self.source.names:
            return  # what a star brings isn't told here; the dry run does
        imported = {i.bound: i for u in self.units for i in u.imports}
        local = set(self.record.modules)
        for name in sorted(wanted - self.source.names):
            one = imported.get(name)
            if one is None or (one.module in local and one.module != definition.module):
                raise SpliceError(
                    unit.line,
                    f"the change uses {name}, which {self.file} does not know",
                )
            line = f"from {one.module} import {one.name}" if one.name else f"import {one.module}"
            line += f" as {one.bound}" if one.aliased else ""
            if line not in self.imports:
                self.imports.append(line)


def _plain(line: str) -> str:
    return without_end(line).replace("\f", "") + "\n"


def _needed(names: frozenset[str], helpers: Mapping[str, Unit], seen: set[str] | None = None) -> list[str]:
    """New definitions that a text reads, with those that they read, the needed ones first."""
    seen = set() if seen is None else seen
    found: list[str] = []
    for name in sorted(names & helpers.keys()):
        if name not in seen:
            seen.add(name)
            found += [*_needed(reads(helpers[name].text), helpers, seen), name]
    return found


def _laid(old: Sequence[str], text: str, end: str, genome: int) -> list[_Line]:
    """`text` as lines of a file: what is in `old` keeps its bytes; a new line ends as the one before."""
    new = [without_end(line) for line in lines_of(text.rstrip("\n") + "\n")]
    plain = [without_end(line).replace("\f", "") for line in old]
    made: list[_Line] = []
    last = end
    for tag, i, j, k, m in difflib.SequenceMatcher(None, plain, new, autojunk=False).get_opcodes():
        if tag == "equal":
            made += [_Line(line) for line in old[i:j]]
            last = end_of(old[j - 1]) or last
            continue
        for n, line in enumerate(new[k:m]):
            # A line that takes another's place ends as that one.
            last = (end_of(old[i + n]) if i + n < j else "") or last
            made.append(_Line(line + last, genome + k + n if genome else 0))
    # Only the last line of a file may lack its end, and keeps lacking it.
    bare = bool(old) and not end_of(old[-1])
    made = [line if end_of(line.text) else _Line(line.text + last, line.genome) for line in made]
    if bare and made:
        made[-1] = _Line(without_end(made[-1].text), made[-1].genome)
    return made


def _running(text: str, first: int) -> list[_Line]:
    """A definition without prose, each statement on a line; the genome's line `first` is the text's first."""
    form = executable(text)
    return [
        _Line(line + "\n", first + own - 1 if (own := form.line(number)) else 0)
        for number, line in enumerate(form.text.rstrip("\n").split("\n"), start=1)
    ]


def _numbered(made: Sequence[_Line], genome: str, first: int) -> list[_Line]:
    """The lines with the genome's numbers, where both have the same text."""
    ours = [without_end(line.text).strip() for line in made]
    theirs = [without_end(line).strip() for line in lines_of(genome)]
    found = list(made)
    for tag, i, j, k, m in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag in ("equal", "replace"):
            for n in range(i, j):
                found[n] = _Line(made[n].text, first + min(k + n - i, max(m - 1, k)))
    return found


def _with_prose(before: str, after: str) -> str:
    """`after` with the comments and docstrings of `before`, where an operator had them taken out."""
    if strip_prose(after).rstrip() != after.rstrip() or strip_prose(before).rstrip() == before.rstrip():
        return after
    old, new = [without_end(line) for line in lines_of(before)], after.rstrip().split("\n")
    bare = [line for line in strip_prose(before).split("\n") if line.strip()]
    full = [n for n, line in enumerate(new) if line.strip()]
    place: list[int] = []
    for line in bare:
        at = place[-1] + 1 if place else 0
        while at < len(old) and not old[at].startswith(line.rstrip()):
            at += 1
        place.append(at)
    if not place or place[-1] >= len(old):
        return after
    lines: list[str] = []
    matcher = difflib.SequenceMatcher(None, bare, [new[n] for n in full], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            lines += old[place[i - 1] + 1 if i else 0 : place[j - 1] + 1]
        elif m > k:
            lines += new[full[k] : full[m - 1] + 1]
    return "\n".join(lines) + "\n"

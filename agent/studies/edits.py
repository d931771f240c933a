"""The edits that made a candidate, and its source without one of them.

A step of descent is split into edits: all numbers that it set are one, each other changed statement is one,
and statements that speak of a name which another one brought belong to that one. An edit is taken out of the
descendant as a three-way merge does it: what it did in the child, undone where that statement stands now.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from evoarch.agent.report.diff import Row, compare, statements

WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_NUMBER = re.compile(r"\d[\d_]*|0x[\da-f]+", re.IGNORECASE)
_BROUGHT = re.compile(r"\s*(?:self\.(\w+)|(\w+)) = |\s*(?:class|def) (\w+)")
SHOWN = 90
"""Characters of an edit that its description shows of each side."""


@dataclass(frozen=True)
class Swap:
    """Words `start` to `stop` of a statement of the child, and the words of its parent in their place."""

    start: int
    stop: int
    words: tuple[str, ...]
    now: tuple[str, ...]

    @property
    def numeric(self) -> bool:
        """Whether one number became another."""
        sides = (self.words, self.now)
        return all(len(side) == 1 and bool(_NUMBER.fullmatch(side[0])) for side in sides)


@dataclass(frozen=True)
class Hunk:
    """What one step did to one statement of the child, or to a block of them that it added or removed.

    `row`: its first row in the comparison of parent and child; `rows`: how many of them. `swaps`: of a
    statement that changed.
    """

    row: int
    rows: int = 1
    swaps: tuple[Swap, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether it set numbers alone."""
        return bool(self.swaps) and all(swap.numeric for swap in self.swaps)


@dataclass(frozen=True)
class Edit:
    """Some of what one step of descent did: its hunks in `rows`, the comparison of parent and child."""

    child: int
    rows: Sequence[Row]
    hunks: Sequence[Hunk]

    def __str__(self) -> str:
        """What it did, in a line."""
        return _short("; ".join(dict.fromkeys(_told(self.rows, hunk) for hunk in self.hunks)), 2 * SHOWN)


@dataclass(frozen=True)
class SupersededError(Exception):
    """An edit that can't be taken out, since what it did was changed again later."""


def edits_of(child: int, parent: str, source: str) -> list[Edit]:
    """What the step from `parent` to `source`, candidate `child`, did, in the order of the file."""
    rows = compare(parent, source)
    hunks = list(_hunks(rows))
    numbers = [hunk for hunk in hunks if hunk.numeric]
    groups: list[list[Hunk]] = [numbers] if numbers else []
    return [
        Edit(child, rows, group)
        for group in sorted(
            [*groups, *_linked(rows, [hunk for hunk in hunks if not hunk.numeric])], key=lambda g: g[0].row
        )
    ]


def without(source: str, child: str, edit: Edit) -> str:
    """`source`, a descendant of `child`, without an edit of the step that made `child`; laid out anew.

    What a later step built inside of what the edit added goes with it, and so does what is then used nowhere.
    Raises SupersededError where nothing of it is left to be undone.
    """
    merged = _Merge.of(compare(child, source))
    places = _places(edit.rows)
    undone = 0
    for hunk in edit.hunks:
        for row in range(hunk.row, hunk.row + hunk.rows):
            kind, place = edit.rows[row].kind, places[row]
            if kind == "added":
                undone += merged.drop(place)
            elif kind == "removed":
                merged.before[place].append(edit.rows[row].left_text)
                undone += 1
            else:
                undone += merged.undo(place, hunk.swaps)
    found = list(merged.lines())
    if not undone or found == statements(source):
        raise SupersededError
    return "\n".join(_used(found, statements(source))) + "\n"


def brings_back(seed: str, source: str, stripped: str) -> bool:
    """Whether `stripped` is `source` without something that the seed has too: an edit that undid others."""
    texts = ("\n".join(statements(text)) for text in (source, stripped, seed))
    now, without_it, first = (WORDS.findall(text) for text in texts)
    kept = [block for block in _blocks(now, first) if block[0] == "equal"]
    return all(
        any(start < i and j < stop for _, start, stop, _, _ in kept)
        for tag, i, j, _, _ in _blocks(now, without_it)
        if tag != "equal"
    )


@dataclass
class _Merge:
    """A descendant beside its ancestor: `now[i]` is what became of statement i of the ancestor, None where it
    went; `before[i]` stands in front of it.
    """

    base: list[str]
    now: list[str | None]
    before: Mapping[int, list[str]]

    @staticmethod
    def of(rows: Sequence[Row]) -> _Merge:
        base, now, before = list[str](), list[str | None](), dict[int, list[str]]()
        for row in rows:
            if row.kind == "added":
                before.setdefault(len(base), []).append(_right(row))
                continue
            base.append(row.left_text)
            now.append(None if row.kind == "removed" else _right(row))
        return _Merge(base, now, {place: before.get(place, []) for place in range(len(base) + 1)})

    def drop(self, place: int) -> bool:
        """Takes a statement out, whatever became of it; whether it was there."""
        there = self.now[place] is not None
        self.now[place] = None
        return there

    def undo(self, place: int, swaps: Sequence[Swap]) -> int:
        """Puts the parent's words back where the statement still has the child's; how often."""
        text = self.now[place]
        if text is None:
            return 0
        base, words = WORDS.findall(self.base[place]), WORDS.findall(text)
        blocks = _blocks(base, words)
        done = 0
        for swap in reversed(swaps):
            start, stop = _at(blocks, swap.start, last=True), _at(blocks, swap.stop, last=False)
            if start is None or stop is None:
                continue
            start, stop = min(start, stop), max(start, stop)
            # What a later step set again is that step's.
            if len(swap.now) == 1 and tuple(words[start:stop]) != swap.now:
                continue
            words[start:stop] = swap.words
            done += 1
        self.now[place] = "".join(words)
        return done

    def lines(self) -> Iterator[str]:
        for place, text in enumerate([*self.now, None]):
            yield from self.before[place]
            if text is not None:
                yield text


_Block = tuple[str, int, int, int, int]


def _blocks(one: Sequence[str], other: Sequence[str]) -> Sequence[_Block]:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()


_SET = re.compile(r"\s*(self\.\w+) = ")


def _used(lines: Sequence[str], before: Sequence[str]) -> list[str]:
    """The lines without what sets an attribute that was read in `before` and is no longer."""

    def read(name: str, among: Sequence[str]) -> bool:
        found = re.compile(rf"{re.escape(name)}\b(?! = )")
        return any(found.search(line) for line in among)

    found = list(lines)
    while True:
        idle = [
            line
            for line in found
            if (match := _SET.match(line)) and read(match[1], before) and not read(match[1], found)
        ]
        if not idle:
            return found
        found = [line for line in found if line not in idle]


def _at(blocks: Sequence[_Block], place: int, *, last: bool) -> int | None:
    """Where the gap before word `place` of the one side lies in the other; of several such places the last
    or the first. None inside of what changed.
    """
    found = [
        there + (place - start) if tag == "equal" else there if place == start else end
        for tag, start, stop, there, end in blocks
        if start <= place <= stop and (tag == "equal" or place in (start, stop))
    ]
    return (max(found) if last else min(found)) if found else None


def _hunks(rows: Sequence[Row]) -> Iterator[Hunk]:
    skip = 0
    for number, row in enumerate(rows):
        if number < skip or row.kind == "same":
            continue
        if row.kind == "changed":
            swaps = list(_swaps(row.left_text, _right(row)))
            numeric = tuple(swap for swap in swaps if swap.numeric)
            other = tuple(swap for swap in swaps if not swap.numeric)
            yield from (Hunk(number, swaps=part) for part in (numeric, other) if part)
            continue
        depth = _depth(row)
        skip = next(n for n in count(number + 1) if n == len(rows) or not _inside(rows[n], row, depth))
        yield Hunk(number, skip - number)


def _inside(row: Row, head: Row, depth: int) -> bool:
    return row.kind == head.kind and _depth(row) > depth


def _depth(row: Row) -> int:
    text = _text(row)
    return len(text) - len(text.lstrip())


def _swaps(left: str, right: str) -> Iterator[Swap]:
    before, after = WORDS.findall(left), WORDS.findall(right)
    for tag, i, j, k, m in _blocks(before, after):
        if tag != "equal":
            yield Swap(k, m, tuple(before[i:j]), tuple(after[k:m]))


def _linked(rows: Sequence[Row], hunks: Sequence[Hunk]) -> list[list[Hunk]]:
    """The hunks in groups: those that speak of a name which one of them brought or took are one."""
    groups: list[tuple[set[str], list[Hunk]]] = []
    speakers = [(hunk, _named(rows, hunk), _brought(rows, hunk)) for hunk in hunks]
    names = {name for _, _, brought in speakers for name in brought}
    for hunk, named, brought in speakers:
        own = (named & names) | brought
        joined = [group for group in groups if group[0] & own]
        others = [group for group in groups if not group[0] & own]
        first = [each for group in joined for each in group[1]]
        groups = [*others, (own.union(*(group[0] for group in joined)), [*first, hunk])]
    return [group for _, group in groups]


def _named(rows: Sequence[Row], hunk: Hunk) -> set[str]:
    words = [word for swap in hunk.swaps for word in (*swap.words, *swap.now)]
    if not hunk.swaps:
        words = [w for row in rows[hunk.row : hunk.row + hunk.rows] for w in WORDS.findall(_text(row))]
    return set(words)


def _brought(rows: Sequence[Row], hunk: Hunk) -> set[str]:
    """Names that a statement which came or went gives a meaning. Not `x`, which forward sets many times."""
    if hunk.swaps:
        return set()
    found = _BROUGHT.match(_text(rows[hunk.row]))
    name = next(filter(None, found.groups()), "") if found else ""
    here = sum(1 for row in rows if (match := _BROUGHT.match(_text(row))) and name in match.groups())
    return {name} if name and here == 1 else set()


def _places(rows: Sequence[Row]) -> list[int]:
    """For each row the statement of the child that it is, or before which it stood."""
    places, place = [], 0
    for row in rows:
        places.append(place)
        place += row.kind != "removed"
    return places


def _told(rows: Sequence[Row], hunk: Hunk) -> str:
    row = rows[hunk.row]
    if not hunk.swaps:
        return f"{row.kind} {_short(_text(row).strip())}"
    found = _BROUGHT.match(_right(row))
    name = next(filter(None, found.groups()), "") if found else ""
    said = ", ".join(_replaced("".join(swap.words), "".join(swap.now)) for swap in hunk.swaps)
    return f"{name}: {said}" if name else said


def _replaced(before: str, now: str) -> str:
    before, now = _short(before.strip(" ,")), _short(now.strip(" ,"))
    if not before or not now:
        return f"added {now}" if now else f"removed {before}"
    return f"{before} -> {now}"


def _short(text: str, most: int = SHOWN) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _right(row: Row) -> str:
    return "".join(piece.text for piece in row.right)


def _text(row: Row) -> str:
    return row.left_text or _right(row)

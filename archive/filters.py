"""The filter language of lists: `error<0.03 params<3k op:lm* stage:build text:GRU front:yes`.

Terms stand between blanks, and all of them hold; a minus before a term turns it round. A comparison has the
name of a metric, or of NUMBERS. `key:value` has a key of WORDS; values between commas are alternatives, `*`
stands for any text, quotes keep blanks and commas. A word alone is looked for in the source, letter for
letter.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from evoarch.archive.records import State
from evoarch.archive.schema import UNSCREENED

COST = (
    "(candidates.cpu_seconds + (SELECT total(cpu_seconds) FROM evaluations"
    " WHERE evaluations.candidate = candidates.id))"
)
"""SQL of the CPU seconds that a candidate took, its evaluations included."""

_FAILURE = (
    "(SELECT {} FROM evaluations AS e WHERE e.candidate = candidates.id AND e.outcome = 'failed'"
    " ORDER BY e.fault = 'infrastructure', e.id DESC LIMIT 1)"
)
_REFUSAL = (
    "(SELECT CASE WHEN events.kind = 'refused' THEN 'review' WHEN json_extract(detail, '$.parsed') THEN 'vet'"
    " ELSE 'parse' END FROM events WHERE events.candidate = candidates.id"
    " AND events.kind IN ('refused', 'rejected') ORDER BY events.id DESC LIMIT 1)"
)
_RUNG = (
    "(SELECT json_extract(detail, '$.rung') FROM events WHERE events.candidate = candidates.id"
    " AND events.kind = 'rung' ORDER BY events.id DESC LIMIT 1)"
)
STAGE = (
    f"CASE state WHEN 'rejected' THEN {_REFUSAL} WHEN 'failed' THEN {_FAILURE.format('e.stage')}"
    f" WHEN 'stopped' THEN {_RUNG} WHEN 'duplicate' THEN 'duplicate' END"
)
"""SQL of where a candidate without a score ended: parse, vet, review, duplicate, a stage of `Failed`, a
rung.
"""
REASON = (
    f"CASE state WHEN 'failed' THEN {_FAILURE.format('e.reason')} WHEN 'stopped' THEN"
    f" 'stopped at ' || {_RUNG} ELSE note END"
)
"""SQL of why a candidate has no score, in one line; "" where nothing is said."""

NUMBERS: Mapping[str, str] = {"id": "id", "depth": "generation", "seeds": "seeds", "cpu": COST}
"""What a comparison can name beside metrics, and its SQL."""

WORDS: Mapping[str, str] = {
    "op": "the operator",
    "name": "the name of a seed",
    "state": "where it stands",
    "stage": "where it ended without a score",
    "reason": "what its reason holds",
    "text": "what its source holds, letter for letter",
    "verdict": "approve, veto, pin, note or none",
    "front": "yes or no",
    "parent": "children of these",
    "from": "all that comes from these",
    "into": "all that these come from",
}
"""The keys of `key:value`, and what each is about."""

_VALUES: Mapping[str, Collection[str]] = {
    "state": tuple(str(state) for state in State),
    "verdict": ("approve", "veto", "pin", "note", "none"),
    "front": ("yes", "no"),
}
_SUFFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "%": 0.01}
_TERM = re.compile(
    r'(?P<minus>-)?(?:(?P<key>[A-Za-z_][\w.]*)(?P<relation><=|>=|!=|[<>=:]))?(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]\S*)?'
)
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([kMG%]?)")
_MOST_TERMS, _MOST_LETTERS = 30, 2000


class FilterError(ValueError):
    """A filter that can't be read. The text names the term, what was expected and what was got."""


@dataclass(frozen=True)
class FilterTerm:
    """One condition. `relation`: ":" with texts as `values`, or a comparison with one number."""

    key: str
    relation: str
    values: tuple[str | float, ...]
    negated: bool = False

    def __str__(self) -> str:
        """As it is written; to read that gives the term again."""
        minus = "-" if self.negated else ""
        if self.relation != ":":
            return f"{minus}{self.key}{self.relation}{self.values[0]!r}"
        values = [str(value) for value in self.values]
        return f"{minus}{self.key}:{_quoted(values[0]) if len(values) == 1 else ','.join(values)}"


def parse(text: str) -> tuple[FilterTerm, ...]:
    """The terms of a filter, in order; () for blanks. Raises FilterError.

    Whether a metric of a comparison is known is asked of the archive (`check_metrics`).
    """
    if len(text) > _MOST_LETTERS:
        raise FilterError(f"expected at most {_MOST_LETTERS} characters, got {len(text)}")
    terms: list[FilterTerm] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        found = _TERM.match(text, place)
        end = found.end() if found else place
        if found is None or not found["value"] or (end < len(text) and not text[end].isspace()):
            word = text[place:].split(None, 1)[0]
            raise FilterError(f"{word}: expected name<number, key:value, or a word; quotes come in pairs")
        terms.append(_term(found))
        place = end
    if len(terms) > _MOST_TERMS:
        raise FilterError(f"expected at most {_MOST_TERMS} terms, got {len(terms)}")
    return tuple(terms)


def _term(found: re.Match[str]) -> FilterTerm:
    key, relation, value, minus = found["key"], found["relation"], found["value"], bool(found["minus"])
    if key is None:
        if not _plain(value):
            raise FilterError(f"{found[0]}: expected a text between the quotes")
        return FilterTerm("text", ":", (_plain(value),), minus)
    if relation != ":":
        return FilterTerm(key, relation, (_number(value, found[0]),), minus)
    if key not in WORDS:
        raise FilterError(f"{found[0]}: unknown key {key}; {_near(key, WORDS)}")
    alone = key in ("text", "reason") or value.startswith('"')
    values = (_plain(value),) if alone else tuple(part for part in value.split(",") if part)
    if not values or not all(values):
        raise FilterError(f"{found[0]}: expected a value after {key}:")
    for each in values:
        if key in _VALUES and each not in _VALUES[key]:
            raise FilterError(f"{found[0]}: unknown {key} {each}; {_near(each, _VALUES[key])}")
        if key in ("parent", "from", "into") and not re.fullmatch(r"#?[0-9]{1,12}", each):
            raise FilterError(f"{found[0]}: expected the number of a candidate after {key}:, got {each}")
    if key == "front" and len(values) > 1:
        raise FilterError(f"{found[0]}: expected yes or no")
    return FilterTerm(key, ":", values, minus)


def _number(value: str, term: str) -> float:
    found = _NUMBER.fullmatch(value)
    number = float(found[1]) * _SUFFIXES[found[2]] if found else math.inf
    if not math.isfinite(number):
        raise FilterError(
            f"{term}: expected a number such as 0.03, 3k, 1.5M or 2%, got {value};"
            " text of the source stands in quotes"
        )
    return number


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value.startswith('"') else value


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w.*?#+/]+", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _near(got: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(got, known, 1)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"


def check_metrics(terms: Sequence[FilterTerm], known: Collection[str]) -> None:
    """Raises FilterError where a comparison names neither one of NUMBERS nor a `known` metric."""
    for term in terms:
        if term.relation != ":" and term.key not in NUMBERS and term.key not in known:
            raise FilterError(f"{term}: nothing here has a {term.key}; {_near(term.key, [*NUMBERS, *known])}")


def metric(name: str) -> tuple[str, list[object]]:
    """SQL of a candidate's metric, NULL where it has none, and the values of its question marks."""
    if name in ("error", "params"):
        return name, []
    return "json_extract(metrics, ?)", [f"$.{json.dumps(name)}"]


@dataclass(frozen=True)
class Filter:
    """Which candidates; "" is no condition, but that without a state screened ones are left out.

    `text` is looked for in sources, letter for letter. `judged`: approve, veto or pin (the standing verdict),
    note (has one) or none (no standing verdict). `terms` hold as well; `front` are the ids that `front:yes`
    means.
    """

    state: str = ""
    operator: str = ""
    text: str = ""
    judged: str = ""
    terms: tuple[FilterTerm, ...] = ()
    front: frozenset[int] = frozenset()

    def where(self) -> tuple[str, list[object]]:
        """A condition on the table `candidates`, and the values of its question marks."""
        given: list[FilterTerm] = []
        for key, value in (("state", self.state), ("verdict", self.judged), ("text", self.text)):
            given += [FilterTerm(key, ":", (value,))] if value else []
        parts: list[str] = [] if any(t.key == "state" for t in (*given, *self.terms)) else [UNSCREENED]
        values: list[object] = []
        if self.operator:
            parts.append("operator = ?")
            values.append(self.operator)
        for term in (*given, *self.terms):
            condition, own = _condition(term, self.front)
            # What is not known (NULL) is no match, and a match of what is turned round.
            parts.append(f"({condition}) IS NOT TRUE" if term.negated else f"({condition})")
            values += own
        return " AND ".join(parts) or "TRUE", values


_STANDING = (
    "id IN (SELECT candidate FROM (SELECT candidate, kind, max(id) FROM verdicts WHERE kind <> 'note'"
    " GROUP BY candidate) WHERE kind = ?)"
)
_FAMILY = (
    "id IN (WITH RECURSIVE family(id) AS (SELECT {end} FROM parents WHERE {start} = ?"
    " UNION SELECT {end} FROM family JOIN parents ON {start} = family.id) SELECT id FROM family)"
)


def _condition(term: FilterTerm, front: Collection[int]) -> tuple[str, list[object]]:
    if term.relation != ":":
        sql, values = (NUMBERS[term.key], []) if term.key in NUMBERS else metric(term.key)
        return f"{sql} {term.relation} ?", [*values, term.values[0]]
    if term.key == "front":
        way = "IN" if term.values[0] == "yes" else "NOT IN"
        return f"id {way} (SELECT value FROM json_each(?))", [json.dumps(sorted(front))]
    found = [_one(term.key, str(value)) for value in term.values]
    return " OR ".join(sql for sql, _ in found), [value for _, values in found for value in values]


def _one(key: str, value: str) -> tuple[str, list[object]]:
    if key == "text":
        return "instr(source, ?) > 0", [value]
    if key == "state":
        return "state = ?", [value]
    if key == "verdict":
        if value == "note":
            return "id IN (SELECT candidate FROM verdicts WHERE kind = 'note')", []
        if value == "none":
            return "id NOT IN (SELECT candidate FROM verdicts WHERE kind <> 'note')", []
        return _STANDING, [value]
    if key == "parent":
        return "id IN (SELECT candidate FROM parents WHERE parent = ?)", [int(value.lstrip("#"))]
    if key in ("from", "into"):
        start, end = ("parent", "candidate") if key == "from" else ("candidate", "parent")
        return _FAMILY.format(start=f"parents.{start}", end=f"parents.{end}"), [int(value.lstrip("#"))]
    if key == "reason":
        return f"({REASON}) LIKE ? ESCAPE '\\'", [f"%{_pattern(value)}%"]
    column = {"op": "operator", "name": "name", "stage": STAGE}[key]
    return f"({column}) LIKE ? ESCAPE '\\'", [_pattern(value)]


def _pattern(value: str) -> str:
    """`*` and `?` as SQL's LIKE has them; what it would take for a sign is kept a letter."""
    kept = re.sub(r"([%_\\])", r"\\\1", value)
    return kept.replace("*", "%").replace("?", "_")

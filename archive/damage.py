"""What is wrong with the values of an archive that somebody else made, or a disk spoilt.

A writer of this project writes no such value, so a reader does not look at each: where one stumbles, this
says over which row and why.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import State

MOST_DIGITS = 400
"""Of a number in JSON."""

Problem = Callable[[object], str]
"""What was expected of a value, "" where it is so."""


def damage(path: Path) -> str:
    """The first value of an archive that can't be one, in one line: table, row, column, expected, got. ""
    where all can be. Reads the whole file. Raises ArchiveError where it can't be read at all.
    """
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        for table, columns in _EXPECTED.items():
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            known = {name: columns[name] for name in columns if name in names}
            if not known:
                continue
            first = _KEYS.get(table, "rowid")
            rows = connection.execute(f"SELECT {first}, {', '.join(known)} FROM {table}")
            for identity, *values in rows:
                for (column, problem), value in zip(known.items(), values, strict=True):
                    if expected := problem(value):
                        got = repr(value)[:60]
                        return f"{path}: {table} row {identity}, {column}: expected {expected}, got {got}"
        for table, (rule, expected) in _RULES.items():
            broken = connection.execute(f"SELECT id FROM {table} WHERE NOT ({rule}) LIMIT 1").fetchone()
            if broken:
                return f"{path}: {table} row {broken[0]}: expected {expected}"
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path}: {error}") from error
    finally:
        connection.close()
    return ""


def _finite(value: object) -> str:
    good = isinstance(value, int | float) and math.isfinite(value)
    return "" if good else "a finite number"


def _measure(value: object) -> str:
    good = value is None or (isinstance(value, int | float) and 0 <= value < math.inf)
    return "" if good else "a finite number of at least 0, or none"


def _count(value: object) -> str:
    return "" if type(value) is int and value >= 0 else "a whole number of at least 0"


def _identity(value: object) -> str:
    return "" if value is None or (type(value) is int and value >= 0) else "the number of a row, or none"


def _text(value: object) -> str:
    return "" if isinstance(value, str) else "text"


def _words(value: object) -> str:
    return "" if value is None or isinstance(value, str) else "text, or none"


def _state(value: object) -> str:
    return "" if value in set(State) else f"one of {', '.join(State)}"


def _bytes(value: object) -> str:
    return "" if isinstance(value, bytes) else "bytes"


def _json(kind: type, each: Problem | None = None, *, optional: bool = False) -> Problem:
    """JSON of a kind, finite throughout; `each`: what is expected of its values; `optional`: or none."""
    name = "object" if kind is dict else "list" if kind is list else "value"

    def problem(value: object) -> str:
        if value is None and optional:
            return ""
        try:
            read: Any = json.loads(str(value), parse_constant=_refuse, parse_float=_parsed, parse_int=_parsed)
        except (ValueError, RecursionError) as error:
            return f"JSON with finite numbers ({error})"
        fits = isinstance(value, str) and isinstance(read, kind)
        if not fits:
            return f"a JSON {name}"
        inner: list[Any] = list(read.values() if isinstance(read, dict) else read if each else ())
        found = next((said for one in inner if each and (said := each(one))), "")
        return f"a JSON {name} of which each value is {found}" if found else ""

    return problem


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


def _parsed(text: str) -> float:
    if len(text) > MOST_DIGITS or not math.isfinite(float(text)):
        raise ValueError(f"{text[:20]} is too large")
    return float(text)


_OBJECT = _json(dict)
_METRICS = _json(dict, _finite)
_TEXTS = _json(list, _text)

_RULES: Mapping[str, tuple[str, str]] = {
    "candidates": (
        "(state = 'scored') = (error IS NOT NULL) AND (state = 'duplicate') = (duplicate_of IS NOT NULL)",
        "an error where it is scored, and a first where it is a duplicate",
    ),
    "evaluations": (
        "(outcome = 'scored') = (error IS NOT NULL AND metrics IS NOT NULL) AND"
        " (outcome = 'failed') = (stage IS NOT NULL AND fault IS NOT NULL AND reason IS NOT NULL)",
        "metrics where it is scored, and stage, fault and reason where it failed",
    ),
}
"""What holds between the columns of a row, as the tables are made."""

_KEYS = {"meta": "key", "parents": "candidate"}
"""What names a row of a table that has no number of its own."""

_EXPECTED: Mapping[str, Mapping[str, Problem]] = {
    "meta": {"key": _text, "value": _json(object)},
    "parents": {"candidate": _count, "position": _count, "parent": _count},
    "candidates": {
        "id": _count,
        "operator": _text,
        "state": _state,
        "generation": _count,
        "number": _identity,
        "error": _measure,
        "params": _measure,
        "seeds": _count,
        "name": _words,
        "duplicate_of": _identity,
        "cpu_seconds": _measure,
        "source_digest": _words,
        "function_digest": _words,
        "metrics": _METRICS,
        "repairs": _TEXTS,
        "note": _text,
        "change": _text,
        "source": _text,
        "text": _text,
    },
    "evaluations": {
        "id": _count,
        "candidate": _count,
        "rung": _text,
        "seed": _count,
        "kind": _text,
        "outcome": lambda value: "" if value in ("scored", "failed") else "scored or failed",
        "stage": _words,
        "fault": lambda value: "" if value in (None, "candidate", "infrastructure") else "a fault",
        "error": _measure,
        "params": _measure,
        "seconds": _measure,
        "cpu_seconds": _measure,
        "reason": _words,
        "metrics": _json(dict, _finite, optional=True),
        "correct": _bytes,
        "detail": _OBJECT,
    },
    "events": {"time": _measure, "kind": _text, "candidate": _identity, "detail": _OBJECT},
    "proposals": {
        "number": _count,
        "candidate": _count,
        "operator": _text,
        "batch": _count,
        "ordinal": _count,
        "saw": _count,
        "context": _OBJECT,
    },
    "lm_calls": {
        "batch": _count,
        "model": _text,
        "digest": _text,
        "state": _text,
        "prompt_tokens": _count,
        "completion_tokens": _count,
        "seconds": _measure,
        "cpu_seconds": _measure,
        "price": _measure,
        "error": _text,
        "request": _OBJECT,
        "finish_reasons": _TEXTS,
        "replies": _TEXTS,
        "prompt": _text,
    },
    "verdicts": {"candidate": _count, "kind": _text, "text": _text, "time": _measure},
}
"""What each column holds."""

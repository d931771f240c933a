"""Damaged model files, and what must hold for every text: shared by the tests and `benchmarks/fuzz.py`."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from evoarch.sandbox.catalogue import RULES
from evoarch.sandbox.genome import canonical, strip_prose
from evoarch.sandbox.parsing import GenomeError
from evoarch.sandbox.vet import vet

_PIECES = (
    *(bytes([byte]) for byte in b"()[]{}:,;#@\"'\\\n\t\r\0\x0c\xff*"),
    *b"""    |\"\"\"|lambda x: |not |async |await |yield |global x|nonlocal y|match x:|case _:|f'{x!r}'
**|:=|->|...|0x|1e999|import |from . import x|del |999999999999999999999999999999999999999999""".replace(
        b"\n", b"|"
    ).split(b"|"),
    b"\xed\xa0\x80",  # half of a surrogate pair
    "\u00e9".encode(),
    "\u2028".encode(),
)
_RULES = frozenset(rule.id for rule in RULES)


def damaged(sources: Sequence[str], rng: random.Random) -> str:
    """One of `sources` after up to six changes to its bytes, words or lines. Many still parse."""
    data = rng.choice(sources).encode()
    for _ in range(rng.randrange(1, 7)):
        data = rng.choice((_bytes, _words, _words, _lines, _lines, _splice))(data, sources, rng)
    how = rng.choice(("surrogateescape", "replace", "ignore"))
    return data.decode("utf-8", how)


def _bytes(data: bytes, sources: Sequence[str], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    end = min(at + rng.choice((0, 0, 1, 1, 2, 8)), len(data))
    piece = rng.choice((rng.choice(_PIECES), bytes([rng.randrange(256)]), b""))
    return data[:at] + piece * rng.choice((1, 1, 1, 300)) + data[end:]


def _words(data: bytes, sources: Sequence[str], rng: random.Random) -> bytes:
    """Puts one of the file's words in the place of another, or of all like it."""
    words = list(re.finditer(rb"\w+", data))
    if not words:
        return data
    old, new = rng.choice(words), rng.choice(words)[0]
    if rng.random() < 0.5:
        return data[: old.start()] + new + data[old.end() :]
    return re.sub(rb"\b" + re.escape(old[0]) + rb"\b", new, data)


def _lines(data: bytes, sources: Sequence[str], rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            del lines[one]
        case 2:
            lines.insert(other, lines[one])
        case _:
            lines[one] = rng.choice((b"    ", b"  ", b"")) + lines[one].lstrip()
    return b"\n".join(lines)


def _splice(data: bytes, sources: Sequence[str], rng: random.Random) -> bytes:
    lines, others = data.split(b"\n"), rng.choice(sources).encode().split(b"\n")
    start = rng.randrange(len(others))
    at = rng.randrange(len(lines) + 1)
    return b"\n".join([*lines[:at], *others[start : start + rng.randrange(1, 12)], *lines[at:]])


def _form(source: str) -> str | None:
    try:
        return canonical(source)
    except GenomeError:
        return None


def holds(source: str, offers: Mapping[str, object]) -> bool:
    """Asserts what must hold for any text; True where the text parses.

    No exception but GenomeError; every finding has a place and a known rule; the canonical form is
    idempotent; what does not parse is found by vetting; taking out the prose does not change the digest.
    """
    findings = vet(source, offers=offers)
    for finding in findings:
        assert finding.line >= 1, finding
        assert finding.column >= 0, finding
        assert finding.rule in _RULES, finding
        assert finding.message, finding
        assert finding.hint, finding
    form = _form(source)
    if form is None:
        assert {finding.rule for finding in findings} & {"syntax", "size"}
        return False
    assert canonical(form) == form
    assert canonical(strip_prose(source)) == form
    return True

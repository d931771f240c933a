"""Text that a person reads: what would be obeyed, hidden or mistaken for another is shown by its number.

Generated code, names, notes and messages of children reach a terminal, a page and Markdown. Control
characters move a cursor; bidirectional marks make code read in another order than it runs (Boucher and
Anderson 2021, "Trojan Source"); zero-width characters and letters of other alphabets make two names look
alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters without a picture of their own."""

_KEPT = frozenset("\n\t")

_WORD = re.compile(r"[^\W\d_]\w*")

_ALIKE = ("CYRILLIC ", "GREEK ", "ARMENIAN ", "CHEROKEE ", "COPTIC ", "LISU ", "FULLWIDTH ", "MATHEMATICAL ")
"""How the names of letters begin that can pass for Latin ones."""


def visible(text: str) -> str:
    """`text` with each unsafe character written as `⟨U+202E⟩`. Line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    unsafe = dict(_unsafe(text))
    if not unsafe:
        return text
    return "".join(f"⟨U+{ord(c):04X}⟩" if place in unsafe else c for place, c in enumerate(text))


def first_unsafe(text: str) -> tuple[int, str] | None:
    """The place and name of the first unsafe character; None where there is none."""
    return next(_unsafe(text), None)


def _unsafe(text: str) -> Iterator[tuple[int, str]]:
    """(place, what it is), in order. Carriage returns before a line's end are no more than that."""
    found: dict[int, str] = {}
    for place, character in enumerate(text):
        if character in _KEPT or (character == "\r" and text[place + 1 : place + 2] == "\n"):
            continue
        if not character.isprintable() and unicodedata.category(character) in _HIDDEN:
            found[place] = unicodedata.name(character, f"U+{ord(character):04X}")
    if not text.isascii():
        for word in _WORD.finditer(text):
            if not word[0].isascii() and any(c.isascii() and c.isalpha() for c in word[0]):
                for place, character in enumerate(word[0], word.start()):
                    name = unicodedata.name(character, "")
                    if not character.isascii() and name.startswith(_ALIKE):
                        found[place] = name
    yield from sorted(found.items())

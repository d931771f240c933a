"""A genome's identity: its canonical form and the digest of that form."""

from __future__ import annotations

import hashlib

from evoarch.sandbox.canonical import first_pass, next_pass
from evoarch.sandbox.canonical_prose import without_prose
from evoarch.sandbox.parsing import parse

_MOST_PASSES = 8
"""Two settle every file seen; the bound only keeps the loop finite."""


def strip_prose(source: str) -> str:
    """`source` without comments, docstrings and other bare strings; the code keeps its layout.

    What a genome says in prose may be an instruction, so it never reaches a prompt.
    Raises GenomeError for text that is no Python file.
    """
    return without_prose(parse(source)).code


def canonical(source: str, entry: str = "Model") -> str:
    """The canonical form: runnable source, equal for files that differ only in how they are written.

    Comments, docstrings, formatting, import order, import aliases and unused imports are gone; locals,
    attributes and helpers are named by order of appearance. `entry`, its parameters and RECIPE keep their
    names, and so does every name that something outside the file might look up: when unsure, two files
    stay different. Idempotent. Raises GenomeError for text that is no Python file.
    """
    last = first_pass(source, entry)
    for _ in range(_MOST_PASSES):
        # A new name can end a clash that kept another name as it was.
        form, last = last[0], next_pass(last, entry)
        if last[0] == form:
            break
    return last[0]


def source_digest(source: str, entry: str = "Model") -> str:
    """sha256 of the canonical form, in hexadecimal. Raises GenomeError for text that is no Python file."""
    return hashlib.sha256(canonical(source, entry).encode()).hexdigest()

"""Vetting: every finding about a model file at once, each with its place and a hint to act on.

It is for quality and early feedback, not a wall: the wall is the process that runs the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evoarch.sandbox.catalogue import CHECKS
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.parsing import GenomeError, parse
from evoarch.sandbox.places import places
from evoarch.sandbox.rules.base import File, Found
from evoarch.sandbox.rules.text import HIDDEN, MAX_BYTES, MAX_LINES, SIZE, SYNTAX
from evoarch.sandbox.visible import first_unsafe


def vet(
    source: str,
    *,
    entry: str = "Model",
    offers: Mapping[str, object],
    imports: Sequence[str] = (),
    recipe: bool = True,
) -> list[Finding]:
    """All findings about `source`, in the order of the text; an empty list is a file that may run.

    `entry` is called with those of `offers` (name to value) that its signature names. `imports` are modules
    that the campaign allows besides the usual ones; `recipe`: whether a file may bring its own RECIPE. Never
    raises, whatever the text.
    """
    findings = [*_size(source), *_hidden(source)]
    try:
        file = File(source, parse(source), entry, offers, tuple(imports), recipe)
    except GenomeError as error:
        if findings and len(source) > MAX_BYTES:
            return findings
        hint = "write one complete Python file and nothing else"
        return [*findings, Finding(error.line, error.column, SYNTAX.id, error.message, hint)]
    found = [one for check in CHECKS for one in check(file)]
    if found:
        findings += _placed(file, found)
    return sorted(
        set(findings), key=lambda finding: (finding.line, finding.column, finding.rule, finding.message)
    )


def _size(source: str) -> list[Finding]:
    size, lines = len(source.encode(errors="replace")), source.count("\n") + 1
    if size <= MAX_BYTES and lines <= MAX_LINES:
        return []
    message = f"expected at most {MAX_BYTES} bytes and {MAX_LINES} lines, got {size} and {lines}"
    line = MAX_LINES + 1 if lines > MAX_LINES else 1
    return [Finding(line, 0, SIZE.id, message, "keep the layers that matter; build repeated ones in a loop")]


def _hidden(source: str) -> list[Finding]:
    found = first_unsafe(source)
    if found is None:
        return []
    place, name = found
    line = source.count("\n", 0, place) + 1
    column = place - (source.rfind("\n", 0, place) + 1)
    message = f"{name} (U+{ord(source[place]):04X}) can't be seen, or passes for another character"
    return [
        Finding(line, column, HIDDEN.id, message, "write it with plain letters, or as an escape in a string")
    ]


def _placed(file: File, found: list[Found]) -> list[Finding]:
    at = places(file.module, (one.node for one in found))
    return [Finding(*at[one.node], one.rule.id, one.message, one.hint) for one in found]

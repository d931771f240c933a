"""A model's reply turned back into source, or into a problem. Nothing here raises for what a reply holds."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from evoarch.prompts.outline import Outline, assemble, definitions
from evoarch.sandbox.parsing import GenomeError, gate, parse

MAX_REPLY = 65_536
"""Characters. The largest baseline file has 2,000; a longer reply is refused unread."""

MAX_TAIL = 12
"""Lines of the unfinished statement that may be dropped from the end of a reply that was cut off."""

_FENCE = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"^(?:import|from|class|def|@|RECIPE\b)", re.MULTILINE)


@dataclass(frozen=True)
class Parsed:
    """`source` of a child, or "" with the `problem` in one line."""

    source: str = ""
    problem: str = ""


def completed(head: str, reply: str, around: Outline, entry: str, *, cut: bool = False) -> Parsed:
    """What a base model wrote behind `head` (prompts.outline.header), up to the first text in column 0.

    `cut`: the reply ended at the token limit; then its unfinished last statement is dropped where the rest is
    sound. `around` gives imports and helpers.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    try:
        text, dropped = sound(head + _body(reply), cut=cut)
        return _blamed(checked(assemble(around, text), entry), dropped)
    except GenomeError as error:
        return Parsed(problem=f"expected Python code, got {error}")


def answered(reply: str, around: Outline, entry: str, *, cut: bool = False) -> Parsed:
    """What a chat model answered: one file with one entry, in a code fence or bare, among prose or not.

    `cut`: as in `completed`.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    try:
        text, dropped = sound(fenced(reply, rf"^(?:class|def)\s+{re.escape(entry)}\b"), cut=cut)
        return _blamed(checked(assemble(around, text), entry), dropped)
    except GenomeError as error:
        return Parsed(problem=f"expected a Python file, got {error}")


def unreadable(reply: str) -> str:
    """Why a reply can't be looked at ("" if it can): empty, too long, or no UTF-8 text."""
    if not reply.strip():
        return "expected code, got an empty reply"
    if len(reply) > MAX_REPLY:
        return f"expected at most {MAX_REPLY} characters, got {len(reply)}"
    try:
        reply.encode()
    except UnicodeEncodeError as error:
        return f"expected UTF-8 text, got {reply[error.start]!r} at character {error.start}"
    return ""


def _body(reply: str) -> str:
    """`reply` up to the first text in column 0; its own first line goes on where the prompt ended."""
    first, *rest = reply.replace("\r\n", "\n").expandtabs(4).split("\n")
    for number, line in enumerate(rest):
        if line[:1].strip():
            rest = rest[:number]
            break
    return "\n".join([first, *rest]).rstrip() + "\n"


def sound(text: str, *, cut: bool) -> tuple[str, GenomeError | None]:
    """`text` if LibCST reads it; if it was `cut` off, its beginning without the unfinished last statement.

    The error of what was dropped stands beside it. Raises GenomeError where more than one statement is wrong.
    """
    lines = text.rstrip().split("\n")
    try:
        parse("\n".join(lines) + "\n")
        return "\n".join(lines) + "\n", None
    except GenomeError as error:
        if not cut:
            raise
        first = error
    for at in range(len(lines) - 1, max(0, len(lines) - 1 - MAX_TAIL), -1):
        if not lines[at].strip() or not _one_statement(lines[at:]):
            continue
        beginning = "\n".join(lines[:at]) + "\n"
        try:
            parse(beginning)
            return beginning, first
        except GenomeError:
            continue
    raise first


def _one_statement(lines: Sequence[str]) -> bool:
    """Whether all `lines` belong to the statement that the first one begins: deeper, or in its brackets."""
    depth = 0
    outer = len(lines[0]) - len(lines[0].lstrip())
    for number, line in enumerate(lines):
        deeper = len(line) - len(line.lstrip()) > outer
        if number and line.strip() and depth <= 0 and not deeper:
            return False
        depth += open_brackets(line)
    return True


def _blamed(parsed: Parsed, cut: GenomeError | None) -> Parsed:
    """If the part that parses is no model, the error behind it is what was wrong with the reply."""
    return Parsed(problem=f"expected Python code, got {cut}") if parsed.problem and cut else parsed


def checked(source: str, entry: str) -> Parsed:
    """One entry; and if it is a class of nn.Module's own kind, a forward that returns something."""
    found = definitions(source, entry)
    if found != 1:
        return Parsed(problem=f"expected one definition of {entry}, got {found}")
    for node in gate(source).body:
        if isinstance(node, ast.ClassDef) and node.name == entry:
            return _whole(source, node)
    return Parsed(source)


def _whole(source: str, node: ast.ClassDef) -> Parsed:
    if [ast.unparse(base) for base in node.bases] != ["nn.Module"]:
        return Parsed(source)  # forward may be inherited
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "forward":
            if any(isinstance(each, ast.Return) and each.value for each in ast.walk(member)):
                return Parsed(source)
            return Parsed(problem=f"expected {node.name}.forward to return something, the reply ends before")
    return Parsed(problem=f"expected {node.name} to define forward, the reply ends before")


def fenced(reply: str, wanted: str) -> str:
    """The last fenced block that `wanted` matches, or the last one; else from the first line of code."""
    reply = reply.replace("\r\n", "\n")
    blocks = [textwrap.dedent(block) for block in _FENCE.findall(reply)]
    if found := [block for block in blocks if re.search(wanted, block, re.MULTILINE)] or blocks:
        return found[-1]
    start = _CODE.search(reply)
    return reply[start.start() :] if start else reply


def open_brackets(text: str) -> int:
    """How many brackets `text` leaves open; those in strings count too, which costs a child at worst."""
    return sum(text.count(each) for each in "([{") - sum(text.count(each) for each in ")]}")

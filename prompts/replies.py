"""A model's reply turned back into source, or into a problem. Nothing here raises for what a reply holds."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass

from prompts.outline import Outline, assemble, definitions
from prompts.spans import Span, splice
from sandbox.genome import GenomeError, gate

MAX_REPLY = 65_536
"""Characters. The largest baseline file has 2,000; a longer reply is refused unread."""

MAX_TAIL = 12
"""Lines that may be dropped from a reply's end to make it parse: one statement over several lines."""

_FENCE = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"^(?:import|from|class|def|@|RECIPE\b)", re.MULTILINE)


@dataclass(frozen=True)
class Parsed:
    """`source` of a child, or "" with the `problem` in one line."""

    source: str = ""
    problem: str = ""


def completed(head: str, reply: str, around: Outline, entry: str) -> Parsed:
    """What a base model wrote behind `head` (prompts.outline.header), up to the first text in column 0.

    An unfinished last statement is dropped where the rest is sound. `around` gives imports and helpers.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    try:
        text, cut = _sound(head + _body(reply))
        return _blamed(_checked(assemble(around, text), entry), cut)
    except GenomeError as error:
        return Parsed(problem=f"expected Python code, got {error}")


def answered(reply: str, around: Outline, entry: str) -> Parsed:
    """What a chat model answered: one file with one entry, in a code fence or bare, among prose or not."""
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    try:
        text, cut = _sound(_fenced(reply, rf"^(?:class|def)\s+{re.escape(entry)}\b"))
        return _blamed(_checked(assemble(around, text), entry), cut)
    except GenomeError as error:
        return Parsed(problem=f"expected a Python file, got {error}")


def spanned(source: str, span: Span, reply: str, entry: str) -> Parsed:
    """What a base model wrote behind `span.lead`: one logical line, put in the span's place."""
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    text = span.lead + _logical_line(span.lead, reply)
    return _spliced(source, span, text, entry)


def span_answered(source: str, span: Span, reply: str, entry: str) -> Parsed:
    """What a chat model answered for a span: statements, in a code fence or bare."""
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    text = textwrap.dedent(_fenced(reply, r"\S")).strip("\n")
    return _spliced(source, span, text, entry)


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


def _sound(text: str) -> tuple[str, GenomeError | None]:
    """The longest beginning of `text` that parses, without at most MAX_TAIL lines of its end; and why."""
    lines = text.rstrip().split("\n")
    first: GenomeError | None = None
    for dropped in range(min(MAX_TAIL + 1, len(lines))):
        beginning = "\n".join(lines[: len(lines) - dropped]) + "\n"
        try:
            gate(beginning)
            return beginning, first
        except GenomeError as error:
            first = first or error
    assert first is not None
    raise first


def _blamed(parsed: Parsed, cut: GenomeError | None) -> Parsed:
    """If the part that parses is no model, the error behind it is what was wrong with the reply."""
    return Parsed(problem=f"expected Python code, got {cut}") if parsed.problem and cut else parsed


def _checked(source: str, entry: str) -> Parsed:
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


def _fenced(reply: str, wanted: str) -> str:
    """The last fenced block that `wanted` matches, or the last one; else from the first line of code."""
    reply = reply.replace("\r\n", "\n")
    blocks = [textwrap.dedent(block) for block in _FENCE.findall(reply)]
    if found := [block for block in blocks if re.search(wanted, block, re.MULTILINE)] or blocks:
        return found[-1]
    start = _CODE.search(reply)
    return reply[start.start() :] if start else reply


def _logical_line(lead: str, reply: str) -> str:
    """The reply's first line, and those after it while a bracket is open."""
    lines = reply.split("\n")
    text = lines[0]
    for line in lines[1:MAX_TAIL]:
        if _open(lead + text) <= 0:
            break
        text += "\n" + line
    return text.rstrip()


def _open(text: str) -> int:
    return sum(text.count(each) for each in "([{") - sum(text.count(each) for each in ")]}")


def _spliced(source: str, span: Span, text: str, entry: str) -> Parsed:
    if text.strip() == span.text.strip():
        return Parsed(problem="the reply repeats the statement it was to change")
    try:
        if not gate(text).body:
            return Parsed(problem="expected a statement, got none")
        return _checked(splice(source, span, text), entry)
    except GenomeError as error:
        return Parsed(problem=f"expected a statement, got {error}")

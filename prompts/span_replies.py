"""A reply for one span of a parent, put in its place. Nothing here raises for what a reply holds."""

from __future__ import annotations

import ast
import textwrap

from evoarch.prompts.chat import Fence, answer_in, fences
from evoarch.prompts.replies import MAX_TAIL, Parsed, checked, open_brackets, sound, unreadable
from evoarch.prompts.spans import CALLED_LAYER, METHOD, SourceSpan, splice
from evoarch.sandbox.parsing import GenomeError, gate


def spanned(source: str, span: SourceSpan, reply: str, entry: str, *, cut: bool = False) -> Parsed:
    """What a base model wrote behind `span.lead`, put in the span's place.

    One logical line; of a method its body, without an unfinished last statement where the reply was `cut` off
    at the token limit; of a called layer the layer, with its call as a comment behind it.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    if span.kind == METHOD:
        try:
            text = sound(span.lead + _method_body(reply, len(span.indent)), cut=cut)[0].rstrip()
        except GenomeError as error:
            return Parsed(problem=f"expected a method, got {error}")
    elif span.kind == CALLED_LAYER:
        text = _with_call(span, _behind(span.lead, reply.split("\n")[0]))
    else:
        text = _behind(span.lead, _logical_line(span.lead, reply))
    return _spliced(source, span, text, entry)


def span_answered(source: str, span: SourceSpan, reply: str, entry: str, *, cut: bool = False) -> Parsed:
    """What a chat model answered for a span: statements, in a code fence or bare.

    Of several fences the last one that fits counts.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    reply = answer_in(reply)
    if not reply.strip():
        return Parsed(problem="expected code, got reasoning alone")
    found = [
        _answer(source, span, block.text.strip("\n"), entry, cut=cut and not block.closed)
        for block in fences(reply) or [Fence(textwrap.dedent(reply), closed=False)]
    ]
    return ([parsed for parsed in found if not parsed.problem] or found)[-1]


def _answer(source: str, span: SourceSpan, text: str, entry: str, *, cut: bool) -> Parsed:
    if cut:
        try:
            text = sound(text, cut=True)[0].rstrip()
        except GenomeError as error:
            return Parsed(problem=f"expected a statement, got {error}")
    return _spliced(source, span, text, entry)


def _behind(lead: str, reply: str) -> str:
    """`reply` where the prompt ended, with the space between that a model may leave out behind a word."""
    return f"{lead} {reply.lstrip(' ')}" if lead.endswith(("=", "return")) else lead + reply


def _logical_line(lead: str, reply: str) -> str:
    """The reply's first line, and those after it while a bracket is open or a backslash ends it."""
    lines = reply.split("\n")
    text = lines[0]
    for line in lines[1:MAX_TAIL]:
        if open_brackets(lead + text) <= 0 and not text.endswith("\\"):
            break
        text += "\n" + line
    return text.rstrip()


def _method_body(reply: str, outer: int) -> str:
    """`reply` up to the first text that is no deeper than its `def` (column `outer`), moved left by that."""
    first, *rest = reply.replace("\r\n", "\n").expandtabs(4).split("\n")
    body = [first]
    for line in rest:
        if line.strip() and len(line) - len(line.lstrip()) <= outer:
            break
        body.append(line[outer:])
    return "\n".join(body).rstrip() + "\n"


def _with_call(span: SourceSpan, line: str) -> str:
    """`layer  # call` as two statements; a comment that is no call of that layer leaves its call as it is."""
    layer, _, comment = line.partition("#")
    call = comment.strip()
    try:
        gate(call)
    except GenomeError:
        return layer.rstrip()
    return f"{layer.rstrip()}\n{call}" if f"self.{span.name}(" in call else layer.rstrip()


def _spliced(source: str, span: SourceSpan, text: str, entry: str) -> Parsed:
    if text.strip() in (span.text.strip(), span.shown.strip()):
        return Parsed(problem="the reply repeats the statement it was to change")
    try:
        body = gate(text).body
        if not body:
            return Parsed(problem="expected a statement, got none")
        if span.kind == METHOD and not _is_method(body, span.name):
            return Parsed(problem=f"expected one method {span.name}, got other statements")
        if span.kind != METHOD and any(isinstance(node, ast.ClassDef | ast.FunctionDef) for node in body):
            return Parsed(problem="expected a statement, got a definition")
        if span.kind == CALLED_LAYER and not _sets(body, span.name):
            return Parsed(problem=f"expected a statement that sets self.{span.name}, got none")
        return checked(splice(source, span, text), entry)
    except GenomeError as error:
        return Parsed(problem=f"expected a statement, got {error}")


def _is_method(body: list[ast.stmt], name: str) -> bool:
    return len(body) == 1 and isinstance(body[0], ast.FunctionDef) and body[0].name == name


def _sets(body: list[ast.stmt], name: str) -> bool:
    targets = [node.targets[0] for node in body if isinstance(node, ast.Assign)]
    return any(isinstance(target, ast.Attribute) and target.attr == name for target in targets)

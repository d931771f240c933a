"""A chat model's answer in whatever sound form it came, put into the file it was asked about.

A model that is asked for a statement may give the method, the class or the whole file; one that is asked for
a file may give edits. All of these say what the child is. Nothing here raises for what a reply holds.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable
from dataclasses import replace

from evoarch.prompts.chat import Fence, answer_in, fences
from evoarch.prompts.edits import edited, marked
from evoarch.prompts.outline import Outline, assemble, outline
from evoarch.prompts.replies import Parsed, answered, checked, unreadable
from evoarch.prompts.span_replies import span_answered
from evoarch.prompts.spans import CALLED_LAYER, LAYER, METHOD, SourceSpan, find, splice
from evoarch.sandbox.parsing import GenomeError, gate

FILE, EDITS = "file", "edits"


def read(
    reply: str, asked: str | SourceSpan, source: str, around: Outline, entry: str, *, cut: bool = False
) -> Parsed:
    """The child that `reply` makes of `source`. `asked`: FILE, EDITS, or the span to write again.

    The form that was asked for counts first, but a whole file is never taken for a statement. `around`: the
    imports and helpers that a file may name; `cut`: the reply ended at the token limit. The note says in
    which other form an answer came.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    wanted = asked if isinstance(asked, str) else "span"
    forms: dict[str, Callable[[], Parsed]] = {
        FILE: lambda: answered(reply, around, entry, cut=cut),
        EDITS: lambda: edited(source, reply, entry, cut=cut),
        "pieces": lambda: _pieces(source, reply, entry),
    }
    if isinstance(asked, SourceSpan):
        forms["span"] = lambda: span_answered(source, asked, reply, entry, cut=cut)
    order = [wanted, *(form for form in forms if form != wanted)]
    seen = answer_in(reply)
    if wanted != FILE and re.search(rf"^(?:class|def)\s+{re.escape(entry)}\b", seen, re.MULTILINE):
        order = [FILE, *order]
    if marked(seen):
        order = [EDITS, *order]
    first = forms[wanted]()
    for form in dict.fromkeys(order):
        parsed = first if form == wanted else forms[form]()
        if not parsed.problem:
            return parsed if form == wanted else replace(parsed, note=_note(form, parsed.note, wanted))
    return first


def _note(form: str, note: str, wanted: str) -> str:
    came = {FILE: "a whole file", EDITS: "edits", "pieces": "other parts of the file"}.get(
        form, "a statement"
    )
    asked = {FILE: "a whole file was", EDITS: "edits were"}.get(wanted, "one place was")
    return "; ".join(part for part in (f"{came}, where {asked} asked for", note) if part)


def _pieces(source: str, reply: str, entry: str) -> Parsed:
    """The methods, helper classes and statements of the last code block that fits, each in its place."""
    reply = answer_in(reply)
    blocks = fences(reply) or [Fence(textwrap.dedent(reply))]
    found = [_placed(source, block.text.strip("\n"), entry) for block in blocks]
    return next((parsed for parsed in reversed(found) if not parsed.problem), found[-1])


def _placed(source: str, text: str, entry: str) -> Parsed:
    child, lines = source, text.split("\n")
    try:
        nodes = gate(text).body
        if not nodes:
            return Parsed(problem="expected code, got none")
        for node in nodes:
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
            child = _put(child, node, "\n".join(lines[first - 1 : node.end_lineno]), entry)
        same = ast.dump(ast.parse(child)) == ast.dump(ast.parse(source))
        return Parsed(problem="expected a change, got what is there") if same else checked(child, entry)
    except (GenomeError, LookupError) as error:
        return Parsed(problem=f"expected parts of the model, got {error}")


def _put(source: str, node: ast.stmt, text: str, entry: str) -> str:
    """`source` with one statement of an answer in the place of its namesake. Raises LookupError for none."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        around = outline(source, entry)
        return assemble(replace(around, imports=(*around.imports, text)), around.entry)
    if isinstance(node, ast.ClassDef) and node.name in (known := outline(source, entry).helpers):
        return source.replace(known[node.name], text, 1)
    span = _namesake(source, node, entry)
    if span is None:
        raise LookupError(f"{text.split(chr(10))[0][:80]!r}, which stands nowhere in it")
    return splice(source, span, text)


def _namesake(source: str, node: ast.stmt, entry: str) -> SourceSpan | None:
    """The one method, layer or call in `source` that a statement would take the place of."""
    spans = find(source, entry, settled=True)
    if isinstance(node, ast.FunctionDef):
        same = [span for span in spans if span.kind == METHOD and span.name == node.name]
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        name = node.targets[0].attr
        same = [span for span in spans if span.kind == LAYER and span.name == name]
    else:
        called = re.findall(r"self\.(\w+)\(", ast.unparse(node))
        calls = {
            (span.call.start, span.call.after): span.call
            for span in spans
            if span.kind == CALLED_LAYER and span.call is not None and span.name in called
        }
        same = [SourceSpan("statement", c.start, c.after, c.indent, c.text, "") for c in calls.values()]
    own = source.split("\n").index(outline(source, entry).entry.split("\n")[0])
    # Helper classes, which stand above, may have methods and layers of the same names.
    same = [span for span in same if span.start > own] or same
    places = {(span.start, span.end): span for span in same}
    return next(iter(places.values())) if len(places) == 1 else None

"""What the language-model operators share: one reply's samples turned into exactly the drafts asked for."""

from __future__ import annotations

from collections.abc import Callable

from agent.lm.seam import LMReply
from agent.operators.base import Draft
from prompts.replies import Parsed


def drafts(reply: LMReply, count: int, change: str, parse: Callable[[str], Parsed]) -> list[Draft]:
    """`count` drafts: a sample that is missing, withheld or unreadable becomes a draft with a problem."""
    return [_draft(reply, index, change, parse) for index in range(count)]


def _draft(reply: LMReply, index: int, change: str, parse: Callable[[str], Parsed]) -> Draft:
    if index >= len(reply.texts):
        why = reply.detail.get("problem", "the model gave no sample")
        return Draft("", change, problem=f"expected a reply: {why}")
    text = reply.texts[index]
    if reply.finish_reasons[index] == "content_filter":
        return Draft("", change, problem="expected code: the server's content filter withheld it", text=text)
    parsed = parse(text)
    return Draft(parsed.source, change, parsed.problem, text)

"""What of a chat model's reply is its answer: without reasoning and odd white space; its code fences."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

_NAMES = r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|inner_monologue)"
_TAG = re.compile(
    rf"""
    (?P<quoted>(?<!`)`[<\[]/?{_NAMES}[>\]]`(?!`) | "[<\[]/?{_NAMES}[>\]]" | '[<\[]/?{_NAMES}[>\]]')
    | <(?P<slash>/?){_NAMES}(?:\s[^<>\n]*)?> | \[(?P<slash2>/?)THINK(?:ING)?\] | ◁(?P<slash3>/?)think(?:ing)?▷
    | <\|(?:begin_of_thought|start_thinking)\|> | (?P<end><\|(?:end_of_thought|end_thinking)\|>)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NOTES = re.compile(
    rf"^[ \t]*(`{{3,}}|~{{3,}})[ \t]*{_NAMES}[ \t]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
"""A code block that is marked as reasoning."""

_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)(?:[^<\n]*<\|constrain\|>)?(?:[^<\n]*<\|message\|>)?")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")

_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_UNSEEN = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([^`\n]*)$")


@dataclass(frozen=True)
class Fence:
    """A code block: its `text` without common indentation, the line `above` it, whether it was `closed`."""

    text: str
    above: str = ""
    closed: bool = True


def answer_in(reply: str) -> str:
    """`reply` without its reasoning; line ends and spaces are plain ones, characters of no width are gone."""
    reply = reply.replace("\r\n", "\n").replace("\r", "\n")
    return _NOTES.sub("", _UNSEEN.sub("", _SPACES.sub(" ", _without_tags(_final_channel(reply)))))


def _final_channel(reply: str) -> str:
    """Of a reply in channels (`<|channel|>analysis`, `<|channel|>final`) the last final one, else all."""
    channels = list(_CHANNEL.finditer(reply))
    if not channels:
        return reply
    final = [each for each in channels if each[1] == "final"]
    if not final:
        return ""
    text = reply[final[-1].end() :]
    end = _CHANNEL_END.search(text)
    return text[: end.start()] if end else text


def _without_tags(reply: str) -> str:
    """Without what stands between tags of reasoning, nested ones too.

    An end without a beginning takes all before it along, a beginning without an end all behind it. A tag in
    quotes is a word.
    """
    kept, at, depth = list[str](), 0, 0
    for tag in _TAG.finditer(reply):
        if tag["quoted"]:
            continue
        if tag["end"] or tag["slash"] or tag["slash2"] or tag["slash3"]:
            if not depth:
                kept.clear()
            depth, at = max(0, depth - 1), tag.end()
        else:
            if not depth:
                kept.append(reply[at : tag.start()])
            depth += 1
    return "".join(kept if depth else [*kept, reply[at:]])


def fences(reply: str) -> list[Fence]:
    """The code blocks of `reply`, in order: of backticks or tildes, three or more; the last may be open.

    A block that holds blocks itself stands for these.
    """
    found, inside, above, mark = list[Fence](), list[str](), "", ""
    for line in reply.split("\n"):
        fence = _FENCE.match(line)
        if not mark and fence:
            mark, inside = fence[1], []
        elif mark and fence and fence[1].startswith(mark) and not fence[2].strip():
            found += _inner(Fence(_dedented(inside), above))
            mark, above = "", ""
        elif mark:
            inside.append(line)
        elif line.strip():
            above = line
    return [*found, Fence(_dedented(inside), above, closed=False)] if mark else found


def _inner(fence: Fence) -> list[Fence]:
    within = [each for each in fences(fence.text) if each.closed]
    return within or [fence]


def outside(reply: str) -> str:
    """The lines of `reply` that stand in no code block, nor mark one."""
    kept, mark = list[str](), ""
    for line in reply.split("\n"):
        fence = _FENCE.match(line)
        if not mark and fence:
            mark = fence[1]
        elif mark and fence and fence[1].startswith(mark) and not fence[2].strip():
            mark = ""
        elif not mark:
            kept.append(line)
    return "\n".join(kept)


def _dedented(lines: list[str]) -> str:
    return textwrap.dedent("\n".join(lines) + "\n")

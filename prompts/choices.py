"""The numbers that a chat model chose from a list. Nothing here raises for what a reply holds."""

from __future__ import annotations

import re

from evoarch.prompts.chat import answer_in

_NAMED = re.compile(r"""["']?choose["']?\s*[:=]\s*\[([^\[\]]*)\]""")
_BARE = re.compile(r"\[\s*(\d+(?:\s*,\s*\d+)*)\s*,?\s*\]")


def chosen(reply: str, most: int) -> list[int]:
    """The numbers, 1 to `most`, in the order of the answer and each once: of the last `{"choose": [...]}`,
    else of the last list of numbers; [] where there is none.
    """
    text = answer_in(reply)
    lists = _NAMED.findall(text) or _BARE.findall(text)
    numbers = (int(each) for each in re.findall(r"\d{1,6}", lists[-1])) if lists else ()
    return [number for number in dict.fromkeys(numbers) if 1 <= number <= most]

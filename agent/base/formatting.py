"""Numbers as people read them; the page, the report and the terminal write them alike."""

from __future__ import annotations

import shlex

from evoarch.sandbox.visible import visible


def cell(value: object) -> str:
    """Whole numbers as such, others with four digits behind the point (none from 100 on), nothing as `-`."""
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        if 0 < abs(value) < 0.001:
            return f"{value:.3g}"
        return f"{value:,.0f}" if value >= 100 or value.is_integer() else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else visible(str(value))


def command(*words: object) -> str:
    """A command of evoarch's that a shell takes as it stands, such as `evoarch run 'my demo'`."""
    return shlex.join(["evoarch", *map(str, words)])


def printable(text: str) -> str:
    """`text` for a terminal, a page or Markdown (see sandbox.visible)."""
    return visible(text)


def finalised(value: object) -> object:
    """What a template shows of a value: text is made safe for a reader, markup of our own stays.

    For `finalize` of a Jinja environment.
    """
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value

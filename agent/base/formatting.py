"""Numbers as people read them; the page, the report and the terminal write them alike."""

from __future__ import annotations


def cell(value: object) -> str:
    """Whole numbers as such, others with four digits behind the point (none from 100 on), nothing as `-`."""
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        if 0 < abs(value) < 0.001:
            return f"{value:.3g}"
        return f"{value:,.0f}" if value >= 100 or value.is_integer() else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")
del _CONTROLS[ord("\n")], _CONTROLS[ord("\t")]


def printable(text: str) -> str:
    """`text` for a terminal, where a genome's or a message's control characters would be obeyed."""
    return text.translate(_CONTROLS)

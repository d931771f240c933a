"""Python source as escaped HTML with classes for colours."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from pygments import highlight as colour
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, TextLexer

from evoarch.sandbox.visible import visible

COLOURED = 100_000
"""Characters of a source that are coloured; the tokens of a longer one would be a page of many megabytes."""


def highlight(source: str, marked: Sequence[int] = ()) -> Markup:
    """A `span` per token inside `<div class="code"><pre>`; any text is taken, and made safe.

    `marked`: lines, from 1, that get the class `hll`.
    """
    lexer = PythonLexer(stripnl=False) if len(source) <= COLOURED else TextLexer(stripnl=False)
    return Markup(
        colour(visible(source), lexer, HtmlFormatter(cssclass="code", linespans="L", hl_lines=list(marked)))
    )

"""Python source as escaped HTML with classes for colours."""

from __future__ import annotations

from markupsafe import Markup
from pygments import highlight as colour
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer


def highlight(source: str) -> Markup:
    """A `span` per token inside `<div class="code"><pre>`; any text is taken, and escaped."""
    return Markup(colour(source, PythonLexer(stripnl=False), HtmlFormatter(cssclass="code", linespans="L")))

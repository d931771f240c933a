"""Python source as escaped HTML with classes for colours."""

from __future__ import annotations

from markupsafe import Markup
from pygments import highlight as colour
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from evoarch.sandbox.visible import visible


def highlight(source: str) -> Markup:
    """A `span` per token inside `<div class="code"><pre>`; any text is taken, and made safe."""
    return Markup(
        colour(visible(source), PythonLexer(stripnl=False), HtmlFormatter(cssclass="code", linespans="L"))
    )

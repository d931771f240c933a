"""A typed context turned into prompt text by the template of its name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from prompts.contexts import Context


def render(context: Context) -> str:
    """The text of `templates/<name>.j2`, without a newline at its end; a name it does not know raises."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(context).__name__).lower()
    values = {each.name: getattr(context, each.name) for each in fields(context)}
    return _environment().get_template(f"{name}.j2").render(values)


def metrics_text(metrics: Mapping[str, float]) -> str:
    """Metrics as a prompt shows them: a JSON object of strings, `params` whole, errors to three places.

    Other metrics are left out: they would only differ in noise, and a prompt must be repeatable.
    """
    shown: dict[str, str] = {}
    if "params" in metrics:
        shown["params"] = f"{metrics['params']:.0f}"
    if "error" in metrics:
        shown["val_error"] = f"{metrics['error']:.3f}"
    return json.dumps(shown)


MOST_NOTED = 200
"""Characters of a person's note that a prompt shows."""


def one_line(text: str) -> str:
    """A note as one comment line, whatever was typed."""
    return " ".join(text.split())[:MOST_NOTED]


@cache
def _environment() -> Environment:
    # Text in, text out: no template here makes HTML, and none may print an undefined name as nothing.
    environment = Environment(
        loader=PackageLoader("prompts"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["metrics"] = metrics_text
    environment.filters["one_line"] = one_line
    return environment

"""The script of an interactive report: the explorer of the review page with libraries and data in the file.

Its policy runs these scripts alone, each by its digest, so that nothing that a campaign holds can run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from markupsafe import Markup

MODULES = ("data", "theme", "frame", "front", "explorer")
"""Files of static/explore/, those that others import first."""

_START = """
const data = JSON.parse(document.getElementById("population").textContent);
const href = (id) => (document.getElementById(`candidate-${id}`) ? `#candidate-${id}` : "");
new Explorer(document.querySelector("[data-explorer]"), data, globalThis.echarts, href);
"""


@dataclass(frozen=True)
class Scripts:
    """`policy`: the source list that lets these scripts run and no other; `markup`: their elements."""

    policy: str
    markup: Markup


def scripts(population: Mapping[str, Any]) -> Scripts:
    """The library, the modules as one script, and `population` (`read_population`) as data."""
    folder = resources.files("evoarch.agent.report") / "static"
    library = (folder / "vendor" / "echarts.min.js").read_text(encoding="utf-8")
    parts = [(folder / "explore" / f"{name}.js").read_text(encoding="utf-8") for name in MODULES]
    # One script has no modules: what one exports stands there for the next.
    module = "\n".join(re.sub(r"^(import .*\n|export )", "", part, flags=re.MULTILINE) for part in parts)
    # No text of the data can end its element.
    data = json.dumps(population, separators=(",", ":")).replace("<", "\\u003c")
    texts = [library, module + _START]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    markup = Markup('<script type="application/json" id="population">{}</script>').format(Markup(data))
    for kind, text in zip(("text/javascript", "module"), texts, strict=True):
        markup += Markup('<script type="{}">{}</script>').format(kind, Markup(text))
    return Scripts(" ".join(f"'sha256-{each}'" for each in hashes), markup)

"""The JSON schema of campaign.toml, for editors: what is there, what it means and what it may be.

It says what each key may hold. What keys must hold together, and what is installed or on disk, only `load`
can say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evoarch.agent.config.load import Config

FILE = "campaign.schema.json"
"""What `init` writes beside campaign.toml. A file, since an editor then needs no network, and the folder can
be moved with it."""

DIRECTIVE = f"#:schema ./{FILE}\n"
"""The first line of a campaign.toml: where taplo and Even Better TOML find the schema."""

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that TOML editors read. pydantic's schemas of these tables hold in it too."""


def json_schema() -> dict[str, Any]:
    """The schema as plain values."""
    made: dict[str, Any] = _tidy(Config.model_json_schema())
    return {"$schema": DIALECT, "title": "campaign.toml", **made}


def schema_text() -> str:
    """The schema as a file's text."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def _tidy(value: Any) -> Any:
    """A schema in TOML's terms: there is no null. Tables' defaults are in their keys, and descriptions have
    no line ends.
    """
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    whole = {key: _tidy(each) for key, each in value.items()}
    if isinstance(whole.get("title"), str):
        del whole["title"]
    choices = [each for each in whole.pop("anyOf", []) if each != {"type": "null"}]
    for each in choices:
        whole |= each
    if whole.get("default", 0) is None or isinstance(whole.get("default"), Mapping):
        del whole["default"]
    if isinstance(whole.get("description"), str):
        whole["description"] = " ".join(whole["description"].split())
    return whole

"""Every key of campaign.toml, and docs/config.md made of them: `python -m evoarch.agent.config.reference`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.config.schema import json_schema

NOTHING = object()
"""The default of a key that has none."""


@dataclass(frozen=True)
class Key:
    """A key: `table.key` (that of a list of tables without a place), its default (NOTHING: it has none),
    whether it must be given, its unit ("" where it has none), what it may be and what it means, in words.
    """

    name: str
    default: object
    required: bool
    unit: str
    allowed: str
    meaning: str

    @property
    def default_text(self) -> str:
        """The default as TOML writes it."""
        if self.default is NOTHING:
            return "must be given" if self.required else "none"
        return json.dumps(self.default, ensure_ascii=False)


@dataclass(frozen=True)
class TableOfKeys:
    """A table with its keys. `heading`: as campaign.toml writes it."""

    name: str
    heading: str
    meaning: str
    keys: tuple[Key, ...]


def tables() -> tuple[TableOfKeys, ...]:
    """All tables, those within others behind them."""
    schema = json_schema()
    return tuple(_tables(schema, schema, ""))


def explained(name: str) -> Key:
    """The key that `name` says: `table.key`, also with a place in a list (`lm.0.model`), or the key alone
    where only one table has it. Raises UserError that names the nearest.
    """
    known = {key.name: key for table in tables() for key in table.keys}
    plain = ".".join(part for part in name.split(".") if not part.isdecimal())
    if plain in known:
        return known[plain]
    alike = [each for each in known if each.rpartition(".")[2] == plain]
    if len(alike) == 1:
        return known[alike[0]]
    if alike:
        raise UserError(f"--explain {name}: expected one of {', '.join(alike)}")
    raise UserError(f"--explain {name}: no such key; {nearest(plain, known)}")


def _tables(schema: Mapping[str, Any], table: Mapping[str, Any], place: str) -> Iterator[TableOfKeys]:
    required = table.get("required", ())
    own, below = list[Key](), list[TableOfKeys]()
    for name, field in table["properties"].items():
        path = f"{place}.{name}" if place else name
        inner = field.get("items", field) if field.get("type") == "array" else field
        found = _resolved(schema, inner)
        if "properties" not in found:
            own.append(_key(path, field, required=name in required))
            continue
        heading = f"[[{path}]]" if inner is not field else f"[{path}]"
        keys, *nested = _tables(schema, found, path)
        below += [TableOfKeys(path, heading, found["description"], keys.keys), *nested]
    if place:
        yield TableOfKeys(place, "", "", tuple(own))
    yield from below


def _key(path: str, field: Mapping[str, Any], *, required: bool) -> Key:
    default = field.get("default", NOTHING)
    return Key(path, default, required, field.get("unit", ""), _allowed(field), field.get("description", ""))


def _resolved(schema: Mapping[str, Any], field: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in field:
        return field
    found: Mapping[str, Any] = schema["$defs"][field["$ref"].rpartition("/")[2]]
    return found


_BOUNDS = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))


def _allowed(field: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in field:
        return "a table"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(each)}`" for each in field["enum"])
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    kind = field.get("type")
    if kind == "array":
        least = " (at least one)" if field.get("minItems") else ""
        return f"list of {_allowed(field['items'])}{least}"
    if kind == "object":
        inner = field.get("additionalProperties")
        return f"table of {_allowed(inner)}" if isinstance(inner, Mapping) else "table"
    if kind == "string":
        pattern = field.get("pattern")
        return (
            f"text like `{pattern}`"
            if pattern
            else "text"
            if not field.get("minLength")
            else "text, not empty"
        )
    words = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`"}.get(
        str(kind), "anything"
    )
    bounds = [f"{sign} {field[name]}" for name, sign in _BOUNDS if name in field]
    return " ".join([words, " and ".join(bounds)]) if bounds else words


_HEAD = """# campaign.toml

Every table and key: what it means, its default, its unit and what it may be. A key that is not there has its
default; an unknown one is an error that names the nearest. `evoarch run DIR --set table.key=value` overrides
a key from that run on (in a list of tables with its place, counted from 0: `operators.0.weight=2`), and
`evoarch config DIR --explain KEY` says of one key what is in force and where that was said. What keys must
hold together is checked when a command reads the file.

`evoarch init` writes `campaign.schema.json` beside campaign.toml and names it in the first line, where
editors with [taplo](https://taplo.tamasfe.dev) (VS Code's Even Better TOML is one) look for it: they then
complete keys, show these texts and underline mistakes, without a network. `evoarch schema -o
campaign.schema.json` writes it anew, after an update of evoarch or for a campaign that has none.

This page is made from the tables' models: `make config-docs`.
"""


def page() -> str:
    """docs/config.md."""
    parts = [_HEAD]
    for table in tables():
        parts.append(
            f"\n## `{table.heading}`\n\n{table.meaning}\n\n| key | default | unit | may be | meaning |\n"
        )
        parts.append("|---|---|---|---|---|\n")
        for key in table.keys:
            shown = key.default_text
            default = f"`{shown}`" if key.default is not NOTHING else shown
            cells = (f"`{key.name.rpartition('.')[2]}`", default, key.unit, key.allowed, key.meaning)
            parts.append(f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |\n")
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())

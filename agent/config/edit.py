"""Edits of a TOML file that a person wrote: comments, layout and every key that is not touched stay."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from evoarch.agent.base.errors import UserError, files_told


def edited(path: Path, change: Callable[[Any], object]) -> str:
    """The text of the file `path` after `change`, which takes its tables as a dict and alters them.

    `change` is called twice: with the document, which keeps its layout, and with the plain values, which say
    what the new text has to mean. Raises UserError, and writes nothing, where the file can't be read or the
    new text would mean anything else.
    """
    with files_told(path):
        text = path.read_bytes().decode()
    try:
        document, wanted = tomlkit.parse(text), tomllib.loads(text)
        for tables in (document, wanted):
            change(tables)
        result = document.as_string()
        if tomllib.loads(result) == wanted:
            return result
    except (ValueError, TypeError, AttributeError, TOMLKitError):  # not TOML, or a value of another type
        pass
    raise UserError(f"{path}: expected tables and lists as `evoarch init` writes them; this can't be edited")


def append(values: Any, item: str) -> None:
    """Puts `item` at the end of a list of what `edited` hands over."""
    if isinstance(values, Array) and "\n" in values.as_string():
        values.add_line(item)  # tomlkit's append would put it into a comment behind the last item
    else:
        values.append(item)


def rewrite(path: Path, text: str) -> None:
    """Writes `text`, with the line ends that it has. Raises UserError."""
    with files_told(path):
        path.write_text(text, encoding="utf-8", newline="")

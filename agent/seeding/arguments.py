"""Fixed arguments of an entry, as a person writes them: `name=value`."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable

from evoarch.agent.base.errors import UserError


def arguments(given: Iterable[str]) -> dict[str, object]:
    """`name=value` texts by name; a name may have dots, for a part of a configuration. A value is a Python
    literal; anything else is text.

    Raises UserError, one line, for a text that is no such pair, and for a value that a seed's record can't
    hold: it is JSON.
    """
    found: dict[str, object] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not all(part.isidentifier() for part in key.split(".")):
            raise UserError(f"--kwargs {text}: expected name=value, e.g. --kwargs depth=3")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[key] = value
        except (MemoryError, RecursionError):
            raise UserError(f"--kwargs {key}: nested too deep") from None
        if not _storable(found[key]):
            raise UserError(f"--kwargs {text[:80]}: expected text, numbers, booleans, None, lists or dicts")
    return found


def _storable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True

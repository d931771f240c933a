"""Overlays on campaign.toml: a table's keys are merged, a list of tables replaces the whole list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def overlaid(data: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`data` of a campaign.toml under `overlay`."""
    merged = dict(data)
    for key, value in overlay.items():
        below = merged.get(key)
        merged[key] = (
            {**below, **value} if isinstance(value, Mapping) and isinstance(below, Mapping) else value
        )
    return merged

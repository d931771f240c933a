"""What a CLRS feature is. Imports no torch: a table of them is cheap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SCALAR, MASK, MASK_ONE, CATEGORICAL = "scalar", "mask", "mask_one", "categorical"
POINTER, PERMUTATION = "pointer", "permutation_pointer"
POINTERS = (POINTER, PERMUTATION)


class Feature(NamedTuple):
    """One probe of an algorithm. `width` is the number of categories (1 for every other kind)."""

    name: str
    stage: str
    """input, hint or output"""
    location: str
    """node, edge or graph"""
    kind: str
    width: int = 1


def features_from(rows: Sequence[Sequence[object]]) -> list[Feature]:
    """Features from their JSON form: rows of name, stage, location, kind, width."""
    return [Feature(str(n), str(s), str(o), str(k), int(str(w))) for n, s, o, k, w in rows]


def of_stage(features: Sequence[Feature], stage: str) -> list[Feature]:
    return [feature for feature in features if feature.stage == stage]


def reads_edges(features: Sequence[Feature]) -> bool:
    """Whether any decoder reads edge states. Where none does, edge messages reach nothing."""
    decoded = [feature for feature in features if feature.stage != "input"]
    return any(f.location == "edge" or (f.location == "node" and f.kind in POINTERS) for f in decoded)

"""Families as seeds of campaigns: they learn at small sizes, and have children that are scored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from benchmarks.zoo import SIZES, TASKS, kept, measured, picture

from evoarch.evaluators.zoo.catalogue import load_catalogue
from evoarch.evaluators.zoo.fit import NEAR

CATALOGUE = load_catalogue()
CHANCE = 0.9


def holds(row: Mapping[str, Any]) -> None:
    """Each size was trained and is better than chance by its interval; children of the family were scored."""
    assert row["task"] in TASKS
    assert row["failed"] == {}
    assert len(row["seeds"]) == len(SIZES)
    for size, (params, error, low, high) in zip(SIZES, row["seeds"], strict=True):
        assert abs(params / size - 1) <= NEAR
        assert low <= error <= high < CHANCE
    assert sum(len(errors) for errors in row["children"].values()) > 0


@pytest.mark.parametrize("name", list(kept()))
def test_what_was_measured_of_a_family_holds(name: str) -> None:
    assert name in CATALOGUE
    holds(kept()[name])


def test_the_picture_has_a_point_for_each_measured_size() -> None:
    rows = kept()
    assert picture(rows).count("<circle") == sum(len(row["seeds"]) for row in rows.values())


def each_family() -> Iterator[Any]:
    """Every eighth is tried in `make test-slow`, the others in `make test-long`."""
    for place, name in enumerate(CATALOGUE):
        yield pytest.param(name, marks=pytest.mark.long if place % 8 else pytest.mark.slow)


@pytest.mark.parametrize("name", list(each_family()))
def test_a_family_learns_and_has_scored_children(name: str, tmp_path: Path) -> None:
    ending, row = asyncio.run(measured(CATALOGUE[name], tmp_path / name))
    assert ending.complete
    holds(row)

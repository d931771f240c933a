"""A made-up table of houses: numbers with gaps, towns, dates, truth values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

HEADER = ["size", "rooms", "city", "street", "sold", "garden", "price"]
TOWNS = ("Bonn", "Köln", "Aachen")


def rows(count: int = 80) -> list[list[str]]:
    """The cells of the table. `rooms` is missing in every seventh row; each street is another; one row in
    four has a garden; the price follows size, town and garden.
    """
    rng = np.random.default_rng(0)
    table = []
    for number in range(count):
        size, town, garden = rng.uniform(30, 200), number % 3, number % 4 == 0
        price = 3 * size + 40 * town + 100 * garden + rng.normal(0, 5)
        table.append(
            [
                f"{size:.2f}",
                "" if number % 7 == 0 else str(1 + number % 4),
                TOWNS[town],
                f"Street {number}",
                f"202{number % 5}-0{1 + number % 9}-11",
                "true" if garden else "false",
                f"{price:.2f}",
            ]
        )
    return table


def written(folder: Path, table: Sequence[Sequence[str]] | None = None) -> Path:
    """The table as houses.csv."""
    path = folder / "houses.csv"
    path.write_text("\n".join(",".join(row) for row in [HEADER, *(table or rows())]) + "\n", encoding="utf-8")
    return path

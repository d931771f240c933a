"""The arithmetic and the table of benchmarks/operators.py; what it measures is for a quiet machine."""

from __future__ import annotations

import random
import runpy
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from kit.paths import BENCHMARKS


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(BENCHMARKS / "operators.py"))


def result_of(script: dict[str, Any], levels: list[int], cpu: list[float]) -> Any:
    result = script["Result"]("lm.scoped", {}, cpu=cpu)
    each = len(levels) // len(cpu)
    result.children = [script["Child"](number // each, level) for number, level in enumerate(levels)]
    return result


def test_a_rate_counts_valid_children_over_the_cpu_time_of_all_calls(script: dict[str, Any]) -> None:
    result = result_of(script, [4, 3, 2, -1, 3, 0, 1, -1], [10.0, 20.0])
    middle, low, high = script["rate"](result, random.Random(0))
    assert middle == pytest.approx(60 * 3 / 30)
    assert (low, high) == pytest.approx((60 * 1 / 20, 60 * 2 / 10))


def test_the_table_stands_between_its_markers(script: dict[str, Any], tmp_path: Path) -> None:
    text = script["table"]({"lm.scoped": result_of(script, [4, 3, 2, -1], [10.0])})
    row = text.split("\n")[-1]
    assert row.startswith("| `lm.scoped` | 4 | 75% (30-95) | 75% ")
    assert row.endswith("| 12 (12-12) |")
    document = tmp_path / "operators.md"
    document.write_text(f"before\n{script['BEGIN']}\nold\n{script['END']}\nafter\n")
    sizes = {"proposals": 4, "batch": 8, "rewrite_tokens": 256, "threads": 1, "seed": 0}
    for _ in range(2):
        script["write_markdown"](document, text, Namespace(**sizes))
    found = document.read_text()
    assert found.startswith("before\n")
    assert found.endswith("\nafter\n")
    assert found.count(row) == 1
    assert "old" not in found
    document.write_text("nothing here")
    with pytest.raises(SystemExit, match="expected the markers"):
        script["write_markdown"](document, text, Namespace(**sizes))


def test_the_guide_has_the_markers(script: dict[str, Any]) -> None:
    text = script["DOCUMENT"].read_text()
    assert text.index(script["BEGIN"]) < text.index(script["END"])

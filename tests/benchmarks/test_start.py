"""What `make bench` runs can be started in the way in which it starts it."""

import importlib
import re

import pytest

from kit.paths import ROOT

NAMES = re.findall(r"^BENCHMARKS := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES[0].split())
def test_a_benchmark_is_imported_as_a_module(name: str) -> None:
    assert "python" in (importlib.import_module(f"benchmarks.{name}").__doc__ or "")

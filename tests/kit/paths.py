"""Where the repository and the files that tests read are."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
"""The repository."""

CORPUS = TESTS / "corpus"
"""Model files in `sources/`, attacks in `attacks/`, and `harness.py`, which runs the attacks."""

GOLDEN = TESTS / "golden"
"""Rendered prompts as whole texts."""

FIXTURES = TESTS / "fixtures"
"""A repository of two packages in `seeding/`, and a program that trains in `trainer/`."""

DATA = TESTS / "data"
"""Arrays that other programs computed."""

BENCHMARKS = ROOT / "benchmarks"

"""What runs of a genome has no prose and no layout, and tells the lines of the source all the same."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest

from evoarch.sandbox.description import describe
from evoarch.sandbox.executable import executable, statements
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.outcome import Raised
from kit.paths import CORPUS, ROOT

Loop = tuple[asyncio.Runner, Runner]

FILES = [
    *sorted((ROOT / "evaluators").glob("tasks/*/seeds/**/*.py")),
    *sorted((ROOT / "evaluators/zoo/families").glob("*.py")),
    *sorted((CORPUS / "sources").glob("*.py")),
]

PROSE = '''"""A table 123."""
# 456
class Model:
    """789"""; x = 1
    def forward(self):
        "012"



        ...
    try:
        y = 2
    finally:
        "345"
'''


def test_nothing_of_the_prose_and_the_layout_runs() -> None:
    found = executable(PROSE)
    assert not found.complete
    assert not [digits for digits in ("123", "456", "789", "012", "345") if digits in found.text]
    squeezed = PROSE.replace("\n\n\n", "\n").replace("x = 1", "x   =   1")
    assert executable(squeezed).text == found.text
    space: dict[str, object] = {}
    exec(found.text, space)
    assert space["Model"].__doc__ is None
    assert space["Model"].y == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_code_of_a_model_file_stays_as_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    found = executable(source)
    assert not found.complete
    tree = ast.parse(source)
    wanted = statements(tree)
    runs = statements(ast.parse(found.text), kept=True)
    assert [ast.dump(each) for each in runs] == [ast.dump(each) for each in wanted]
    assert [found.line(each.lineno) for each in runs] == [each.lineno for each in wanted]


@pytest.mark.parametrize("source", ["def", "x = 0x" + "f" * 5000, "\ud800", "(" * 5000, "a = 1\0"])
def test_what_can_not_be_rewritten_stays_whole(source: str) -> None:
    found = executable(source)
    assert found.complete
    assert found.text == source
    assert found.line(7) == 7


def test_a_text_that_stays_whole_is_measured_with_its_prose() -> None:
    vast = "x = 0x" + "f" * 5000
    assert describe(f"'{'a' * 5000}'\n{vast}").literal_bits >= describe(vast).literal_bits + 40_000


def test_a_failure_names_the_line_of_the_source(walls: Loop) -> None:
    loop, runner = walls
    found = loop.run(runner.run(Job("train", "'''a\n\nb'''\n# c\nx = (\n    1)\nraise ValueError('here')\n")))
    assert isinstance(found, Raised)
    assert (found.message, found.line) == ("here", 7)

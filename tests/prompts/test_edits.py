"""Edit replies: what fits is put in, what misses says where it might belong."""

from __future__ import annotations

import ast
import sys
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.prompts.edits import Edit, applied, blocks_in, edited

SOURCE = """\
import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(40, 20)
        self.b = nn.Linear(20, 10)

    def forward(self, x):
        x = self.a(x)
        x = x.relu()
        return self.b(x)
"""


def block(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


WIDER = block("        self.a = nn.Linear(40, 20)", "        self.a = nn.Linear(40, 20, bias=False)")
FITS = {
    "as it stands": WIDER,
    "in a fence among prose": f"Sure, a smaller one:\n```python\n{WIDER}```\nDone.",
    "indented markers and other lengths": WIDER.replace("<<<<<<<", "  <<<<<").replace("=======", "====="),
    "no indentation": block("self.a = nn.Linear(40, 20)", "self.a = nn.Linear(40, 20, bias=False)"),
    "white space at the ends": WIDER.replace("(40, 20)\n", "(40, 20)   \n"),
    "white space within": block("  self.a=nn.Linear(40,20)", "  self.a = nn.Linear(40, 20, bias=False)"),
    "a tab": block("\t\tself.a = nn.Linear(40, 20)", "\t\tself.a = nn.Linear(40, 20, bias=False)"),
    "blank lines around": block(
        "\n        self.a = nn.Linear(40, 20)\n", "\n        self.a = nn.Linear(40, 20, bias=False)\n"
    ),
    "other line ends": WIDER.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("reply", FITS.values(), ids=FITS)
def test_an_edit_is_put_in_whatever_its_white_space(reply: str) -> None:
    parsed = edited(SOURCE, reply, "Model")
    assert parsed.problem == ""
    assert parsed.source == SOURCE.replace("(40, 20)", "(40, 20, bias=False)")


def test_several_blocks_follow_each_other_and_a_block_may_remove() -> None:
    reply = WIDER + block("x = x.relu()", "") + block("bias=False)\n        self.b", "")
    assert "block 3 of 3" in edited(SOURCE, reply, "Model").problem
    source = edited(SOURCE, WIDER + block("x = x.relu()", ""), "Model").source
    assert "relu" not in source
    assert "bias=False" in source


def test_a_new_indentation_carries_the_lines_of_the_replacement() -> None:
    reply = block("x = self.a(x)\nx = x.relu()", "for _ in range(2):\n    x = self.a(x)")
    source = edited(SOURCE, reply, "Model").source
    assert "        for _ in range(2):\n            x = self.a(x)\n        return" in source


BAD = {
    "no blocks": ("I would widen it.", "got none"),
    "a miss": (
        block("self.a = nn.Linear(41, 20)", "x"),
        "line 7 is nearest: '        self.a = nn.Linear(40, 20)'",
    ),
    "a miss of two lines": (block("x = self.a(y)\nx = y.relu()", "x"), "lines 11 to 12 are nearest"),
    "nothing like it": (block("@@@@ %%%% $$$$ ~~~~", "x"), "no lines there are like them"),
    "two places": (block("x = ", "y = "), "do not stand"),
    "an empty search": (block("", "x = 1"), "lines to search for, got none"),
    "no change": (block("x = x.relu()", "x = x.relu()"), "replace lines by themselves"),
    "no Python": (block("x = x.relu()", "x = ("), "after the edits"),
    "no model": (block("class Model(nn.Module):", "class Net(nn.Module):"), "one definition of Model"),
    "an open block": ("<<<<<<< SEARCH\nx = x.relu()\n", "ends within its search part"),
    "an open one behind a whole one": (
        WIDER + "<<<<<<< SEARCH\nx\n=======\ny",
        "ends within its replace part",
    ),
    "a block in a block": ("<<<<<<< SEARCH\n" + WIDER, "got another SEARCH"),
    "empty": ("", "empty"),
    "too long": ("x" * 100_000, "at most"),
}


@pytest.mark.parametrize(("reply", "said"), BAD.values(), ids=BAD)
def test_an_edit_that_does_not_fit_is_a_problem_in_one_line(reply: str, said: str) -> None:
    parsed = edited(SOURCE, reply, "Model")
    assert parsed.source == ""
    assert said in parsed.problem
    assert "\n" not in parsed.problem


def test_lines_that_stand_twice_are_named() -> None:
    source, problem = applied("a = 1\nb = 2\na = 1\n", Edit(("a = 1",), ("a = 2",)))
    assert source == "a = 1\nb = 2\na = 1\n"
    assert "at lines 1, 3" in problem


def test_a_reply_cut_off_keeps_its_whole_blocks() -> None:
    cut = WIDER + "<<<<<<< SEARCH\nx = x.re"
    assert edited(SOURCE, cut, "Model").problem
    assert "bias=False" in edited(SOURCE, cut, "Model", cut=True).source
    assert edited(SOURCE, "<<<<<<< SEARCH\nx", "Model", cut=True).problem


LONG = "".join(f"    self.layer{n} = nn.Linear({n}, {n} * 2, bias=({n} > 3))\n" for n in range(120))


@pytest.mark.parametrize(
    ("at", "count", "old", "new"),
    [(0, 1, "Linear", "Liner"), (57, 1, "bias=", ""), (30, 60, "nn.", "torch.nn."), (110, 10, "> 3", ">= 3")],
)
def test_a_miss_of_many_lines_names_the_nearest_in_work_that_grows_as_the_text(
    at: int, count: int, old: str, new: str
) -> None:
    search = "".join(line.replace(old, new) for line in LONG.splitlines(keepends=True)[at : at + count])
    calls = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1
        assert calls < 100_000, "compares the lines over and over"

    sys.setprofile(counted)
    try:
        problem = edited(LONG, block(search, "x"), "Model").problem
    finally:
        sys.setprofile(None)
    assert f"line {at + 1} is" in problem or f"lines {at + 1} to {at + count} are nearest" in problem


lines = st.lists(st.text("ab x=()\t\n<>=\r'\ud800\0", max_size=12), max_size=6).map("\n".join)


@settings(max_examples=80, deadline=None)
@given(lines, lines, lines)
def test_no_reply_makes_it_raise(before: str, search: str, replace: str) -> None:
    for cut in (False, True):
        parsed = edited(SOURCE, before + "\n" + block(search, replace), "Model", cut=cut)
        assert bool(parsed.source) != bool(parsed.problem)
        if parsed.source:
            ast.parse(parsed.source)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 12), st.integers(1, 4), st.integers(0, 3))
def test_any_lines_that_stand_once_are_found_at_any_indentation(at: int, count: int, shift: int) -> None:
    """The edit that marks some lines of the file changes them and no others."""
    every = SOURCE.split("\n")
    some = every[at : at + count]
    if not any(line.strip() for line in some):
        return
    search = "\n".join(" " * shift + line for line in some)
    edits, problem = blocks_in(block(search, search.replace("x", "y")))
    assert not problem
    changed, problem = applied(SOURCE, edits[0])
    if not problem:
        kept = changed.split("\n")
        assert kept[:at] == every[:at]
        assert kept[at + count :] == every[at + count :]

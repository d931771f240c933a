"""Replies of every bad kind become a source or a problem, never an exception."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.outline import Outline, header, merged, outline
from prompts.replies import MAX_REPLY, answered, completed, span_answered, spanned
from prompts.spans import INSERT, LAYER, STATEMENT, find, splice

SOURCE = """\
import torch.nn as nn
import torch.nn.functional as F

RECIPE = {"steps": 100}


def unused(x):
    return x


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x):
        return x + scaled(self.conv(x))


def scaled(x):
    return 0.5 * x


class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 8, 3)
        self.block = Block(8)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(304, num_classes)

    def forward(self, x):
        x = F.relu(self.conv1(x.unsqueeze(1)))
        x = self.norm(self.block(x))
        return self.head(x.flatten(1))
"""
AROUND = merged([outline(SOURCE, "Model")])
HEAD = header(SOURCE, "Model")
BODY = """
        self.block = Block(4)
        self.head = nn.Linear(40, num_classes)

    def forward(self, x):
        return self.head(x)
"""
CUT = [
    "        self.more = nn.Linear(",
    "    def extra(self, x):\n        x = F.relu(",
    "    def extra(self, x):\n        y = [\n            1,\n            2,",
    "    def extra(self",
]
BAD = {
    "empty": ("", "empty"),
    "blank": (" \n\n ", "empty"),
    "prose": ("I am sorry, I can't do that.", "expected"),
    "wrong indentation": (BODY.replace("        self.head", "      self.head"), "indent"),
    "not UTF-8": ("\n        self.x = '\ud800'", "UTF-8"),
    "1 MB": ("\n        self.x = 1" * 50_000, "at most 65536"),
    "a NUL": ("\n        self.x = 1\0", "expected"),
    "deep": ("\n        self.x = " + "(" * 9000, "expected"),
    "only a constructor": ("\n        self.x = nn.Linear(1, 2)\n", "forward"),
    "a forward that ends early": (
        "\n    def forward(self, x):\n        x = x + 1\n",
        "return",
    ),
}


def test_a_completion_becomes_a_file_with_the_helpers_it_names() -> None:
    parsed = completed(HEAD, BODY, AROUND, "Model")
    assert parsed.problem == ""
    names = [getattr(node, "name", "") for node in ast.parse(parsed.source).body]
    assert [name for name in names if name] == ["Block", "scaled", "Model"]
    assert "RECIPE" in parsed.source
    assert "num_classes" in parsed.source.split("class Model")[1].split("\n")[1]


@pytest.mark.parametrize(("reply", "said"), BAD.values(), ids=BAD)
def test_a_bad_completion_is_a_problem(reply: str, said: str) -> None:
    parsed = completed(HEAD, reply, AROUND, "Model")
    assert parsed.source == ""
    assert said in parsed.problem
    assert "\n" not in parsed.problem


@pytest.mark.parametrize("tail", CUT)
def test_an_unfinished_tail_is_dropped(tail: str) -> None:
    whole = completed(HEAD, BODY, AROUND, "Model").source
    assert completed(HEAD, BODY + "\n" + tail, AROUND, "Model").source.startswith(whole.rstrip())


@pytest.mark.parametrize(
    "after", ["class Model(nn.Module):\n    pass\n", "# notes\n", "Here is why: it is small."]
)
def test_text_in_column_0_ends_a_completion(after: str) -> None:
    assert completed(HEAD, BODY + "\n\n" + after, AROUND, "Model") == completed(HEAD, BODY, AROUND, "Model")


def test_a_fenced_answer_among_prose_is_found() -> None:
    reply = f"Sure! First:\n```\npip install x\n```\nthen\n```python\n{HEAD}{BODY}```\nEnjoy."
    parsed = answered(reply, AROUND, "Model")
    assert parsed.problem == ""
    assert parsed.source == completed(HEAD, BODY, AROUND, "Model").source


def test_an_answer_without_fences_and_one_cut_off_are_read() -> None:
    assert answered(f"Sure!\n\n{HEAD}{BODY}", AROUND, "Model").problem == ""
    assert answered(f"```python\n{HEAD}{BODY}        self.x = nn.Conv1d(", AROUND, "Model").problem == ""


def test_two_entries_or_none_in_an_answer_are_a_problem() -> None:
    two = f"```python\n{HEAD}{BODY}\n\n{HEAD}{BODY}```"
    assert "one definition of Model, got 2" in answered(two, AROUND, "Model").problem
    other = two.replace("class Model", "class Net")
    assert "got 0" in answered(other, Outline(), "Model").problem


def test_spans_are_layers_statements_and_places_for_new_layers() -> None:
    spans = find(SOURCE, "Model")
    layers = {span.lead for span in spans if span.kind == LAYER}
    assert {"self.conv1 = nn.", "self.conv1 = nn.Conv1d(1,", "self.block ="} <= layers
    assert not any("self.norm" in lead or "self.head" in lead for lead in layers)
    assert "x = F." in {span.lead for span in spans if span.kind == STATEMENT}
    assert "self.conv1_pool = nn." in {span.lead for span in spans if span.kind == INSERT}


def test_every_span_can_be_filled_with_what_it_says() -> None:
    lines = SOURCE.split("\n")
    for span in find(SOURCE, "Model"):
        assert span.indent + span.text == "\n".join(lines[span.start : span.end]) or span.kind == INSERT
        new = splice(SOURCE, span, span.text or f"self.{span.name} = nn.Identity()")
        assert (new == SOURCE) == (span.kind != INSERT)
        ast.parse(new)


def test_a_new_layer_is_called_behind_the_layer_it_follows() -> None:
    span = next(span for span in find(SOURCE, "Model") if span.name == "block_act")
    source = spanned(SOURCE, span, "GELU()  \n        self.more = 1", "Model").source
    assert "        self.block = Block(8)\n        self.block_act = nn.GELU()\n" in source
    assert "        x = self.norm(self.block(x))\n        x = self.block_act(x)\n" in source


def test_a_span_takes_one_logical_line_and_refuses_the_rest() -> None:
    span = next(span for span in find(SOURCE, "Model") if span.lead == "self.conv1 = nn.Conv1d(1,")
    assert (
        "nn.Conv1d(1,\n         16, 5)\n" in spanned(SOURCE, span, "\n 16, 5)\n        x = 1", "Model").source
    )
    assert "repeats" in spanned(SOURCE, span, " 8, 3)", "Model").problem
    assert "never closed" in spanned(SOURCE, span, " 8, (3", "Model").problem
    assert "empty" in spanned(SOURCE, span, "", "Model").problem


def test_a_chat_answer_for_a_span_is_read_from_its_fence() -> None:
    span = next(span for span in find(SOURCE, "Model") if span.lead == "self.conv1 = nn.")
    reply = "Wider:\n```python\n        self.conv1 = nn.Conv1d(1, 16, 3)\n```"
    assert "nn.Conv1d(1, 16, 3)" in span_answered(SOURCE, span, reply, "Model").source
    assert span_answered(SOURCE, span, "No thanks, it is fine.", "Model").problem


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(), max_size=200) | st.text("\n ([{'\"=:x1#`\ud800\0", max_size=80))
def test_no_reply_makes_a_parser_raise(reply: str) -> None:
    span = find(SOURCE, "Model")[0]
    results = [
        completed(HEAD, reply, AROUND, "Model"),
        answered(reply, AROUND, "Model"),
        spanned(SOURCE, span, reply, "Model"),
        span_answered(SOURCE, span, reply, "Model"),
    ]
    for parsed in results:
        assert bool(parsed.source) != bool(parsed.problem)
        if parsed.source:
            ast.parse(parsed.source)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(BODY)))
def test_a_reply_cut_anywhere_is_a_child_or_a_problem(at: int) -> None:
    parsed = completed(HEAD, BODY[:at], AROUND, "Model")
    assert bool(parsed.source) != bool(parsed.problem)


def test_a_reply_at_the_cap_is_read() -> None:
    reply = BODY + "#" * (MAX_REPLY - len(BODY))
    assert completed(HEAD, reply, AROUND, "Model").source


def test_a_function_entry_and_a_missing_one_have_a_head() -> None:
    assert header("def Model(num_classes):\n    return 1\n", "Model") == "def Model(num_classes):"
    assert header("x = 1\n", "Model", ("num_classes",)).endswith(
        "def __init__(self, num_classes):\n        super().__init__()"
    )

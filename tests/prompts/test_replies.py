"""Replies of every bad kind become a source or a problem, never an exception."""

from __future__ import annotations

import ast
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.prompts.blocks import blocks
from evoarch.prompts.outline import Outline, header, merged, outline
from evoarch.prompts.replies import MAX_REPLY, answered, completed
from evoarch.prompts.span_replies import span_answered, spanned
from evoarch.prompts.spans import (
    CALLED_LAYER,
    INSERT,
    LAYER,
    METHOD,
    STATEMENT,
    SourceSpan,
    find,
    splice,
    with_calls,
)

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


FUTURE = "from __future__ import annotations\n"


def test_a_future_import_stands_before_all_others_once_wherever_it_comes_from() -> None:
    around = merged([outline(SOURCE, "Model"), outline(f"{FUTURE}import math\n{SOURCE}", "Model")])
    assert around.imports[0] == FUTURE.strip()
    together = f"{FUTURE.strip()}; import math\n"
    for parsed in (
        completed(HEAD, BODY, around, "Model"),
        answered(f"```python\n{FUTURE}{HEAD}{BODY}```", around, "Model"),
        answered(f"```python\n{FUTURE}{HEAD}{BODY}```", AROUND, "Model"),
        answered(f"```python\n{together}{HEAD}{BODY}```", AROUND, "Model"),
    ):
        assert parsed.problem == ""
        assert parsed.source.startswith(FUTURE.strip())
        assert parsed.source.count("__future__") == 1
        ast.parse(parsed.source)
    assert "import math" in parsed.source


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
def test_a_tail_that_the_token_limit_cut_is_dropped_and_no_other(tail: str) -> None:
    whole = completed(HEAD, BODY, AROUND, "Model").source
    cut = completed(HEAD, BODY + "\n" + tail, AROUND, "Model", cut=True)
    assert cut.source.startswith(whole.rstrip())
    assert completed(HEAD, BODY + "\n" + tail, AROUND, "Model").problem.startswith("expected Python code")


def test_a_cut_reply_with_another_wrong_statement_is_a_problem() -> None:
    wrong = BODY.replace("return self.head(x)", "x = = 3\n        y = 1\n        return self.head(x")
    assert "invalid syntax" in completed(HEAD, wrong, AROUND, "Model", cut=True).problem


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
    cut = f"```python\n{HEAD}{BODY}        self.x = nn.Conv1d("
    assert answered(cut, AROUND, "Model", cut=True).problem == ""
    assert answered(cut, AROUND, "Model").problem


def test_two_entries_or_none_in_an_answer_are_a_problem() -> None:
    two = f"```python\n{HEAD}{BODY}\n\n{HEAD}{BODY}```"
    assert "one definition of Model, got 2" in answered(two, AROUND, "Model").problem
    other = two.replace("class Model", "class Net")
    assert "got 0" in answered(other, Outline(), "Model").problem


def test_spans_are_layers_statements_and_places_for_new_layers() -> None:
    for dotted, nn, functional in ((False, "", ""), (True, " nn.", " F.")):
        spans = find(SOURCE, "Model", dotted=dotted)
        layers = {span.lead for span in spans if span.kind == LAYER}
        assert {f"self.conv1 ={nn}", "self.conv1 = nn.Conv1d(1,", "self.block ="} <= layers
        assert not any("self.norm" in lead or "self.head" in lead for lead in layers)
        assert f"x ={functional}" in {span.lead for span in spans if span.kind == STATEMENT}
        assert f"self.conv1_pool ={nn}" in {span.lead for span in spans if span.kind == INSERT}


def test_every_span_can_be_filled_with_what_it_says() -> None:
    lines = SOURCE.split("\n")
    for span in find(SOURCE, "Model", settled=True):
        text = textwrap.indent(span.text, span.indent)
        assert text == "\n".join(lines[span.start : span.end]) or span.kind == INSERT
        new = splice(SOURCE, span, span.shown or f"self.{span.name} = nn.Identity()")
        assert (new == SOURCE) == (span.kind != INSERT)
        ast.parse(new)


def test_a_new_layer_is_called_behind_the_layer_it_follows() -> None:
    span = next(span for span in find(SOURCE, "Model") if span.name == "block_act")
    for reply in (" nn.GELU()  \n        self.more = 1", "nn.GELU()", " \\\n            nn.GELU()"):
        source = spanned(SOURCE, span, reply, "Model").source
        wanted = "self.block = Block(8) self.block_act = nn.GELU() self.norm"
        assert wanted in " ".join(source.replace("\\", "").split())
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
    span = next(span for span in find(SOURCE, "Model") if span.lead == "self.conv1 =")
    reply = "Wider:\n```python\n        self.conv1 = nn.Conv1d(1, 16, 3)\n```"
    assert "nn.Conv1d(1, 16, 3)" in span_answered(SOURCE, span, reply, "Model").source
    assert span_answered(SOURCE, span, "No thanks, it is fine.", "Model").problem


def span_of(kind: str, name: str) -> SourceSpan:
    return next(span for span in find(SOURCE, "Model") if (span.kind, span.name) == (kind, name))


def test_a_layer_and_its_call_are_written_together() -> None:
    span = span_of(CALLED_LAYER, "conv1")
    reply = "```python\nself.conv1 = nn.Conv1d(1, 8, 7)\nx = F.gelu(self.conv1(x.unsqueeze(1)))\n```"
    source = span_answered(SOURCE, span, reply, "Model").source
    assert "self.conv1 = nn.Conv1d(1, 8, 7)" in source
    assert "F.gelu(self.conv1(x.unsqueeze(1)))" in source
    assert "F.relu(self.conv1" not in source
    assert "sets self.conv1" in span_answered(SOURCE, span, "```\nx = self.conv1(x)\n```", "Model").problem


def test_a_layer_and_its_call_on_one_line_go_to_their_own_places() -> None:
    span = next(each for each in find(SOURCE, "Model") if each.kind == CALLED_LAYER and each.name == "block")
    child = splice(SOURCE, span, "self.block = nn.Identity(); x = self.block(x)")
    assert "        self.block = nn.Identity()\n        self.norm" in child
    assert "        x = self.block(x)\n        return" in child


def test_a_base_model_writes_the_call_behind_the_layer() -> None:
    span = span_of(CALLED_LAYER, "conv1")
    assert "nn.Conv1d(1, 8, 3)  # x = F.relu(self.conv1(x.unsqueeze(1)))" in with_calls(SOURCE, (span,))
    both = spanned(
        SOURCE, span, " nn.Conv1d(1, 8, 5)  # x = F.silu(self.conv1(x.unsqueeze(1)))\n  x = 1", "Model"
    )
    assert "F.silu(self.conv1(" in both.source
    assert "# " not in both.source
    for odd in ("", "  # see above", "  # x = (", "  # x = self.other(x)"):
        alone = spanned(SOURCE, span, f" nn.Conv1d(1, 8, 5){odd}", "Model")
        assert "nn.Conv1d(1, 8, 5)\n" in alone.source
        assert "F.relu(self.conv1(" in alone.source


def test_a_method_is_written_anew_and_nothing_else() -> None:
    span = [s for s in find(SOURCE, "Model") if (s.kind, s.name) == (METHOD, "forward")][-1]
    assert span.lead == "def forward(self, x):"
    reply = "\n        x = self.conv1(x)\n        return self.head(x)\n\n    def other(self):\n        pass\n"
    source = spanned(SOURCE, span, reply, "Model").source
    assert source.endswith(
        "    def forward(self, x):\n        x = self.conv1(x)\n        return self.head(x)\n"
    )
    assert "self.block" in source
    cut = "\n        x = self.conv1(x)\n        return self.head(x)\n        y = self.block("
    assert spanned(SOURCE, span, cut, "Model", cut=True).source == source
    assert spanned(SOURCE, span, cut, "Model").problem
    chat = "```python\ndef forward(self, x):\n    x = self.conv1(x)\n    return self.head(x)\n```"
    assert span_answered(SOURCE, span, chat, "Model").source == source
    assert "one method forward" in span_answered(SOURCE, span, chat.replace("forward", "go"), "Model").problem


def test_a_method_that_says_what_it_returns_keeps_saying_so() -> None:
    typed = SOURCE.replace("def forward(self, x):", "def forward(self, x: torch.Tensor) -> torch.Tensor:")
    assert typed != SOURCE
    span = [s for s in find(typed, "Model") if (s.kind, s.name) == (METHOD, "forward")][-1]
    assert span.lead == "def forward(self, x: torch.Tensor) -> torch.Tensor:"
    source = spanned(typed, span, "\n        return self.head(x)\n", "Model").source
    assert source.endswith(f"    {span.lead}\n        return self.head(x)\n")


def test_blocks_are_statements_with_their_layers_and_helpers() -> None:
    found = {block.name: block for block in blocks(SOURCE, "Model")}
    assert set(found) == {"conv1", "block"}
    assert list(found["block"].layers) == ["block", "norm"]
    assert found["block"].call == "x = self.norm(self.block(x))"
    assert list(found["block"].helpers) == ["Block", "scaled"]
    assert found["block"].text.endswith("self.norm = nn.BatchNorm1d(8)\nx = self.norm(self.block(x))")
    assert blocks("def Model():\n    return None\n", "Model") == ()


def test_a_block_of_one_layer_is_called_elsewhere_as_it_was() -> None:
    source = SOURCE.replace("x = self.norm(self.block(x))", "h, _ = self.block(h + F.relu(h))")
    block = next(block for block in blocks(source, "Model") if block.name == "block")
    assert block.called("other", "x") == "x, _ = self.other(x + F.relu(x))"
    wider = next(block for block in blocks(SOURCE, "Model") if block.name == "block")
    assert wider.called("other", "x") == ""  # two layers
    residual = source.replace("F.relu(h))", "F.relu(y))")
    assert [b.called("other", "x") for b in blocks(residual, "Model") if b.name == "block"] == [""]


def test_a_place_behind_a_layer_that_gives_a_tuple_is_found() -> None:
    source = SOURCE.replace("x = self.norm(self.block(x))", "x, _ = self.block(x)")
    span = next(span for span in find(source, "Model") if span.name == "block_act")
    child = spanned(source, span, "GELU()", "Model").source
    assert "        x, _ = self.block(x)\n        x = self.block_act(x)\n" in child


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(), max_size=200) | st.text("\n ([{'\"=:x1#`\ud800\0", max_size=80))
def test_no_reply_makes_a_parser_raise(reply: str) -> None:
    spans = {span.kind: span for span in find(SOURCE, "Model")}.values()
    results = [
        completed(HEAD, reply, AROUND, "Model", cut=True),
        answered(reply, AROUND, "Model", cut=True),
        *(spanned(SOURCE, span, reply, "Model", cut=True) for span in spans),
        *(span_answered(SOURCE, span, reply, "Model", cut=True) for span in spans),
    ]
    for parsed in results:
        assert bool(parsed.source) != bool(parsed.problem)
        if parsed.source:
            ast.parse(parsed.source)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(BODY)))
def test_a_reply_cut_anywhere_is_a_child_or_a_problem(at: int) -> None:
    parsed = completed(HEAD, BODY[:at], AROUND, "Model", cut=True)
    assert bool(parsed.source) != bool(parsed.problem)


def test_a_reply_at_the_cap_is_read() -> None:
    reply = BODY + "#" * (MAX_REPLY - len(BODY))
    assert completed(HEAD, reply, AROUND, "Model").source


def test_a_function_entry_and_a_missing_one_have_a_head() -> None:
    assert header("def Model(num_classes):\n    return 1\n", "Model") == "def Model(num_classes):"
    assert header("x = 1\n", "Model", ("num_classes",)).endswith(
        "def __init__(self, num_classes):\n        super().__init__()"
    )

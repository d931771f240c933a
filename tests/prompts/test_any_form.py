"""A sound answer of a chat model is taken in whatever form it came."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.prompts.any_form import EDITS, FILE, read
from evoarch.prompts.choices import chosen
from evoarch.prompts.outline import merged, outline
from evoarch.prompts.replies import Parsed
from evoarch.prompts.spans import LAYER, SourceSpan, find

SOURCE = """\
import torch.nn as nn
import torch.nn.functional as F


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sigmoid()

    def forward(self, x):
        return x * self.inner(x)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(40, 16)
        self.gate = Gate()
        self.b = nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.a(x))
        x = self.gate(x)
        return self.b(x)
"""
WIDER = SOURCE.replace("16", "32")
CHANGED = SOURCE.replace("nn.Linear(40, 16)", "nn.Linear(40, 16, bias=False)")
LINE = "self.a = nn.Linear(40, 16, bias=False)"
EDIT = f"<<<<<<< SEARCH\nself.a = nn.Linear(40, 16)\n=======\n{LINE}\n>>>>>>> REPLACE"
INIT = CHANGED.split("class Model(nn.Module):\n")[1].split("\n    def forward")[0]
FORWARD = "def forward(self, x):\n    return self.b(self.gate(self.a(x)))"

ANSWERS = {
    "whole file": (f"Sorry for the confusion!\n```python\n{CHANGED}```\nHope it helps.", CHANGED),
    "whole file, bare": (CHANGED, CHANGED),
    "edits": (f"I drop the bias.\n\n{EDIT}", CHANGED),
    "edits in a fence": (f"```diff\n{EDIT}\n```", CHANGED),
    "statement": (f"```\n{LINE}\n```", CHANGED),
    "method": (f"```python\n{INIT}```", CHANGED),
    "statement continued": ("```\nself.a = \\\n    nn.Linear(40, 16, bias=False)\n```", CHANGED),
    "reasoning first": (f"<think>```\nself.a = nn.Linear(1, 1)\n```</think>\n```\n{LINE}\n```", CHANGED),
    "old and new": (f"Before:\n```\nself.a = nn.Linear(40, 16)\n```\nAfter:\n```\n{LINE}\n```", CHANGED),
}


def layer() -> SourceSpan:
    return next(span for span in find(SOURCE, "Model") if span.kind == LAYER and span.name == "a")


def said(reply: str, asked: str | SourceSpan) -> Parsed:
    return read(reply, asked, SOURCE, merged([outline(SOURCE, "Model")]), "Model")


def same(one: str, other: str) -> bool:
    return "".join(one.split()).replace("\\", "") == "".join(other.split()).replace("\\", "")


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("asked", [FILE, EDITS, "layer"])
def test_every_sound_form_is_taken_whatever_was_asked(asked: str, name: str) -> None:
    reply, expected = ANSWERS[name]
    parsed = said(reply, layer() if asked == "layer" else asked)
    assert parsed.problem == ""
    assert same(parsed.source, expected), parsed.source


def test_what_was_asked_and_what_came_are_both_said() -> None:
    assert said(f"```\n{CHANGED}```", layer()).note == "a whole file, where one place was asked for"
    assert said(EDIT, FILE).note == "edits, where a whole file was asked for"
    assert "a whole file, where edits were asked for" in said(f"```\n{CHANGED}```", EDITS).note
    assert said(f"```\n{LINE}\n```", layer()).note == ""


def test_methods_helpers_and_calls_find_their_places() -> None:
    assert "return self.b(self.gate(self.a(x)))" in said(f"```\n{FORWARD}\n```", layer()).source
    helper = "class Gate(nn.Module):\n    def forward(self, x):\n        return x.tanh()"
    changed = said(f"```\n{helper}\n```", layer()).source
    assert "x.tanh()" in changed
    assert changed.count("class Gate") == 1
    call = said("```\nx = F.gelu(self.a(x))\n```", FILE).source
    assert "F.gelu(self.a(x))" in call
    assert "F.relu" not in call


@pytest.mark.parametrize(
    "reply",
    ["I can't.", "```\nself.nowhere = nn.ReLU()\n```", "```\nself.a = nn.Linear(40, 16)\n```", "```\n```"],
)
@pytest.mark.parametrize("asked", [FILE, EDITS])
def test_what_is_no_child_is_a_problem(reply: str, asked: str) -> None:
    parsed = said(reply, asked)
    assert parsed.problem
    assert not parsed.source


@pytest.mark.parametrize(
    ("reply", "numbers"),
    [
        ('Smaller is better.\n{"choose": [3, 1, 3, 99, 0]}', [3, 1]),
        ("<think>{'choose': [2]}</think>```json\n{'choose': [4]}\n```", [4]),
        ("I take [2, 5].", [2, 5]),
        ("I take none [of them].", []),
        ("", []),
    ],
)
def test_numbers_are_read_from_a_choice(reply: str, numbers: list[int]) -> None:
    assert chosen(reply, 5) == numbers


@given(st.text(max_size=60), st.sampled_from([FILE, EDITS, "layer"]), st.sampled_from(list(ANSWERS.values())))
@settings(max_examples=60, deadline=None)
def test_nothing_raises(noise: str, asked: str, answer: tuple[str, str]) -> None:
    at = len(noise) % len(answer[0])
    for reply in (noise, answer[0][:at] + noise + answer[0][at:]):
        parsed = said(reply, layer() if asked == "layer" else asked)
        assert bool(parsed.source) != bool(parsed.problem)

"""The knobs of a model file: which numbers make it wider, deeper or finer, and what stays."""

from __future__ import annotations

import pytest

from evoarch.agent.operators.scaling.knobs import Block, Number, knobs_of
from evoarch.agent.operators.syntactic.view import literal
from evoarch.evaluators.zoo.catalogue import load_catalogue
from evoarch.sandbox.vet import vet

OFFERS = {"input_shape": (1, 8, 8), "num_classes": 10}

LITERAL = """
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
            nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.MaxPool2d(2),
        )
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""

NAMED = """
from torch import nn

STAGES = ((16, 2, 3), (24, 1, 5))


def conv(inputs, outputs, kernel=3, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.BatchNorm2d(outputs))


class Block(nn.Module):
    def __init__(self, channels, ratio):
        super().__init__()
        hidden = channels * ratio
        self.up = nn.Conv2d(channels, hidden, 1)
        self.down = nn.Conv2d(hidden, channels, 1)

    def forward(self, x):
        return x + self.down(self.up(x).relu())


class Model(nn.Module):
    def __init__(self, input_shape, num_classes, stem=8, stages=STAGES, ratio=2, stem_stride=2):
        super().__init__()
        layers = [conv(input_shape[0], stem, stride=stem_stride)]
        for i, (channels, blocks, kernel) in enumerate(stages):
            layers.append(conv(stem, channels, kernel))
            layers += [Block(channels, ratio) for _ in range(blocks)]
            stem = channels
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(stem, num_classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


def test_literal_widths_grow_together_and_the_tasks_numbers_stay() -> None:
    scaled = knobs_of(LITERAL, OFFERS).scaled(2.5)
    assert "Conv2d(1, 30, 3, stride=2, padding=1), nn.BatchNorm2d(30)" in scaled
    assert "Conv2d(30, 30, 3, padding=1, groups=30), nn.MaxPool2d(2)" in scaled
    assert "Linear(30, 10)" in scaled


def test_widths_are_found_through_tables_defaults_and_own_functions() -> None:
    scaled = knobs_of(NAMED, OFFERS).scaled(2.0)
    assert "STAGES = ((32, 2, 3), (48, 1, 5))" in scaled
    assert "stem=16, stages=STAGES, ratio=2, stem_stride=2" in scaled
    assert scaled.replace("32, 2, 3", "16, 2, 3").replace("48, 1", "24, 1").replace("=16", "=8") == NAMED


def test_depths_and_strides_are_told_apart_in_one_table() -> None:
    knobs = knobs_of(NAMED, OFFERS)
    counts = [each for each in knobs.depths if isinstance(each, Number)]
    assert sorted(each.value for each in counts) == [1, 2]
    assert {each.name for each in counts} == {"STAGES"}
    assert "STAGES = ((16, 6, 3), (24, 3, 5))" in knobs.scaled(depths=dict.fromkeys(counts, 3.0))
    assert [str(each) for each in knobs.strides] == ["stem_stride = 2"]
    assert "stem_stride=1" in knobs.scaled(strides=knobs.strides)


def test_an_item_of_a_container_is_repeated_with_what_changed_inside() -> None:
    source = LITERAL.replace("nn.MaxPool2d(2),", "Residual(nn.Conv2d(12, 12, 1)),")
    knobs = knobs_of(source, OFFERS)
    (block,) = [each for each in knobs.depths if isinstance(each, Block) and each.whole]
    scaled = knobs.scaled(2.0, {block: 3.0})
    assert scaled.count("Residual(nn.Conv2d(24, 24, 1))") == 3
    assert scaled.count("nn.BatchNorm2d(24)") == 1


def test_a_width_that_multiplies_all_is_moved_alone() -> None:
    source = load_catalogue()["efficientnet"].source
    knobs = knobs_of(source, OFFERS)
    assert knobs.scaled(1.5) == source.replace("width=1.0", "width=1.5")
    assert [str(each) for each in knobs.depths if isinstance(each, Number)] == ["depth = 1.0"]
    # A layer that was written in with plain numbers is widened too.
    more = source.replace(
        "nn.SiLU())\n        self.head", "nn.SiLU(), nn.Conv2d(24, 24, 3))\n        self.head"
    )
    assert "nn.Conv2d(36, 36, 3)" in knobs_of(more, OFFERS).scaled(1.5)


@pytest.mark.parametrize("name", list(load_catalogue()))
def test_every_family_has_widths_and_stays_a_vetted_file(name: str) -> None:
    source = load_catalogue()[name].source
    knobs = knobs_of(source, OFFERS)
    assert knobs.widths
    assert knobs.scaled() == source
    deeper = dict.fromkeys(knobs.depths, 2.0)
    scaled = knobs.scaled(2.0, deeper, knobs.strides)
    assert scaled != source
    assert vet(scaled, entry="Model", offers=OFFERS) == []
    assert all((literal(node) or 0) > 0 for node in knobs_of(scaled, OFFERS).widths)

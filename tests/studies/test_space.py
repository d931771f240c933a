"""`evoarch space`: a candidate's family as a distribution of errors."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from evoarch.agent.operators.space.draws import drawn
from evoarch.agent.operators.space.family import lifted
from evoarch.agent.studies.trainings import TRAINED
from evoarch.archive.store import open_archive
from kit.bred import DEEPER, bred
from kit.command import evoarch, output_of


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    return bred(tmp_path / "c")


def test_what_would_be_trained_is_told_and_nothing_is(campaign: Path) -> None:
    options = ("--samples", "3", "--bounds", "width0=8:9", "--against", "4", "--dry-run", "--json")
    told = json.loads(output_of("space", str(campaign), "4", *options))
    assert told["schema"] == "space/1"
    narrow, wide = told["populations"]
    assert narrow["family"] == wide["family"]
    assert [model["values"]["width0"] in (8, 9) for model in narrow["models"]] == [True] * 2
    assert narrow["tried"] == 12, "two settings are all there are"
    assert len({model["source"] for model in wide["models"]}) == 3
    assert told["todo"] == 5
    assert told["todo_cpu_s"] == 5.0
    assert told["p"] is None
    with open_archive(campaign, write=False) as store:
        assert store.events(kind=TRAINED) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["9"], "no candidate 9"),
        (["4", "--against", "9"], "no candidate 9"),
        (["4", "--against", "grid"], "--against: expected an id or random, got 'grid'"),
        (["4", "--bounds", "with0=8:9"], "expected a knob of the family, got 'with0'; nearest known: width0"),
        (["4", "--bounds", "width0=9:8"], "expected 2 <= LOW <= HIGH <= 512 of a width, got 9:8"),
        (["4", "--bounds", "width0=8"], "expected NAME=LOW:HIGH with two numbers, got '8'"),
        (["4", "--bounds", "width0=8:1e9"], "expected 2 <= LOW <= HIGH"),
        (["4", "--bounds", "width0=8.5:9"], "expected whole numbers of a width, got 8.5:9"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(campaign: Path, arguments: list[str], said: str) -> None:
    result = evoarch("space", str(campaign), *arguments)
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert "Traceback" not in result.output


def test_widths_are_drawn_evenly_in_their_logarithm_and_within_bounds() -> None:
    family, rng = lifted(DEEPER, {}), random.Random(0)
    values = [int(drawn(family, rng)["width0"]) for _ in range(400)]
    assert (min(values), max(values)) == (3, 48)
    assert 0.4 < sum(value <= 12 for value in values) / len(values) < 0.6
    assert {drawn(family, rng, {"width0": (8, 9)})["width0"] for _ in range(20)} == {8, 9}


@pytest.mark.slow
def test_models_are_trained_compared_and_drawn_and_the_same_command_goes_on(campaign: Path) -> None:
    words = ("space", str(campaign), "4", "--samples", "4", "--against", "random")
    first = json.loads(evoarch(*words, "--json").stdout)
    assert first["todo"] == 0
    assert all(0 < model["error"] <= 1 for each in first["populations"] for model in each["models"])
    assert Path(first["picture"]).read_text().count('<path class="line ') == 4
    with open_archive(campaign, write=False) as store:
        trained = store.events(kind=TRAINED)
    assert len(trained) == 8
    again = evoarch(*words)
    assert "trained: " not in again.output
    assert "against random draws: mean error at equal size" in again.output or "not compared" in again.output
    with open_archive(campaign, write=False) as store:
        assert store.events(kind=TRAINED) == trained

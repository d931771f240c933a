"""`evoarch explain`: which edits of a candidate's descent carried its gain."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evoarch.agent.studies.ablation import Variant, effect_of
from evoarch.agent.studies.trainings import TRAINED, Training
from evoarch.archive.store import open_archive
from kit.bred import SEED, bred
from kit.command import evoarch, output_of


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    return bred(tmp_path / "c")


def test_what_would_be_trained_is_told_and_nothing_is(campaign: Path) -> None:
    told = json.loads(output_of("explain", str(campaign), "4", "--dry-run", "--json"))
    assert told["schema"] == "explain/1"
    assert [edit["edit"].split(";")[0] for edit in told["edits"]] == [
        "hidden: 20 -> 12",
        "added self.norm = nn.BatchNorm1d(12)",
        "added self.more = nn.Linear(12, 12)",
    ]
    assert told["edits"][0]["mended"], "a wider layer is fitted to what stayed"
    assert told["todo"] == 5 * 3
    assert told["todo_cpu_s"] == 15.0
    assert told["picture"] is None
    assert set(told) == {
        "schema",
        "id",
        "candidate",
        "seed",
        "edits",
        "todo",
        "todo_cpu_s",
        "cpu_s",
        "picture",
    }
    with open_archive(campaign, write=False) as store:
        assert store.events(kind=TRAINED) == []


def test_a_narrow_terminal_cuts_no_number(campaign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evoarch.agent.cli.output.terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    told = output_of("explain", str(campaign), "4", "--dry-run")
    assert max(map(len, told.splitlines())) <= 60
    assert "to be trained: 15 times" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["9"], "no candidate 9"),
        (["1"], "candidate 1: expected one that was bred, got a seed: no edit"),
        (["4", "--recipe", "slow"], "recipe 'slow': task digits has no such recipe"),
        (["4", "--seeds", "1"], "1 is not in the range x>=2"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(campaign: Path, arguments: list[str], said: str) -> None:
    result = evoarch("explain", str(campaign), *arguments)
    assert result.exit_code in (1, 2)
    assert said in result.output


def test_a_failed_training_counts_as_an_error_of_one() -> None:
    """And a table without bits is compared by the errors of its seeds."""
    good = Variant("good", "x", trainings=[Training(0.1, 1, "", 1.0), Training(0.12, 1, "", 1.0)])
    bad = Variant("bad", "y", trainings=[Training(1.0, 0, "", 1.0, "train: nan"), Training(0.1, 1, "", 1.0)])
    effect = effect_of(bad, good, 0.95)
    assert effect is not None
    assert effect.mean == pytest.approx(0.44)
    assert effect.low < 0 < effect.high
    assert effect_of(bad, Variant("none"), 0.95) is None


@pytest.mark.slow
def test_each_model_is_trained_and_the_same_command_goes_on(campaign: Path) -> None:
    first = json.loads(evoarch("explain", str(campaign), "4", "--seeds", "2", "--json").stdout)
    assert first["todo"] == 0
    assert first["cpu_s"] > 0
    assert first["seed"]["source"] == SEED
    rows = [first["candidate"], first["seed"], *first["edits"]]
    assert all(len(row["errors"]) == 2 for row in rows)
    for row in first["edits"]:
        low, high = row["interval"]
        assert low <= row["effect"] <= high
        assert row["effect"] == pytest.approx(row["error"] - first["candidate"]["error"], abs=0.01)
        assert row["verdict"].split(",")[0] in ("carried the gain", "no effect shown", "stood in the way")
    assert Path(first["picture"]).read_text().count('class="dot') >= 3
    with open_archive(campaign, write=False) as store:
        trained = store.events(kind=TRAINED)
        assert [candidate.seeds for candidate in store.scored()] == [1, 1, 1, 1], "the search's scores stay"
    assert len(trained) == 2 * len(rows)
    again = evoarch("explain", str(campaign), "4", "--seeds", "2")
    assert not re.search(r"1/\d", again.output), "nothing is trained again"
    with open_archive(campaign, write=False) as store:
        assert store.events(kind=TRAINED) == trained

"""`evoarch scale`: larger forms of a candidate, as the seeds of a campaign of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evoarch.agent.config.load import load
from evoarch.archive.store import create, open_archive
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.zoo.catalogue import load_catalogue
from evoarch.evaluators.zoo.fit import NEAR, fit
from evoarch.sandbox.genome import source_digest
from kit.command import evoarch, new_campaign, output_of

PLAIN = """
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 20)
        self.head = nn.Linear(20, 10)

    def forward(self, x):
        return self.head(self.hidden(x.flatten(1)).relu())
"""


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """A campaign with two candidates: a small network of the zoo, and one with nothing to repeat."""
    folder = new_campaign(tmp_path / "c", "--task", "digits")
    starnet = fit(load_catalogue()["starnet"], load_task("digits").offers, 2_000).source
    with create(folder, name="c", seed=0) as store:
        for name, source in (("starnet", starnet), ("plain", PLAIN)):
            store.add_seed(name, source, source_digest(source))
    return folder


def test_the_knobs_of_a_candidate_are_shown(found: Path) -> None:
    shown = json.loads(output_of("scale", str(found), "1", "--json"))
    assert shown["sizes"] == []
    assert shown["knobs"]["widths"] == 1
    assert all("depths = " in words and "layers)" in words for words in shown["knobs"]["depth"])
    plain = output_of("scale", str(found), "2")
    assert "depth: []" in plain
    assert sorted(path.name for path in found.parent.iterdir()) == ["c"]


def test_sizes_are_written_as_seeds_the_smallest_first(found: Path) -> None:
    target = found.parent / "sizes"
    said = output_of("scale", str(found), "2", "--params", "20k,4x", "--to", str(target), "--warm")
    assert said.count("can begin as the size before: outputs within") == 2
    assert "next: evoarch run" in said
    config = load(target)
    assert config.seeds.grown
    assert config.campaign.task == "digits"
    sizes = [int(Path(file).stem.partition("_")[2]) for file in config.seeds.files]
    assert sizes[0] == 1510
    assert abs(sizes[1] / (4 * 1510) - 1) <= NEAR
    assert abs(sizes[2] / 20_000 - 1) <= NEAR
    assert (target / config.seeds.files[0]).read_text() == PLAIN
    again = evoarch("scale", str(found), "2", "--params", "20k", "--to", str(target))
    assert again.exit_code == 2
    assert "is there already; choose another folder by --to" in again.output


def test_depth_repeats_blocks_and_width_still_meets_the_budget(found: Path) -> None:
    target = found.parent / "deep"
    options = ("--params", "12k", "--depth", "3x", "--to", str(target), "--json")
    (size,) = json.loads(output_of("scale", str(found), "1", *options))["sizes"]
    assert abs(size["params"] / 12_000 - 1) <= NEAR
    assert size["inexact"] == ""
    assert size["apart"] <= 1e-9
    assert "depths=(3, 3)" in (target / "seeds" / f"size2_{size['params']}.py").read_text()
    assert not load(target).seeds.grown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["7"], "no candidate 7"),
        (["2", "--params", "0.5x"], "--params: expected more than the 1,510 that it has, got '0.5x'"),
        (["2", "--params", "lots"], "--params: expected a number such as 5000, 50k or 2M, got 'lots'"),
        (["2", "--params", "9k,9000"], "--params: expected each size once, got '9k,9000'"),
        (["2", "--params", "9k", "--depth", "2x"], "--depth: expected a model with a block that can be"),
        (
            ["2", "--params", "9k", "--depth", "deep"],
            "--depth: expected a multiple from 1x to 100x, got 'deep'",
        ),
        (["2", "--params", "9k", "--finer", "1"], "--finer: expected at most 0"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    found: Path, arguments: list[str], said: str
) -> None:
    result = evoarch("scale", str(found), *arguments)
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert result.output.count("\n") == 1
    assert sorted(path.name for path in found.parent.iterdir()) == ["c"]


@pytest.mark.slow
def test_sizes_begin_with_the_weights_of_the_one_before_and_are_charged(found: Path) -> None:
    target = found.parent / "sizes"
    output_of("scale", str(found), "2", "--params", "2x", "--to", str(target), "--warm")
    config = target / "campaign.toml"
    config.write_text(
        config.read_text().replace("repeats = 3", "repeats = 2").replace("race = 20", "race = 0")
    )
    output_of("run", str(target))
    with open_archive(target, write=False) as store:
        first, second = (store.evaluations(number) for number in (1, 2))
    assert "inherited" not in first[0].detail
    assert second[0].detail["inherited"] == {"from": 1, "steps": 200, "share": 1.0}
    assert all("inherited" not in each.detail for each in second[1:])

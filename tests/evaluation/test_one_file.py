"""`evaluate` with a campaign's settings or further imports, and the advice at the head of an export."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from evoarch.agent.config.load import load
from evoarch.agent.evaluation.one_file import needs_campaign
from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import create, open_archive
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks import load_task, mnist1d
from evoarch.sandbox.genome import source_digest
from kit.campaigns import config_of
from kit.command import evoarch, new_campaign, output_of

WITH_SCIPY = """
from scipy.signal import windows
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        window = [float(value) for value in windows.hann(5)]
        self.register_buffer("window", torch.tensor(window).view(1, 1, 5))
        self.body = nn.Sequential(
            nn.Conv1d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv1d(16, 16, 3, stride=2), nn.ReLU(), nn.Flatten(),
            nn.LazyLinear(num_classes),
        )

    def forward(self, x):
        return self.body(nn.functional.conv1d(x.unsqueeze(1), self.window, padding=2))
"""


def campaign(folder: Path, source: str, *changes: tuple[str, str]) -> Path:
    """A campaign's folder whose one seed is `source`; `changes` are made in campaign.toml."""
    new_campaign(folder, "--evaluations", "1", "--seed", "3")
    (folder / "seeds" / "own.py").write_text(source)
    file = folder / "campaign.toml"
    text = re.sub(r"files = \[.*\]", 'files = ["seeds/own.py"]', file.read_text())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return folder


def scored(folder: Path, source: str) -> Path:
    """Its archive, in which the seed was scored."""
    with create(folder, name="c", seed=3) as store:
        seed = store.add_seed("own", source, source_digest(source)).id
        store.start(seed)
        outcome = Scored({"error": 0.3, "params": 5.0})
        store.settle(Evaluation(seed, "full", 0, outcome, seconds=1.0, cpu_seconds=0.5, kind="seed"))
    return folder


def advice(exported: Path) -> list[str]:
    """The command that the head of an exported file names, without the word evoarch."""
    (line,) = [line for line in exported.read_text().splitlines() if "To train it again: " in line]
    words = shlex.split(line.partition("To train it again: ")[2])
    assert words[:3] == ["evoarch", "evaluate", "THIS_FILE"]
    return ["evaluate", str(exported), *words[3:]]


def exported(folder: Path, target: Path) -> Path:
    output_of("export", str(folder), "1", "-o", str(target))
    return target


@pytest.mark.slow
def test_a_winner_that_imports_scipy_is_scored_by_the_command_at_its_head(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c", WITH_SCIPY, ("imports = []", 'imports = ["scipy.signal", "numpy.fft"]'))
    file = exported(scored(folder, WITH_SCIPY), tmp_path / "winner.py")
    command = advice(file)
    assert command[2:] == [
        "--task", "mnist1d", "--recipe", "fast", "--seed", "3", "--import", "scipy.signal",
    ]  # fmt: skip
    result = json.loads(evoarch(*command, "--json").stdout)
    assert result["outcome"] == "scored", result
    assert result["findings"] == []
    bare = evoarch("evaluate", str(file), "--json")
    assert bare.exit_code == 1
    assert json.loads(bare.stdout)["stage"] == "vet"


@pytest.mark.slow
@pytest.mark.parametrize("rungs", ["[]", "[{ share = 0.5, keep = 1.0 }]"])
def test_with_its_campaign_a_file_gets_the_score_that_it_had_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rungs: str
) -> None:
    monkeypatch.setitem(mnist1d.RECIPES, "tiny", Recipe("tiny", rate=0.02, steps=20, batch=32))
    source = load_task("mnist1d").seeds["mlp"]
    changes = [
        ('recipe = "fast"', 'recipe = "tiny"'),
        ("repeats = 3", "repeats = 1"),
        ("race = 20", "race = 0"),
    ]
    changes += [("rungs = []", f"rungs = {rungs}"), ("[review]", "[constraints]\nerror = 1.0\n\n[review]")]
    folder = campaign(tmp_path / "c", source, *changes)
    output_of("run", str(folder), "--json")
    with open_archive(folder, write=False) as store:
        before = store.candidate(1).metrics
        events = len(store.events())
    command = advice(exported(folder, tmp_path / "winner.py"))
    assert command[2:] == ["--campaign", str(folder)]
    result = json.loads(evoarch(*command, "--json").stdout)
    assert (result["error"], result["params"]) == (before["error"], before["params"])
    with open_archive(folder, write=False) as store:
        assert len(store.events()) == events


@pytest.mark.parametrize(
    ("tables", "needed"),
    [
        ({}, False),
        ({"sandbox": {"imports": ["scipy"]}}, False),
        ({"evaluation": {"wall_clock": 30.0, "rungs": [{"share": 0.5}]}}, False),
        ({"sandbox": {"python": "/opt/theirs/bin/python"}}, True),
        ({"sandbox": {"preload": ["scipy.signal"]}}, True),
        ({"trainer": {"command": ["sh", "train.sh"]}}, True),
        ({"evaluation": {"memory": 4096}}, True),
        ({"evaluation": {"device": "cuda"}}, True),
        ({"constraints": {"error": 0.9}}, True),
        ({"campaign": {"name": "x", "task": "tensors:mine.npz"}}, True),
    ],
)
def test_what_no_option_says_needs_the_campaign(tables: dict[str, object], needed: bool) -> None:
    assert needs_campaign(config_of(**tables)) is needed


def test_the_advice_says_how_the_file_was_vetted_and_walled(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "a b", "x = 1\n", ("imports = []", 'imports = []\nvet = "report"'))
    scored(folder, "x = 1\n")
    with open_archive(folder, write=True) as store:
        store.event("session", detail={"level": "none"})
    assert advice(exported(folder, tmp_path / "m.py"))[-3:] == ["--vet", "report", "--unsafe"]
    (folder / "campaign.toml").write_text(
        (folder / "campaign.toml").read_text() + "\n[constraints]\nerror = 0.9\n"
    )
    assert advice(exported(folder, tmp_path / "m.py"))[2:4] == ["--campaign", str(folder)]
    assert load(folder).constraints.error == 0.9


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "digits"], "--task: expected none beside --campaign, which brings that of "),
        (["--recipe", "full"], "--recipe: expected none beside --campaign"),
        (["--seed", "0"], "--seed: expected none beside --campaign"),
        (["--import", "scipy"], "--import: expected none beside --campaign"),
    ],
)
def test_options_that_a_campaign_brings_are_refused_beside_it(
    tmp_path: Path, options: list[str], said: str
) -> None:
    (tmp_path / "m.py").write_text("x = 1\n")
    result = evoarch("evaluate", str(tmp_path / "m.py"), "--campaign", str(tmp_path / "c"), *options)
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert said in result.output


def test_a_campaign_or_an_import_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("x = 1\n")
    for options, said in (
        (["--campaign", str(tmp_path / "c")], "campaign.toml: no such file"),
        (["--import", "no_such_module"], "--import: "),
        (["--task", "digit"], "nearest is 'digits'"),
    ):
        result = evoarch("evaluate", str(tmp_path / "m.py"), *options)
        assert result.exit_code == 2
        assert result.output.count("\n") == 1
        assert said in result.output

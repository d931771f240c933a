"""`evoarch zoo`, and `evoarch init --seeds`: a campaign that begins with families of the zoo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evoarch.evaluators.zoo.catalogue import load_catalogue
from kit.command import evoarch, new_campaign, output_of


def test_the_zoo_lists_every_family_and_finds_by_a_word() -> None:
    listed = json.loads(output_of("zoo", "--json"))["rows"]
    assert [each["name"] for each in listed] == sorted(load_catalogue())
    assert "starnet" in output_of("zoo")
    found = output_of("zoo", "--search", "STAR OPERATION")
    assert "starnet" in found
    assert "regnet" not in found
    nothing = evoarch("zoo", "--search", "no such thing")
    assert (nothing.exit_code, nothing.output) == (1, "evoarch: --search: no family has 'no such thing'\n")


def test_a_family_is_shown_with_its_paper_and_variants() -> None:
    shown = output_of("zoo", "show", "starnet")
    assert "Rewrite the Stars" in shown
    assert "s1: 2,869,168 parameters" in shown
    assert json.loads(output_of("zoo", "show", "starnet", "--json"))["paper"]["arxiv"] == "2403.19967"
    unknown = evoarch("zoo", "show", "starnte")
    assert unknown.exit_code == 2
    assert unknown.output.endswith("got 'starnte'; nearest known: starnet\n")


MINE = "# mine\nfrom torch import nn\n\n\ndef Model():\n    return nn.Linear(8, 10)\n"


def test_seeds_stand_in_the_place_of_the_baselines(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(MINE)
    folder = tmp_path / "c"
    said = output_of(
        *("init", str(folder), "--task", "digits", "--lm", "none"),
        *("--seeds", f"starnet, mlp,{own}", "--params", "5k"),
    )
    assert {path.name for path in (folder / "seeds").iterdir()} == {"starnet.py", "mlp.py", "own.py"}
    assert (
        'files = ["seeds/mlp.py", "seeds/own.py", "seeds/starnet.py"]'
        in (folder / "campaign.toml").read_text()
    )
    assert (folder / "seeds" / "own.py").read_text() == MINE
    assert "% of 5,000" in said


def test_seeds_may_be_sized_by_flops(tmp_path: Path) -> None:
    options = ("--task", "digits", "--lm", "none", "--seeds", "starnet", "--flops", "300k")
    said = output_of("init", str(tmp_path / "c"), *options)
    assert " FLOPs with " in said
    assert "% of 300,000" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "regnte"], "got 'regnte'; nearest known: regnet"),
        (["--seeds", "tdnn"], "--seeds: tdnn: does not take the task's input, 1 x 8 x 8"),
        (["--seeds", "starnet", "--params", "30"], "got 30: its smallest here is"),
        (["--seeds", "starnet", "--params", "lots"], "--params: expected a number such as 5000, 50k or 2M"),
        (["--seeds", "mlp,mlp"], "--seeds: expected each name once, got 'mlp' twice"),
        (["--seeds", "no/such.py"], "no/such.py: No such file or directory"),
        (["--params", "5k"], "expected --seeds beside it"),
        (["--flops", "5M"], "--flops is the size of families of the zoo: expected --seeds beside it"),
        (["--seeds", "starnet", "--flops", "-1"], "--flops: expected a number such as 5000, 50k or 2M"),
        (["--seeds", "starnet", "--flops", "1M", "--params", "5k"], "--params and --flops: expected one"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    tmp_path: Path, options: list[str], said: str
) -> None:
    folder = tmp_path / "c"
    result = evoarch("init", str(folder), "--task", "digits", "--lm", "none", *options)
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert result.output.count("\n") == 1
    assert not folder.exists()


@pytest.mark.slow
def test_a_campaign_that_begins_with_families_has_children_of_them(tmp_path: Path) -> None:
    options = ("--task", "digits", "--seeds", "mobileone,starnet", "--params", "5k", "--evaluations", "3")
    folder = new_campaign(tmp_path / "c", *options)
    config = folder / "campaign.toml"
    config.write_text(
        config.read_text().replace("repeats = 3", "repeats = 1").replace("race = 20", "race = 0")
    )
    output_of("run", str(folder))
    rows = json.loads(output_of("list", str(folder), "--json"))["rows"]
    scored = [row for row in rows if row["state"] == "scored"]
    assert {row["name"] for row in scored if row["operator"] == "seed"} == {"mobileone", "starnet"}
    children = [row for row in scored if row["operator"].startswith("syntactic.")]
    assert children
    assert all(row["parents"] and row["error"] < 0.9 for row in children)

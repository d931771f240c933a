"""`run --dry-run`: a child of each operator in a copy, the campaign untouched, and the arithmetic."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config, load
from evoarch.agent.search.cost_estimate import TriedProposal, estimate
from evoarch.agent.search.session import copy_campaign
from kit.campaigns import config_of
from kit.command import evoarch
from kit.small_seed import SEED

PROGRAM = """\
import sys
sys.stdin.read()
print("nn.Conv1d(1, 9, 5, stride=2, padding=1)")
"""

TOML = """
[campaign]
name = "c"

[budget]
evaluations = 40

[seeds]
files = ["seeds/small.py"]

[evaluation]
workers = 1

[[lm]]
name = "echo"
backend = "command"
command = {command}
price_completion = 1e6

[[operators]]
name = "lm.scoped"
lm = "echo"
samples = 4

[[operators]]
name = "syntactic.mutate"
"""


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_dry_run_makes_one_child_of_each_operator_and_leaves_the_campaign_alone(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "small.py").write_text(SEED)
    command = json.dumps([sys.executable, "-I", "-c", PROGRAM])
    (tmp_path / "campaign.toml").write_text(TOML.format(command=command))
    before = files(tmp_path)
    done = evoarch("run", str(tmp_path), "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    assert files(tmp_path) == before
    found = json.loads(done.stdout)
    asked, quick = found["tried"]
    assert (asked["operator"], asked["lm"], quick["operator"]) == ("lm.scoped", "echo", "syntactic.mutate")
    assert asked["completion_tokens"] > 0
    assert asked["outcome"] in ("sound", "failed", "rejected")
    assert quick["outcome"] in ("sound", "failed", "rejected")
    assert quick["prompt_tokens"] == 0
    assert found["evaluations"] == 40
    # Half the children are asked for, four a call: one prompt for four samples.
    wanted = 5 * asked["prompt_tokens"] + 20 * asked["completion_tokens"]
    assert found["tokens"] == wanted
    assert found["money"] == pytest.approx(20 * asked["completion_tokens"])
    assert found["seconds"] > 0
    assert found["hours"] == max(found["slot_hours"], found["lm_hours"]) > 0
    text = evoarch("run", str(tmp_path), "--dry-run", "--replay", str(tmp_path))
    assert text.exit_code == 2
    assert "expected one of them" in text.stderr


def folder_of(folder: Path, more: str = "") -> Path:
    (folder / "seeds").mkdir()
    (folder / "seeds" / "small.py").write_text(SEED)
    tables = TOML.partition("[[lm]]")[0] + more + '[[operators]]\nname = "syntactic.mutate"\n'
    (folder / "campaign.toml").write_text(tables)
    return folder


def test_a_dry_run_tells_an_objective_that_the_task_does_not_measure(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, '[selection]\nobjectives = ["error", "flop"]\n')
    done = evoarch("run", str(folder), "--dry-run")
    assert done.exit_code == 2, done.output
    assert "selection.objectives: no metric 'flop'; nearest known: flops" in done.stderr


def test_a_dry_run_tells_an_archive_that_it_can_not_copy(tmp_path: Path) -> None:
    (folder_of(tmp_path) / "archive.db").write_text("no database, but long enough to be looked at " * 20)
    done = evoarch("run", str(tmp_path), "--dry-run")
    assert done.exit_code == 1, done.output
    assert f"{tmp_path / 'archive.db'}: file is not a database" in done.stderr


def test_a_copy_writes_nothing_beside_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "campaign").mkdir()
    folder = folder_of(tmp_path / "campaign")
    shutil.copy(folder / "seeds" / "small.py", tmp_path / "beside.py")
    text = (folder / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(text.replace("seeds/small.py", "../beside.py"))
    with pytest.raises(UserError, match=r"seeds\.files: .*expected a file there, or an absolute path, got"):
        copy_campaign(folder, tmp_path / "other" / "copy", load(folder))
    assert not (tmp_path / "other" / "beside.py").exists()
    (folder / "campaign.toml").write_text(text.replace("seeds/small.py", str(tmp_path / "beside.py")))
    copy_campaign(folder, tmp_path / "other" / "copy", load(folder))
    assert load(tmp_path / "other" / "copy").seeds.files == (str(tmp_path / "beside.py"),)


def config(**tables: object) -> Config:
    lm = {"name": "big", "backend": "openai", "model": "m", "concurrency": 2, "price_prompt": 2.0}
    operators = [{"name": "lm.rewrite", "lm": "big"}, {"name": "random"}]
    return config_of(**{"lm": [lm], "operators": operators, **tables})


def test_the_estimate_counts_calls_by_their_samples_and_proposals_by_their_share() -> None:
    asked = TriedProposal("lm.rewrite", "big", "sound", "", 0.5, 8, 1000, 200, 0.0, 30.0)
    quick = TriedProposal("random", "", "sound", "", 0.5, 1)
    known = estimate([asked, quick], config(), left=80, proposals=100, trained=40, seconds=9.0, workers=2)
    # 80 evaluations take 200 proposals, of which 100 are asked for in 12.5 calls.
    assert known.share == 0.4
    assert known.tokens == 12.5 * 1000 + 100 * 200
    assert known.money == pytest.approx(12.5 * 1000 * 2 / 1e6)
    assert known.slot_hours == pytest.approx(80 * 9 / 2 / 3600)
    assert known.lm_hours == pytest.approx(12.5 * 30 / 2 / 3600)
    assert known.hours == known.slot_hours
    early = estimate([asked, quick], config(), left=80, proposals=19, trained=2, seconds=9.0, workers=2)
    assert early.share == 1.0
    assert early.tokens == 5 * 1000 + 40 * 200


def test_rounds_make_no_more_children_than_they_have_samples() -> None:
    asked = TriedProposal("lm.rewrite", "big", "sound", "", 1.0, 8, 1000, 200, 0.0, 30.0)
    alone = [{"name": "lm.rewrite", "lm": "big"}]
    in_rounds = config(rounds={"rounds": 3, "prompts": 3, "samples": 8}, operators=alone)
    fresh = estimate([asked], in_rounds, left=500, proposals=0, trained=0, seconds=9.0, workers=2)
    assert (fresh.evaluations, fresh.tokens) == (72, 9 * 1000 + 72 * 200)
    later = estimate([asked], in_rounds, left=490, proposals=48, trained=12, seconds=9.0, workers=2)
    assert (later.evaluations, later.tokens) == (6, 3 * 1000 + 24 * 200)
    short = estimate([asked], in_rounds, left=4, proposals=48, trained=12, seconds=9.0, workers=2)
    assert (short.evaluations, short.tokens) == (4, 2 * 1000 + 16 * 200)

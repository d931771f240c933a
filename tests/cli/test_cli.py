"""The commands as a person meets them: help with an example, one clear line for what is wrong, exit codes."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from evoarch.agent.cli import main
from evoarch.agent.config.load import load
from evoarch.archive.lock import RunLock
from evoarch.archive.store import open_archive
from evoarch.sandbox.level import LevelReport
from evoarch.sandbox.limits import Level
from kit.command import evoarch, output_of


def test_every_command_has_help_with_an_example() -> None:
    for name, command in main.commands.items():
        text = evoarch(name, "--help").output
        assert f"evoarch {name} " in text or f"evoarch {name}\n" in text
        assert "Example" in text
        assert command.get_short_help_str()


def test_a_finished_campaign_reads_the_same_in_every_command(finished: Path, tmp_path: Path) -> None:
    status = json.loads(evoarch("status", str(finished), "--json").stdout)
    assert status["state"] == "complete"
    assert status["evaluations"] == 3
    assert set(status) >= {
        "proposals", "rejected", "duplicates", "failed", "elites",
        "best", "tokens", "cpu_s", "elapsed_s", "seeds",
    }  # fmt: skip
    assert {seed["name"] for seed in status["seeds"]} == {"conv_base", "mlp"}
    rows = json.loads(evoarch("list", str(finished), "--json").stdout)["rows"]
    assert [row["id"] for row in rows] == list(range(1, len(rows) + 1))
    assert set(rows[0]) >= {
        "id", "operator", "parents", "state", "error", "params", "source_digest", "generation",
    }  # fmt: skip
    best = status["best"]
    row = next(row for row in rows if row["id"] == best["id"])
    assert (row["error"], row["params"]) == (best["error"], best["params"])
    shown = json.loads(evoarch("show", str(finished), str(best["id"]), "--json").stdout)
    assert "class Model" in shown["source"]
    assert shown["evaluations"][0]["outcome"] == "scored"
    bred = next(row for row in rows if row["parents"])
    if bred["state"] == "scored":
        assert f"#{bred['parents'][0]}" in evoarch("diff", str(finished), str(bred["id"])).output
    target = tmp_path / "model.py"
    assert evoarch("export", str(finished), str(best["id"]), "-o", str(target)).exit_code == 0
    assert evoarch("check", str(target)).exit_code == 0
    for command in ("status", "list"):
        assert evoarch(command, str(finished)).exit_code == 0
    assert evoarch("show", str(finished), str(best["id"])).exit_code == 0


def test_tasks_of_a_kind_are_one_row_with_their_names_below() -> None:
    lines = output_of("tasks").splitlines()
    rows = [line.split()[0] for line in lines if line and not line.startswith("and your own")]
    assert rows[:4] == ["task", "digits", "mnist1d", "mnist1d-shuffled"]
    assert sorted(rows[4:6]) == ["clrs-processor/NAME", "clrs/NAME"]
    names = {row["name"] for row in json.loads(output_of("tasks", "--json"))["rows"]}
    for group in ("clrs/NAME: ", "clrs-processor/NAME: "):
        (below,) = (line.removeprefix(group) for line in lines if line.startswith(group))
        assert len(below.split(", ")) == 30
        assert {f"{group.partition('/')[0]}/{name}" for name in below.split(", ")} <= names
    assert len(lines) < 12


def test_a_rerun_of_a_complete_campaign_changes_nothing(finished: Path) -> None:
    before = evoarch("list", str(finished), "--json").output
    assert evoarch("run", str(finished), "--json").exit_code == 0
    assert evoarch("list", str(finished), "--json").output == before


def test_an_id_that_is_not_there_names_those_that_are(finished: Path) -> None:
    result = evoarch("show", str(finished), "999")
    assert result.exit_code == 1
    assert "no candidate 999; there are 1 to" in result.output


def test_a_new_campaign_begins_with_every_seed_of_its_task(folder: Path) -> None:
    files = [folder / name for name in load(folder).seeds.files]
    assert {file.stem for file in files} == {"conv_base", "mlp", "gru", "residual_cnn"}
    assert all(file.is_file() for file in files)


def test_init_does_not_write_over_a_campaign(folder: Path) -> None:
    result = evoarch("init", str(folder))
    assert result.exit_code == 2
    assert "is there already" in result.output


def test_an_unknown_task_names_the_nearest(tmp_path: Path) -> None:
    result = evoarch("init", str(tmp_path / "c"), "--task", "mnist2d")
    assert result.exit_code == 2
    assert "mnist1d" in result.output


def test_an_unknown_key_is_one_line_and_exit_code_2(folder: Path) -> None:
    result = evoarch("run", str(folder), "--set", "budget.evaluation=3")
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert "budget.evaluation: unknown key; nearest known: evaluations" in result.output


GOOD = (
    "from torch import nn\n\n\nclass Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
)
BAD_SEEDS = {
    "parse": ("def Model(:\n", ["1:"]),
    "import": ("import requests\n" + GOOD + "        self.a = nn.Linear(40, 10)\n", ["1:", "requests"]),
    "build": (
        GOOD
        + "        self.a = nn.Linear(40, 'ten')\n\n    def forward(self, x):\n        return self.a(x)\n",
        ["build"],
    ),
    "forward": (
        GOOD + "        self.a = nn.Linear(39, 10)\n\n    def forward(self, x):\n        return self.a(x)\n",
        ["39", "40"],
    ),
    "backward": (
        GOOD
        + "        self.a = nn.Linear(40, 10)\n\n    def forward(self, x):\n"
        + "        return self.a(x).detach()\n",
        ["gradient"],
    ),
    "shape": (
        GOOD + "        self.a = nn.Linear(40, 11)\n\n    def forward(self, x):\n        return self.a(x)\n",
        ["11", "10"],
    ),
}


@pytest.mark.parametrize("kind", sorted(BAD_SEEDS))
def test_a_seed_file_that_does_not_hold_is_named_and_the_others_are_fine(folder: Path, kind: str) -> None:
    source, parts = BAD_SEEDS[kind]
    (folder / "seeds" / "mlp.py").write_text(source)
    result = evoarch("run", str(folder))
    assert result.exit_code == 1
    assert "seeds/mlp.py:" in result.output
    for part in parts:
        assert part in result.output
    assert "seeds/conv_base.py: fine" in result.output
    assert not (folder / "archive.db").exists()


def test_a_seed_file_that_is_not_utf8_is_one_line(folder: Path) -> None:
    (folder / "seeds" / "mlp.py").write_bytes(b"# \xff\n")
    result = evoarch("run", str(folder))
    assert result.exit_code == 1
    assert "expected UTF-8" in result.output


def test_an_archive_of_a_newer_version_is_left_alone(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "newer"
    shutil.copytree(finished, copy)
    with sqlite3.connect(copy / "archive.db") as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    for command in ("run", "status", "list"):
        result = evoarch(command, str(copy))
        assert result.exit_code == 1
        assert "version 99 is newer" in result.output


def test_a_second_run_is_refused(finished: Path) -> None:
    with RunLock(finished):
        result = evoarch("run", str(finished))
        assert result.exit_code == 1
        assert "another run holds this campaign" in result.output
        assert json.loads(evoarch("status", str(finished), "--json").stdout)["state"] == "running"


def test_without_isolation_nothing_runs_before_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = LevelReport(Level.NONE, ("the kernel has no Landlock",), "use another machine")
    monkeypatch.setattr("evoarch.agent.evaluation.bench.detect", lambda: bare)
    monkeypatch.setattr("evoarch.agent.evaluation.doctor.detect", lambda: bare)
    result = evoarch("run", str(folder))
    assert result.exit_code == 2
    assert "no isolation" in result.output
    assert "--unsafe" in result.output
    assert not (folder / "archive.db").exists()
    result = evoarch("doctor", str(folder))
    assert result.exit_code == 1
    assert "level none" in result.output


def test_check_prints_all_findings_and_exit_code_1(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os\nimport requests\n")
    result = evoarch("check", str(bad))
    assert result.exit_code == 1
    assert f"{bad}:1:" in result.output
    assert f"{bad}:2:" in result.output
    found = json.loads(evoarch("check", str(bad), "--json").stdout)["rows"]
    assert {f["line"] for f in found} >= {1, 2}
    assert all(f["hint"] for f in found)


def test_evaluate_puts_one_file_through_the_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(
        GOOD + "        self.a = nn.Linear(40, 10)\n\n    def forward(self, x):\n        return self.a(x)\n"
    )
    result = json.loads(evoarch("evaluate", str(path), "--json").stdout)
    assert result["outcome"] == "failed"  # a linear model stays above the task's ceiling
    assert result["stage"] == "constraint"
    assert result["fault"] == "candidate"
    missing = evoarch("evaluate", str(path), "--recipe", "quick")
    assert missing.exit_code == 2
    assert "quick" in missing.output


def test_doctor_names_every_point() -> None:
    points = {point["what"]: point for point in json.loads(evoarch("doctor", "--json").stdout)["rows"]}
    assert set(points) >= {"isolation", "archive", "devices", "lm embedded", "lm openai"}


def test_no_endpoint_is_said_before_anything_is_spent(tmp_path: Path) -> None:
    path = tmp_path / "c"
    assert evoarch("init", str(path), "--lm", "openai").exit_code == 0
    result = evoarch("run", str(path), "--set", "lm.0.base_url=http://127.0.0.1:9/v1")
    assert result.exit_code == 2
    assert "127.0.0.1:9" in result.output
    with open_archive(path, write=False) as store:
        # The question whether the server is there is a call like any other: logged before it was sent. It
        # reached nobody, so it costs nothing.
        assert [(call.state, call.prompt_tokens) for call in store.calls.all()] == [("failed", 0)]
        assert not store.evaluations()

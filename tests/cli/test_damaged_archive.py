"""An archive whose values are none: every command that reads it says so in one line."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from evoarch.archive.damage import damage
from kit.command import evoarch

BAD = {
    "text for a number": ("candidates", 'error = \'abc\', metrics = \'{"error": "abc", "params": 1}\''),
    "an endless number": ("candidates", 'error = 9e999, metrics = \'{"error": 1e400, "params": 1}\''),
    "a number that is none": ("candidates", 'metrics = \'{"error": NaN, "params": 1}\''),
    "no count": ("candidates", 'params = -5, metrics = \'{"error": 0.5, "params": -5}\''),
    "metrics in a list": ("candidates", "metrics = '[1, 2]'"),
    "repairs that are no list": ("candidates", "repairs = '7'"),
    "no JSON": ("evaluations", "detail = '{'"),
    "nested without end": ("evaluations", f"detail = '{'[' * 100_000}'"),
    "an unknown fault": ("evaluations", "kind = 'x', stage = 7, detail = '[]'"),
    "events of no time": ("events", "time = 'late', detail = '3'"),
    "a note of bytes": ("candidates", "note = x'ff00'"),
    "a source of bytes": ("candidates", "source = x'ff05'"),
    "costs without end": ("evaluations", "seconds = 9e999, cpu_seconds = -9e999, correct = 'text'"),
    "calls that cost text": ("evaluations", "cpu_seconds = 'much', params = 'many'"),
}

COMMANDS = {
    "status": [],
    "list": [],
    "show": ["1"],
    "report": ["-o", "{folder}/out.html"],
    "lineage": ["1"],
    "diff": ["1", "2"],
}


@pytest.fixture(params=BAD.values(), ids=BAD)
def bad(request: pytest.FixtureRequest, finished: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(finished, tmp_path / "bad"))
    table, change = request.param
    with sqlite3.connect(folder / "archive.db") as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(f"UPDATE {table} SET {change}")
    db.close()
    return folder


def test_an_archive_that_a_run_made_has_no_damage(finished: Path) -> None:
    assert damage(finished / "archive.db") == ""


def test_bad_values_are_named_in_one_line(bad: Path) -> None:
    assert "expected" in damage(bad / "archive.db")
    for command, more in COMMANDS.items():
        for options in ([], ["--json"] if command in ("status", "list", "show") else []):
            words = [word.format(folder=bad) for word in more]
            result = evoarch(command, str(bad), *words, *options)
            if result.exit_code:
                said = result.stderr.strip().splitlines()
                assert result.exit_code == 1, (command, said)
                assert len(said) == 1, (command, said)
                assert "archive.db" in said[0]


def test_views_and_triggers_are_no_archive(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "program"))
    with sqlite3.connect(folder / "archive.db") as db:
        db.execute("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM candidates; END")
    db.close()
    result = evoarch("status", str(folder))
    assert result.exit_code == 1
    assert "it has a trigger, 't'" in result.stderr

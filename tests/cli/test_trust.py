"""Folders that somebody else made: what of them runs as code is said, and asked about once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evoarch.agent.cli import main, trust
from evoarch.agent.config.load import load
from evoarch.agent.config.trust import VARIABLE, code_of, remember, trusted
from evoarch.archive.store import create
from kit.command import evoarch, new_campaign
from kit.pages import files_of

TASK = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own state folder, and nothing agreed to."""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def foreign(tmp_path: Path, old: str = 'task = "mnist1d"', new: str = 'task = "own.py:Own"') -> Path:
    """A campaign whose task is code that leaves a mark where it runs, as if it had been unpacked."""
    folder = new_campaign(tmp_path / "campaign")
    (folder / "own.py").write_text(TASK)
    text = (folder / "campaign.toml").read_text()
    assert old in text
    (folder / "campaign.toml").write_text(text.replace(old, new))
    return folder


def ran(folder: Path) -> bool:
    return (folder / "ran").exists()


COMMANDS: dict[str, tuple[str, ...]] = {
    "run": (),
    "confirm": (),
    "compare": ("--arms", "syntactic", "--seeds", "1"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_script_runs_no_foreign_code_unless_it_says_so(command: str, tmp_path: Path) -> None:
    folder = foreign(tmp_path)
    done = evoarch(command, str(folder), *COMMANDS[command])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert "own.py:Own" in line
    assert "--trust" in line
    assert not ran(folder)
    done = evoarch(command, str(folder), *COMMANDS[command], "--trust")
    assert ran(folder)
    logs = (path.read_text() for path in folder.rglob("run.log"))
    assert "expected a class 'Own'" in "".join([done.stderr, *logs])


OTHERS: dict[str, tuple[str, ...]] = {
    "seed add": ("seed", "add", "{folder}", "{folder}/seeds/mlp.py"),
    "tuning export": ("tuning", "export", "{folder}", "-o", "{folder}/out.jsonl"),
    "evaluate": ("evaluate", "{folder}/seeds/mlp.py", "--campaign", "{folder}"),
}


@pytest.mark.parametrize("words", OTHERS.values(), ids=OTHERS)
def test_whatever_loads_a_foreign_task_asks(words: tuple[str, ...], tmp_path: Path) -> None:
    folder = foreign(tmp_path)
    create(folder, name="c", seed=0).close()
    command = [word.format(folder=folder) for word in words]
    done = evoarch(*command)
    assert done.exit_code == 2, done.output
    assert "--trust" in done.stderr
    assert not ran(folder)
    evoarch(*command, "--trust")
    assert ran(folder)


def test_a_dry_run_and_a_replay_ask_too(tmp_path: Path) -> None:
    folder = foreign(tmp_path)
    done = evoarch("run", str(folder), "--dry-run")
    assert (done.exit_code, ran(folder)) == (2, False)
    assert "--trust" in done.stderr
    create(folder, name="c", seed=0).close()
    done = evoarch("run", str(tmp_path / "again"), "--replay", str(folder))
    assert (done.exit_code, ran(folder)) == (2, False)
    assert "--trust" in done.stderr
    assert not (tmp_path / "again").exists()


def test_what_init_was_given_is_agreed_to(tmp_path: Path) -> None:
    own = files_of("own-task.md", tmp_path) / "my_task.py"
    folder = new_campaign(tmp_path / "campaign", "--task", f"{own}:MyTask")
    code = code_of(load(folder), folder)
    assert [one.key for one in code] == ["campaign.task"]
    assert trusted(folder, code)


def test_the_variable_agrees_and_remembers_nothing(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = foreign(tmp_path)
    monkeypatch.setenv(VARIABLE, "1")
    evoarch("run", str(folder))
    assert ran(folder)
    assert not state.exists()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], Result]:
    """`evoarch run` at a terminal where a person types this answer."""
    monkeypatch.setattr(trust, "_interactive", lambda: True)
    return lambda folder, answer: CliRunner().invoke(main, ["run", str(folder)], input=answer)


def test_a_person_is_asked_once_and_again_after_a_change(
    tmp_path: Path, asked: Callable[[Path, str], Result]
) -> None:
    folder = foreign(tmp_path)
    done = asked(folder, "n\n")
    assert (done.exit_code, ran(folder)) == (2, False)
    assert "campaign.task own.py:Own" in done.stderr
    assert str(folder / "own.py") in done.stderr
    assert "nothing was run" in done.stderr
    assert "Run it?" in asked(folder, "y\n").stderr
    assert ran(folder)
    assert "Run it?" not in asked(folder, "").stderr
    for name in ("own.py", "beside.py"):
        with (folder / name).open("a") as file:
            file.write("# changed\n")
        assert "Run it?" in asked(folder, "n\n").stderr
        assert "Run it?" in asked(folder, "y\n").stderr
        assert "Run it?" not in asked(folder, "").stderr
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert "Run it?" in asked(copy, "n\n").stderr


def test_a_campaign_of_init_without_code_is_never_asked_about(tmp_path: Path, state: Path) -> None:
    folder = new_campaign(tmp_path / "campaign")
    assert code_of(load(folder), folder) == []
    assert trusted(folder, [])
    assert not state.exists()


SETTINGS = {
    "trainer.command": '[trainer]\ncommand = ["python", "own.py"]\n',
    "lm.command": '[[lm]]\nname = "x"\nbackend = "command"\ncommand = ["python", "own.py"]\n',
    "lm.backend": '[[lm]]\nname = "x"\nbackend = "own.py:LM"\n',
    "operators.name": '[[operators]]\nname = "own.py:Operator"\n',
}


@pytest.mark.parametrize("key", SETTINGS)
def test_each_way_to_name_code_is_seen_with_its_file(key: str, tmp_path: Path) -> None:
    folder = foreign(tmp_path, 'task = "mnist1d"', 'task = "digits"')
    with (folder / "campaign.toml").open("a") as file:
        file.write("\n" + SETTINGS[key])
    (one,) = code_of(load(folder), folder)
    assert one.key == key
    assert folder.resolve() / "own.py" in one.files
    remember(folder, [one])
    assert trusted(folder, [one])
    (folder / "own.py").write_text("# changed")
    assert not trusted(folder, [one])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("evaluation.metrics", '["own.py:Metric"]'),
        ("selection.method", "own.py:Method"),
        ("sandbox.python", "own.py"),
    ],
)
def test_each_setting_that_names_code_is_seen(setting: str, value: str, tmp_path: Path) -> None:
    folder = foreign(tmp_path, 'task = "mnist1d"', 'task = "digits"')
    (one,) = code_of(load(folder, [f"{setting}={value}"]), folder)
    assert one.key == setting
    assert folder.resolve() / "own.py" in one.files


def test_an_arm_that_brings_code_is_asked_about(tmp_path: Path) -> None:
    folder = foreign(tmp_path, 'task = "mnist1d"', 'task = "digits"')
    (folder / "arms").mkdir()
    (folder / "arms" / "evil.toml").write_text('[[operators]]\nname = "own.py:Operator"\n')
    done = evoarch("compare", str(folder), "--arms", "syntactic,evil", "--seeds", "1")
    assert done.exit_code == 2
    assert "own.py:Operator" in done.stderr
    assert "--trust" in done.stderr
    assert not ran(folder)


def test_a_record_that_is_broken_agrees_to_nothing(tmp_path: Path, state: Path) -> None:
    folder = foreign(tmp_path)
    code = code_of(load(folder), folder)
    remember(folder, code)
    (record,) = (state / "evoarch" / "trusted").iterdir()
    assert trusted(folder, code)
    record.write_bytes(b"\xff")
    assert not trusted(folder, code)

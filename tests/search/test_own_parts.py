"""Parts of a user's own take part in a campaign: the page's own code, by path, installed and as objects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evoarch.agent.config.load import load
from evoarch.archive.store import open_archive
from kit.command import SCRIPT
from kit.command import evoarch as command
from kit.own_parts import BY_PATH, GIVEN, INSTALLED, PYTHON, WAYS, campaign, install, took_part, write_page
from kit.own_parts import outside as outside
from kit.quick_walls import quick_walls


def test_the_pages_parts_take_part_by_path(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    done = command("run", "demo")
    assert done.exit_code == 0, done.output
    took_part(outside / "demo")


def test_the_pages_parts_take_part_as_an_installed_package(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_walls(monkeypatch)
    campaign(outside / "demo", INSTALLED)
    monkeypatch.syspath_prepend(str(install(outside / "site")))
    done = command("run", "demo")
    assert done.exit_code == 0, done.output
    took_part(outside / "demo")


def test_the_pages_parts_take_part_as_objects(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_walls(monkeypatch)
    campaign(outside / "demo", GIVEN)
    monkeypatch.syspath_prepend(str(write_page(outside / "scripts")))
    monkeypatch.setattr(sys, "argv", ["run_it.py", "demo"])
    exec(compile(PYTHON["run_it.py"], "run_it.py", "exec"), {})
    took_part(outside / "demo")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["path", "package", "objects"])
def test_the_pages_parts_take_part_behind_the_real_walls(tmp_path: Path, way: str) -> None:
    """As a user does it: in processes of their own, from a folder outside the repository."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    folder = campaign(tmp_path / "demo", WAYS[way], evaluations=5)
    script = [SCRIPT, "run", "demo"]
    if way == "path":
        write_page(folder)
    elif way == "package":
        environment["PYTHONPATH"] = str(install(tmp_path / "site"))
    else:
        write_page(tmp_path)
        script = [sys.executable, "run_it.py", "demo"]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    took_part(folder)


def test_the_pages_tests_pass(tmp_path: Path) -> None:
    write_page(tmp_path)
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_parts.py"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pages_examples_have_the_length_that_is_promised() -> None:
    lines = {name: len([line for line in text.splitlines() if line.strip()]) for name, text in PYTHON.items()}
    assert lines["my_ops.py"] <= 30
    assert lines["my_lm.py"] <= 20
    assert lines["my_metrics.py"] <= 10


def test_a_replay_finds_parts_by_path_from_its_own_folder(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    assert command("run", "demo").exit_code == 0
    done = command("run", "deep/er/again", "--replay", "demo")
    assert done.exit_code == 0, done.output
    first, again = (open_archive(Path(folder), write=False) for folder in ("demo", "deep/er/again"))
    for store in (first, again):
        assert len(store.candidates()) > 4
    assert [(c.source, c.metrics.get("worst_class")) for c in first.candidates()] == [
        (c.source, c.metrics.get("worst_class")) for c in again.candidates()
    ]
    assert "../../../demo/my_ops.py:Widen" in (outside / "deep/er/again/campaign.toml").read_text()
    first.close()
    again.close()


def test_a_comparison_looks_over_the_parts_of_all_arms_before_it_runs_one(outside: Path) -> None:
    write_page(campaign(outside / "demo", BY_PATH))
    (outside / "demo/arms").mkdir()
    (outside / "demo/arms/mine.toml").write_text('[[operators]]\nname = "my_ops.py:Widened"\n')
    done = command("compare", "demo", "--arms", "random,mine", "--seeds", "1", "--evaluations", "1")
    assert done.exit_code == 2, done.output
    assert "my_ops.py: expected a class 'Widened', got none; nearest is 'Widen'" in done.stderr
    assert not list(outside.glob("demo/compare/*/*/archive.db"))
    config = load(outside / "demo/compare/mine/seed-0")
    assert config.operators[0].name == "../../../my_ops.py:Widened"
    assert config.evaluation.metrics[0] == "../../../my_metrics.py:WorstClass"


def test_an_own_selection_method_chooses_the_parents(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    path = outside / "demo/campaign.toml"
    path.write_text(path.read_text().replace("[selection]", '[selection]\nmethod = "my_selection.py:newest"'))
    assert load(outside / "demo").selection.method == "my_selection.py:newest"
    assert command("run", "demo").exit_code == 0
    store = open_archive(outside / "demo", write=False)
    first = next(each for each in store.candidates() if each.operator == "widen")
    assert first.parents == (2,)
    store.close()
    (outside / "demo/my_selection.py").write_text("def newest(*given):\n    return ['me']\n")
    done = command("run", "demo", "--set", "budget.evaluations=20")
    assert done.exit_code == 1
    assert "my_selection.py: newest: expected a list of at most 1 different candidates" in done.stderr

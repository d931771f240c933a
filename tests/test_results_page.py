"""The page of results: its first paragraph, and archives that come back as they were."""

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import main
from agent.compare.comparison import compared
from agent.compare.curves import Curve, Point, read
from agent.compare.runs import Run, plan
from benchmarks import results
from benchmarks.results_kept import curves, pack, restore, take_comparison, unpack

ARMS = {"lm": "a model", "random": "chance"}


def flat(arm: str, seed: int, height: float) -> Curve:
    return Curve(arm, seed, (Point(0, 1.0, 0.0, 3.0, 0.5), Point(5, 9.0, height, 3.0 - height, 0.5)))


@pytest.mark.parametrize(
    ("lift", "verb"), [(1.0, "it beats random"), (0.0, "it does not beat random"), (-1.0, "it is beaten by")]
)
def test_the_first_paragraph_says_whether_the_model_beats_chance(lift: float, verb: str) -> None:
    found = [flat("lm", s, lift + s / 100) for s in range(5)]
    found += [flat("random", s, s / 100) for s in range(5)]
    said = results.headline(compared(ARMS, found), "mnist1d")
    assert said.count(verb) == 2
    assert f"{lift:+.3f} [" in said


def test_without_one_of_the_two_nothing_is_said() -> None:
    found = [flat("random", s, s / 100) for s in range(5)]
    assert "nothing can be said yet" in results.headline(compared(ARMS, found), "mnist1d")


def test_an_empty_folder_gives_a_page_without_results(tmp_path: Path) -> None:
    text, pictures = results.page(tmp_path)
    assert text.startswith("# Results")
    assert not pictures


def test_an_archive_comes_back_as_it_was(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "archive.db") as made:
        made.execute("CREATE TABLE t (x)")
        made.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(9)])
    made.close()
    pack(tmp_path / "archive.db", tmp_path / "kept" / "a.db.xz")
    back = sqlite3.connect(unpack(tmp_path / "kept" / "a.db.xz", tmp_path / "back") / "archive.db")
    assert [x for (x,) in back.execute("SELECT x FROM t")] == list(range(9))
    back.close()


@pytest.mark.slow
def test_a_comparison_is_taken_in_and_its_page_reads_its_archives(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    done = CliRunner().invoke(
        main, ["init", str(folder), "--task", "mnist1d", "--evaluations", "3", "--lm", "none"]
    )
    assert done.exit_code == 0, done.output
    text = (folder / "campaign.toml").read_text().replace("repeats = 3", "repeats = 1")
    text = text.replace('"seeds/gru.py", ', "").replace(', "seeds/residual_cnn.py"', "")
    (folder / "campaign.toml").write_text(text)
    assert CliRunner().invoke(main, ["compare", str(folder), "--arms", "random:1"]).exit_code == 0
    assert take_comparison(folder, tmp_path / "results" / "c", {"random": 2}) == 1
    (run,) = plan(folder, {"random": 1})
    assert curves(tmp_path / "results" / "c") == [read(Run("random", run.seed, run.folder))]
    page, pictures = results.page(tmp_path / "results")
    assert "| random | every child drawn from nothing, from the layer vocabulary | 1 of 2 |" in page
    assert "Not all runs are finished (random: 1 to go)" in page
    assert set(pictures) == {"results-c-evaluations.svg", "results-c-cpu-seconds.svg"}
    assert json.loads((tmp_path / "results" / "c" / "about.json").read_text())["task"] == "mnist1d"
    again = tmp_path / "again"
    assert restore(tmp_path / "results" / "c", again) == 1
    done = CliRunner().invoke(main, ["compare", str(again), "--arms", "random:1", "--json"])
    assert done.exit_code == 0, done.output
    assert "1 of 1 runs are there, 0 to do" in done.stderr

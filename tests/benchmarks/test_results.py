"""The page of results: its first paragraph, and archives that come back as they were."""

import json
import sqlite3
from pathlib import Path

import pytest
from benchmarks.results_explained import explained
from benchmarks.results_kept import curves, pack, restore, take_comparison, unpack

from benchmarks import results
from evoarch.agent.compare.comparison import compared
from evoarch.agent.compare.curves import read
from evoarch.agent.compare.runs import Run, plan
from kit.command import evoarch, new_campaign, small_campaign
from kit.curves import flat

ARMS = {"lm": "a model", "random": "chance"}


@pytest.mark.parametrize(
    ("lift", "verb"), [(1.0, "it beats random"), (0.0, "it does not beat random"), (-1.0, "it is beaten by")]
)
def test_the_first_paragraph_says_whether_the_model_beats_chance(lift: float, verb: str) -> None:
    found = [flat("lm", s, lift + s / 100) for s in range(5)]
    found += [flat("random", s, s / 100) for s in range(5)]
    said = results.headline(compared(ARMS, found), "mnist1d", "lm")
    assert said.count(verb) == 2
    assert f"{lift:+.3f} [" in said


def test_without_one_of_the_two_nothing_is_said() -> None:
    found = [flat("random", s, s / 100) for s in range(5)]
    assert "nothing can be said yet" in results.headline(compared(ARMS, found), "mnist1d", "lm")


def test_an_empty_folder_gives_a_page_without_results(tmp_path: Path) -> None:
    text, pictures = results.page(tmp_path)
    assert text.startswith("# Results")
    assert not pictures


def row(number: int, name: str | None, params: int, error: float) -> dict[str, object]:
    found = {"mean": error, "low": error - 0.01, "high": error + 0.01}
    vague = {**found, "low": 0.0, "high": 1.0}
    return {
        "id": number,
        "name": name,
        "baseline": name is not None,
        "params": params,
        "seeds": 3,
        "selection": error,
        "spread": [error - 0.002, error + 0.005],
        "openings": 1,
        "reason": "",
        "flops": 2.0 * params,
        "latency": {"ratio": 0.5, "low": 0.49, "high": 0.51, "runs": 20},
        "tests": {"fresh": found, "public": vague},
        "opening": {"recipe": "full", "time": 0.0},
    }


def test_what_was_confirmed_stands_in_the_first_lines_with_the_baselines(tmp_path: Path) -> None:
    rows = [row(9, None, 3000, 0.02), row(8, None, 1500, 0.03), row(1, "conv_base", 5210, 0.05)]
    kept = tmp_path / "small"
    kept.mkdir()
    about = {"task": "t", "recipe": "fast", "evaluations": 9, "seed": 7, "machine": "one", "versions": {}}
    (kept / "about.json").write_text(json.dumps(about))
    (kept / "confirm.json").write_text(json.dumps(rows))
    (kept / "candidate-9.py").write_text("import torch\n")
    text, _ = results.page(tmp_path)
    assert (
        "**t, bred from the baselines and confirmed:** error on the fresh test, "
        "1,500 parameters 3.00% [2.00, 4.00], 3,000 parameters 2.00% [1.00, 3.00]; "
        "the baselines, retrained in the same way: conv_base (5,210) 5.00% [4.00, 6.00]."
    ) in text
    assert (
        "| #9 | 3,000 | 6,000 | 0.50 [0.49, 0.51] | 3 | 2.00% | 1.80 to 2.50 | 2.00% [1.00, 3.00] |" in text
    )
    assert "```python\nimport torch\n```" in text
    assert "evoarch confirm again --candidate 9 --candidate 8" in text


def test_what_was_explained_is_a_table_of_edits(tmp_path: Path) -> None:
    model = {"name": "#7", "params": 1200, "error": 0.02, "errors": [0.02, 0.02]}
    edit = {
        "step": 3,
        "edit": "a | b",
        "params": 900,
        "error": 0.05,
        "effect": 0.03,
        "interval": [0.01, 0.05],
    }
    other = {**edit, "params": None, "error": None, "effect": None, "interval": None, "verdict": "it fails"}
    edits = [{**edit, "verdict": "carried the gain"}, other]
    found = {"id": 7, "candidate": model, "seed": model, "edits": edits, "cpu_s": 12.3}
    assert explained(tmp_path) == []
    (tmp_path / "explain-7.json").write_text(json.dumps(found))
    text = "\n".join(explained(tmp_path))
    assert "| #3 | `a \\| b` | 900 | 5.00% | +3.00 [+1.00, +5.00] | carried the gain |" in text
    assert "|  |  |  | it fails |" in text
    assert "`evoarch explain again 7 --seeds 2`" in text


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
    folder = small_campaign(tmp_path / "c", "--task", "mnist1d", "--evaluations", "3")
    assert evoarch("compare", str(folder), "--arms", "random:1").exit_code == 0
    assert take_comparison(folder, tmp_path / "results" / "c", {"random": 2}) == 1
    (run,) = plan(folder, {"random": 1})
    assert curves(tmp_path / "results" / "c") == [read(Run("random", run.seed, run.folder))]
    page, pictures = results.page(tmp_path / "results")
    assert "| random | every child drawn from nothing, from the layer vocabulary | 1 of 2 |" in page
    assert "Not all runs are finished (random: 1 to go)" in page
    names = ("evaluations", "cpu-seconds", "attained")
    assert set(pictures) == {f"results-c-{name}.svg" for name in names}
    assert json.loads((tmp_path / "results" / "c" / "about.json").read_text())["task"] == "mnist1d"
    again = tmp_path / "again"
    assert restore(tmp_path / "results" / "c", again) == 1
    done = evoarch("compare", str(again), "--arms", "random:1", "--json")
    assert done.exit_code == 0, done.output
    assert "1 of 1 runs are there, 0 to do" in done.stderr


def arguments(monkeypatch: pytest.MonkeyPatch, *given: str) -> int:
    monkeypatch.setattr("sys.argv", ["results", *given])
    return results.main()


@pytest.mark.parametrize("arms", ["random", "random:", "random:0", "", "a:1,,b:2"])
def test_arms_without_their_number_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arms: str
) -> None:
    assert arguments(monkeypatch, "--compared", str(tmp_path), "x", "--arms", arms) == 1
    assert "--arms: expected NAME:N between commas" in capsys.readouterr().err


def test_what_can_not_be_taken_in_or_restored_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    folder = new_campaign(tmp_path / "c")
    plan(folder, {"random": 1})
    assert arguments(monkeypatch, "--compared", str(folder), "c", "--arms", "random:1") == 1
    assert not (tmp_path / "results").exists()
    assert arguments(monkeypatch, "--restore", "c", str(tmp_path / "again")) == 1
    (tmp_path / "results" / "c").mkdir(parents=True)
    (tmp_path / "results" / "c" / "about.json").write_text('{"planned": {}, "arms": {}}')
    assert arguments(monkeypatch, "--restore", "c", str(folder)) == 1
    (tmp_path / "results" / "c" / "about.json").write_text("{}")
    assert arguments(monkeypatch, "--restore", "c", str(tmp_path / "again")) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert said[0].endswith("no run of random is finished yet; nothing to take in")
    assert said[1].endswith("about.json: No such file or directory")
    assert said[2].endswith("c: File exists")
    assert said[3].endswith("a confirmed campaign; expected a comparison")


def test_what_is_kept_of_before_goes_on_as_it_did(tmp_path: Path) -> None:
    kept = results.RESULTS / "mnist1d"
    assert restore(kept, tmp_path / "again") == 35
    done = evoarch("compare", str(tmp_path / "again"), "--arms", "random:10,lm:5", "--report-only", "--json")
    assert done.exit_code == 0, done.output
    assert "Not all runs are finished" not in done.stdout


@pytest.mark.slow
def test_a_comparison_is_kept_with_its_files_and_its_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    folder, kept, again = tmp_path / "c", tmp_path / "results" / "c", tmp_path / "again"
    small_campaign(folder)
    for name in ("arms", "terse"):
        (folder / name).mkdir()
    (folder / "terse" / "scoped.j2").write_text("{{ before }}{{ indent }}{{ lead }}\n")
    own = '[prompts]\nfolder = "terse"\n[[operators]]\nname = "random"\n'
    (folder / "arms" / "mine.toml").write_text(own)
    command = ["compare", str(folder), "--arms", "mine:1", "--evaluations", "1"]
    assert evoarch(*command).exit_code == 0
    assert arguments(monkeypatch, "--compared", str(folder), "c", "--arms", "mine:1") == 0
    about = json.loads((kept / "about.json").read_text())
    assert (about["evaluations"], about["given"]) == (1, 1)
    assert "compare again --arms mine:1 --evaluations 1" in results.page(tmp_path / "results")[0]

    assert arguments(monkeypatch, "--restore", "c", str(again)) == 0
    assert f"evoarch compare {again} --arms mine:1 --evaluations 1" in capsys.readouterr().out
    for file in ("arms/mine.toml", "terse/scoped.j2", "seeds/mlp.py"):
        assert (again / file).read_bytes() == (folder / file).read_bytes()
    other = evoarch("compare", str(again), "--arms", "mine:1")
    assert other.exit_code == 2
    assert "was begun under another configuration" in other.stderr
    same = evoarch("compare", str(again), *command[2:])
    assert same.exit_code == 0, same.output
    assert "1 of 1 runs are there, 0 to do" in same.stderr

    # A later sitting at another budget is not put beside it.
    (folder / "compare").rename(tmp_path / "away")
    assert evoarch(*command[:-1], "2").exit_code == 0
    assert arguments(monkeypatch, "--compared", str(folder), "c", "--arms", "mine:1") == 1
    assert "expected runs of one budget, got 1 and 2 evaluations" in capsys.readouterr().err

"""What a run says while it goes on: of the loop that it runs, in words that a newcomer can read."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from evoarch.agent.analysis.rounds import RoundStatus
from evoarch.agent.analysis.status import FrontPoint, Status, read_status
from evoarch.agent.analysis.under_way import phase
from evoarch.agent.cli.live import moment, opening_lines, picture, plain, progress
from evoarch.agent.config.load import load
from evoarch.archive.store import open_archive
from kit.command import evoarch, new_campaign
from kit.reviewing import population_of


def point(identity: int, error: float | None, params: float, state: str = "scored") -> FrontPoint:
    metrics = {} if error is None else {"error": error, "params": params}
    return FrontPoint(identity, f"s{identity}", "seed", error, params, 1, None, metrics, state)


def test_rounds_count_the_children_that_they_make() -> None:
    rounds = [RoundStatus(0, "complete", proposed=24), RoundStatus(1, "running", proposed=12)]
    status = Status("c", "running", 72, planned=72, evaluations=3, proposals=36, rounds=rounds)
    assert progress(status) == (36, 72)
    said = plain(status, 6.0, 360.0)
    assert said.startswith("round 2, 1 complete: 36/72 children made, 3 trained, ")
    assert said.endswith("6.0/min, left 6:00")
    done = Status("c", "running", 72, planned=72, evaluations=40, proposals=72, repeats=2,
                  rounds=[RoundStatus(n, "complete", proposed=24) for n in range(3)])  # fmt: skip
    assert plain(done, 6.0, 0.0).endswith("trained again, 2 times so far")


def test_seeds_come_first_and_the_best_has_its_criterion() -> None:
    seeds = [point(1, 0.2, 10), point(2, None, 10, "failed"), point(3, None, 10, "running")]
    assert plain(Status("c", "running", 9, seeds=seeds), 0.0, None) == "seeds 2/3 trained"
    front = [point(1, 0.2, 10), point(4, 0.1, 5000)]
    status = Status(
        "c", "running", 9, evaluations=3, proposals=5, rejected=1, failed=1, seeds=seeds[:2], front=front
    )
    assert plain(status, 2.0, 60.0) == (
        "3/9 children trained, 5 proposed (1 rejected, 0 duplicates, 1 failed), front 2, "
        "lowest error 0.1000 (#4 with 5,000 parameters), 2.0/min, left 1:00"
    )


@pytest.mark.parametrize(
    ("objectives", "watched"),
    [
        (["error", "params"], "look at the front: the models that no other one beats in error and params at"),
        (["error"], "look at the model of the lowest error; error is what validation counts as wrong"),
    ],
)
def test_the_first_lines_tell_a_newcomer_what_happens_and_what_to_look_at(
    tmp_path: Path, objectives: list[str], watched: str
) -> None:
    folder = new_campaign(tmp_path / "my demo", "--evaluations", "9")
    config = load(folder, [f"selection.objectives={objectives}"])
    lines = opening_lines(config, 0, "full", folder)
    assert lines[0] == f"my demo: looks for models of low {' and '.join(objectives)} on mnist1d"
    assert lines[1].startswith(
        "first the seeds are trained (conv_base, gru, mlp, residual_cnn), then at most 9"
    )
    assert lines[2].startswith(watched)
    assert (
        lines[3]
        == f"Ctrl-C stops, `evoarch run '{folder}'` goes on; `evoarch review '{folder}'` shows it live"
    )
    assert "#" not in "".join(lines)
    assert "4 of at most 9 children are" in opening_lines(config, 4, "full", folder)[1]


@pytest.mark.parametrize("name", ["eror", "parms", "macro_f1"])
def test_an_unknown_objective_is_found_before_the_walls_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def start(*arguments: object, **named: object) -> None:
        raise AssertionError("the walls are opened")

    monkeypatch.setattr("evoarch.agent.evaluation.walls.start", start)
    folder = new_campaign(tmp_path / "c", "--evaluations", "2")
    result = evoarch("run", str(folder), "--set", f'selection.objectives=["{name}"]')
    assert result.exit_code == 2
    assert f"selection.objectives: no metric '{name}'" in result.stderr
    assert not (folder / "archive.db").exists()


def test_the_live_view_names_phase_slots_and_the_last_event(tmp_path: Path) -> None:
    folder = population_of(tmp_path / "campaign", 2)
    with open_archive(folder, write=True) as store:
        (draft,) = store.draw("lm.scoped", [3], 1, {})
        store.arrive(draft.candidate, "x = 1\n", "d")
        store.start(draft.candidate)
        status = read_status(store, load(folder), live=True)
        said = moment(store, status)
    assert said[:2] == ["interrupted", "1 in training, 1 slot:"]
    assert re.fullmatch(r"  #6 lm\.scoped of #3, \d+ s", said[2])
    assert re.fullmatch(r"last: started #6, \d+ s ago", said[3])
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(picture(status, 1.0, 60.0, said))
    text = console.export_text()
    assert all(line.strip() in text for line in said)
    assert "1 wait for review" in text


def test_a_phase_says_what_is_trained_and_how_far() -> None:
    seeds = [point(1, 0.2, 10), point(3, None, 10, "running")]
    assert phase(Status("c", "running", 9, seeds=seeds)) == "training seeds, 1 of 2 done"
    assert phase(Status("c", "running", 9, evaluations=4)) == "training children, 4 of at most 9 done"
    again = Status("c", "running", 9, evaluations=9, repeats=3, repeats_due=5)
    assert phase(again) == "training the front and the seeds again, 3 of about 8 done"
    assert phase(Status("c", "complete", 9)) == "complete"

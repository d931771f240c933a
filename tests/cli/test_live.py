"""What a run says while it goes on: of the loop that it runs, in words that a newcomer can read."""

from pathlib import Path

import pytest

from evoarch.agent.analysis.rounds import RoundStatus
from evoarch.agent.analysis.status import FrontPoint, Status
from evoarch.agent.cli.live import opening_lines, plain, progress
from evoarch.agent.config.load import load
from kit.command import evoarch, new_campaign


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

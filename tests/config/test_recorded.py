"""The configuration of a campaign that has run: what was `--set` stays, and each difference is said."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.agent.config.recorded import (
    MOST_TOLD,
    differences,
    settings_for_run,
    settings_of,
    settings_of_replay,
)
from evoarch.archive.store import create, open_archive
from evoarch.sandbox.genome import source_digest
from kit.command import evoarch, new_campaign, output_of, small_campaign
from kit.quick_walls import quick_walls

TOML = '[campaign]\nname = "c"\n[budget]\nevaluations = {}\n[[operators]]\nname = "syntactic.mutate"\n'


def campaign(folder: Path, evaluations: int = 100) -> Path:
    """A folder whose campaign has an archive, and no run yet."""
    folder.mkdir(exist_ok=True)
    (folder / "campaign.toml").write_text(TOML.format(evaluations))
    create(folder, name="c", seed=0).close()
    return folder


def ran(folder: Path, *overrides: str) -> tuple[str, ...]:
    """What a run under these overrides would say; it is in the archive afterwards."""
    found = settings_for_run(folder, overrides)
    with open_archive(folder, write=True) as store:
        store.event("session", detail=found.as_json())
    return found.notes


def test_a_set_stays_for_every_later_command(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    assert ran(folder, "budget.evaluations=200") == ()
    for found in (settings_of(folder), settings_for_run(folder), settings_of_replay(folder)):
        assert found.config.budget.evaluations == 200
    assert load(folder).budget.evaluations == 100
    for notes in (settings_of(folder).notes, ran(folder), ran(folder)):
        assert notes == ("budget.evaluations: 200, as --set in an earlier run; campaign.toml has 100",)


def test_a_later_set_and_a_changed_file_both_win_and_both_values_are_said(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    ran(folder, "budget.evaluations=200")
    assert set(ran(folder, "budget.evaluations=150", "budget.stall=7")) == {
        "budget.stall: 300 in the last run, 7 from now on (--set)",
        "budget.evaluations: 200 in the last run, 150 from now on (--set)",
    }
    (folder / "campaign.toml").write_text(TOML.format(400))
    assert set(settings_of(folder).notes) == {
        "budget.evaluations: 150 in the last run, which is shown; 400 in campaign.toml: "
        "`evoarch run` goes on with that",
        "budget.evaluations: campaign.toml was changed after --set budget.evaluations=150; its 400 counts",
        "budget.stall: 7, as --set in an earlier run; campaign.toml has nothing",
    }
    assert settings_of(folder).config.budget.evaluations == 150
    ran(folder)
    assert settings_of(folder).config.budget.evaluations == 400
    assert settings_of(folder).config.budget.stall == 7


STEPS = st.lists(st.tuples(st.sampled_from(["file", "set"]), st.integers(1, 4)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_what_was_said_last_counts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = campaign(tmp_path_factory.mktemp("c"), 1)
    file = expected = 1
    for kind, value in steps:
        if kind == "file":
            (folder / "campaign.toml").write_text(TOML.format(value))
            # Written again as it was, nothing was said.
            expected = value if value != file else expected
            file = value
            ran(folder)
        else:
            ran(folder, f"budget.evaluations={value}")
            expected = value
        assert settings_of(folder).config.budget.evaluations == expected
        assert settings_for_run(folder).config.budget.evaluations == expected


def test_every_key_that_differs_is_told_with_both_values(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    before = load(folder)
    changes = [
        "budget.stall=1",
        "selection.objectives=['error']",
        "operators.0.weight=2.0",
        "constraints.params=9",
    ]
    found = {key: (was, now) for key, was, now in differences(before, load(folder, changes))}
    assert found == {
        "budget.stall": (300, 1),
        "selection.objectives": (["error", "params"], ["error"]),
        "operators.0.weight": (1.0, 2.0),
        "constraints.params": (None, 9),
    }
    ran(folder)
    many = [f"evaluation.{key}={value}" for key, value in {
        "workers": 2, "repeats": 2, "race": 1, "repairs": 1, "retries": 1, "output": 1, "memory": 99,
        "wall_clock": 1.0, "cpu_seconds": 1.0, "recipe": "'x'",
    }.items()]  # fmt: skip
    notes = settings_for_run(folder, many).notes
    assert len(notes) == MOST_TOLD + 1
    assert notes[-1] == "and 2 more differences"


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        (["budget.evaluation=3"], "--set budget.evaluation=3: budget.evaluation: unknown key"),
        (["budget.stall=3", "budget.evaluations=0"], "--set budget.evaluations=0: budget.evaluations: "),
        (["seeds.files=['no.py']"], "--set seeds.files=['no.py']: seeds.files: "),
        (["constraints.reference=no"], "--set constraints.reference=no: constraints.reference: "),
        (["rounds.rounds=3"], "--set rounds.rounds=3: "),
        (["operators.0.lm=big", "budget.stall=3"], "--set operators.0.lm=big: "),
    ],
)
def test_a_fault_of_a_set_is_said_of_the_set(tmp_path: Path, overrides: list[str], place: str) -> None:
    folder = campaign(tmp_path / "c")
    for again in range(2):
        with pytest.raises(UserError) as caught:
            settings_for_run(folder, overrides)
        assert str(caught.value).startswith(place), again
        ran(folder)


def test_a_fault_of_the_file_is_said_of_the_file_whatever_is_set(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    (folder / "campaign.toml").write_text(TOML.format(0))
    with pytest.raises(UserError, match=r"campaign\.toml: budget\.evaluations: "):
        settings_for_run(folder, ["budget.stall=3"])
    assert settings_for_run(folder, ["budget.evaluations=3"]).config.budget.evaluations == 3


def test_a_record_that_this_version_can_not_read_leaves_the_file(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    with open_archive(folder, write=True) as store:
        store.event("session", detail={"config": {"budgets": {}}, "set": "nonsense"})
    assert settings_of(folder).config == load(folder)
    assert settings_for_run(folder).config == load(folder)


def test_every_command_shows_the_campaign_that_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walls = quick_walls(monkeypatch)
    folder = small_campaign(tmp_path / "c", "--evaluations", "3")
    sets = ["--set", "budget.evaluations=5", "--set", 'selection.objectives=["error"]']
    sets += ["--set", "constraints.error=1.0", "--set", "campaign.name='of the run'"]
    output_of("run", str(folder), *sets)
    status = json.loads(evoarch("status", str(folder), "--json").stdout)
    assert (status["name"], status["budget"], status["evaluations"]) == ("of the run", 5, 5)
    jobs = len(walls.jobs)
    again = evoarch("run", str(folder))
    assert again.exit_code == 0
    assert (
        'selection.objectives: ["error"], as --set in an earlier run; campaign.toml has ["error", "params"]'
        in (again.stderr)
    )
    assert [job for job in walls.jobs[jobs:] if job == "train"] == []
    elites = {each["id"] for each in json.loads(evoarch("status", str(folder), "--json").stdout)["front"]}
    front = json.loads(evoarch("report", str(folder), "--json").stdout)["overview"]
    assert {each["id"] for each in front["front"]} == elites
    assert front["objectives"] == ["error"]
    best = str(min(elites))
    output_of("export", str(folder), best, "-o", str(tmp_path / "model.py"))
    assert "campaign 'of the run'" in (tmp_path / "model.py").read_text()
    rows = evoarch("list", str(folder)).stdout
    assert {int(line.split()[0]) for line in rows.splitlines() if line.rstrip().endswith("front")} == elites


def test_the_arms_of_a_comparison_are_of_the_campaign_that_ran(tmp_path: Path) -> None:
    folder = new_campaign(tmp_path / "c", "--evaluations", "4", "--seed", "3")
    create(folder, name="c", seed=3).close()
    ran(folder, "campaign.name='of the run'", "seeds.files=['seeds/mlp.py']", "constraints.params=9000")
    done = evoarch("compare", str(folder), "--arms", "random", "--seeds", "1", "--report-only")
    assert (done.exit_code, "no run is finished yet" in done.stderr) == (1, True)
    for key in ("campaign.name", "seeds.files", "constraints.params"):
        assert f"note: {key}: " in done.stderr
    run = load(folder / "compare" / "random" / "seed-3")
    assert (run.campaign.name, run.constraints.params) == ("of the run random 3", 9000)
    assert run.seeds.files == ("seeds/mlp.py",)
    (folder / "campaign.toml").write_text(
        (folder / "campaign.toml").read_text() + "\n[constraints]\nparams = 8000\n"
    )
    again = evoarch("compare", str(folder), "--arms", "random", "--seeds", "1", "--report-only")
    assert "its 8000 counts" in again.stderr
    assert "begun under another configuration" in again.stderr


def test_a_candidate_is_scaled_under_what_it_was_measured_by(tmp_path: Path) -> None:
    folder = new_campaign(tmp_path / "c", "--task", "digits")
    with create(folder, name="c", seed=0) as store:
        source = (folder / "seeds" / "mlp.py").read_text()
        store.add_seed("mlp", source, source_digest(source))
    ran(folder, "evaluation.cpu_seconds=77.0", "sandbox.imports=['tomlkit']")
    target = tmp_path / "sizes"
    done = evoarch("scale", str(folder), "1", "--params", "3x", "--to", str(target))
    assert done.exit_code == 0, done.stderr
    assert "note: evaluation.cpu_seconds: 77.0, as --set in an earlier run" in done.stderr
    written = load(target)
    assert written.evaluation.cpu_seconds >= 77.0 > load(folder).evaluation.cpu_seconds
    assert written.sandbox.imports == ("tomlkit",)


def test_another_measure_that_was_set_is_refused_as_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_walls(monkeypatch)
    folder = small_campaign(tmp_path / "c", "--evaluations", "1")
    output_of("run", str(folder), "--set", "constraints.error=1.0")
    result = evoarch("run", str(folder), "--set", "campaign.seed=5")
    assert result.exit_code == 2
    assert "evoarch: --set campaign.seed=5: campaign.seed: expected 0" in result.stderr


def test_a_new_campaign_has_no_record(tmp_path: Path) -> None:
    folder = new_campaign(tmp_path / "c")
    assert settings_of(folder).config == settings_for_run(folder).config == load(folder)
    assert settings_of(folder).notes == ()

"""A campaign as a study that Optuna itself reads."""

import lzma
import shutil
from pathlib import Path

import optuna
import pytest

from evoarch.archive.store import open_archive
from kit.command import evoarch, output_of
from kit.paths import ROOT

KEPT = ROOT / "results" / "mnist1d-screening"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a campaign whose candidates have traces."""
    folder = tmp_path_factory.mktemp("kept")
    shutil.copy(KEPT / "campaign.toml", folder)
    shutil.copytree(KEPT / "seeds", folder / "seeds")
    packed = (KEPT / "screened" / "seed-100.db.xz").read_bytes()
    (folder / "archive.db").write_bytes(lzma.decompress(packed))
    return folder


def test_optuna_reads_every_scored_candidate_with_its_values(kept: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    said = output_of("export", str(kept), "--optuna", str(path))
    (name,) = optuna.get_all_study_names(f"sqlite:///{path}")
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{path}")
    with open_archive(kept, write=False) as store:
        scored = {each.id: each for each in store.scored()}
        traced = set(store.traces.many(list(scored)))
    assert f"{len(study.trials)} trials" in said
    assert len(study.trials) > 10
    assert {trial.user_attrs["candidate"] for trial in study.trials} == traced
    for trial in study.trials:
        candidate = scored[trial.user_attrs["candidate"]]
        assert trial.values == [candidate.metrics["error"], candidate.metrics["params"]]
        assert trial.params["params"] == candidate.metrics["params"]
        assert 1 <= trial.params["narrowest"] <= trial.params["widest"]
    assert any("Conv1d" in trial.params["kinds"] for trial in study.trials)
    assert {"candidate", "operator", "parents"} <= set(study.trials[0].user_attrs)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("1", "--optuna", "x.db"), "neither ID nor -o"),
        (("--optuna", "none/x.db"), "there is no folder none"),
        ((), "expected ID, of a candidate"),
        (("1",), "expected -o FILE"),
    ],
)
def test_what_does_not_fit_is_one_line(kept: Path, words: tuple[str, ...], said: str) -> None:
    result = evoarch("export", str(kept), *words)
    assert result.exit_code in (1, 2)
    assert said in result.output.splitlines()[-1]


def test_a_file_that_is_there_is_left_alone(kept: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_text("mine")
    result = evoarch("export", str(kept), "--optuna", str(path))
    assert result.exit_code == 2
    assert "is there already" in result.output
    assert path.read_text() == "mine"

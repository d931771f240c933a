"""campaign.toml and --set: every mistake is one line with place, expected, got and the nearest key."""

from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.agent.search.campaign_template import LM_TABLES
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.evaluators.tasks import load_task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_campaign(tmp_path, load_task("mnist1d"), name="c", seed=3, evaluations=40, lm="embedded")
    return tmp_path


@pytest.mark.parametrize("lm", sorted(LM_TABLES))
def test_what_init_writes_loads(tmp_path: Path, lm: str) -> None:
    write_campaign(tmp_path, load_task("mnist1d"), name="c", seed=3, evaluations=40, lm=lm)
    config = load(tmp_path)
    assert config.budget.evaluations == 40
    assert config.campaign.seed == 3
    assert len(config.seeds.files) == 4
    assert any(o.name.startswith("lm.") for o in config.operators) == (lm != "none")


def test_set_overrides_a_key_in_a_table_and_in_a_list_of_tables(folder: Path) -> None:
    config = load(folder, ["budget.evaluations=7", "campaign.name=other", "operators.0.weight=9.5"])
    assert config.budget.evaluations == 7
    assert config.campaign.name == "other"
    assert config.operators[0].weight == 9.5


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("evaluation.worker=2", ["evaluation.worker", "unknown key", "workers"]),
        ("budgets.evaluations=2", ["budgets", "unknown key", "budget"]),
        ("budget.evaluations=many", ["budget.evaluations", "integer", "'many'"]),
        ("evaluation.cpu_seconds=inf", ["evaluation.cpu_seconds", "finite number", "inf"]),
        ("budget.wall_clock=nan", ["budget.wall_clock", "finite number", "nan"]),
        ("budget.evaluations=0", ["budget.evaluations", "greater than or equal to 1", "0"]),
        ("selection.method=best", ["selection.method", "'pareto', 'scalar'", "'best'"]),
        ("selection.region.params=[9, 1]", ["selection: region.params", "0 <= LOW < HIGH", "got [9, 1]"]),
        ("selection.region.params=[9]", ["selection: region.params", "[LOW, HIGH]", "got [9]"]),
        ("selection.region.parms=[1, 9]", ["selection: region", "error, params", "got 'parms'"]),
        ("selection.region.params='1k'", ["selection.region.params", "'1k'"]),
        ("seeds.files=['nowhere.py']", ["seeds.files", "nowhere.py", "not there"]),
        ("operators.0.lm=big", ["lm.scoped", "'big'", "small"]),
        ("operators.0.weigth=1.0", ["operators.0.weigth", "unknown key", "weight"]),
        ("operators.9.weight=1.0", ["expected a number below", "9"]),
        ("evaluations", ["expected table.key=value"]),
        ("campaign.name.x=1", ["campaign.name", "not a table"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place(folder: Path, override: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load(folder, [override])
    message = str(caught.value)
    assert caught.value.code == 2
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_broken_toml_and_a_missing_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"campaign\.toml: no such file"):
        load(tmp_path)
    (tmp_path / "campaign.toml").write_text("[campaign\n")
    with pytest.raises(UserError, match=r"campaign\.toml: not valid TOML.*line 1"):
        load(tmp_path)

"""What the chosen search loop does not read is refused by name; what `init` and `compare` write is not."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.compare.runs import Run, configured
from evoarch.agent.config.load import Config, load, parse
from evoarch.agent.config.loops import GENERATIONAL, STEADY_STATE
from evoarch.agent.config.profiles import PROFILES
from evoarch.agent.config.recorded import settings_of_replay
from evoarch.agent.config.table import Table
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.archive.store import create
from evoarch.evaluators.tasks import load_task

STEADY: dict[str, Any] = {
    "campaign": {"name": "c"},
    "lm": [{"name": "small"}],
    "operators": [{"name": "lm.rewrite", "lm": "small"}],
}
ROUNDS = {**STEADY, "rounds": {"rounds": 2}}


def toml(folder: Path, more: str = "") -> Path:
    path = folder / "campaign.toml"
    path.write_text(
        f'[campaign]\nname = "c"\n{more}\n[[lm]]\nname = "small"\n'
        '[[operators]]\nname = "lm.rewrite"\nlm = "small"\n'
    )
    return folder


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"portfolio": {"method": "bandit", "decay": 0.5}},
            "portfolio.method = 'bandit', portfolio.decay = 0.5",
        ),
        ({"feedback": {"models": "all"}}, "feedback.models = 'all'"),
        ({"evaluation": {"order": "strict"}}, "evaluation.order = 'strict'"),
        ({"selection": {"method": "uniform"}}, "selection.method = 'uniform'"),
        ({"operators": [{"name": "random"}, *ROUNDS["operators"]]}, "operators.0.name = 'random'"),
        ({"operators": [{**ROUNDS["operators"][0], "samples": 2}]}, "operators.0.samples = 2"),
    ],
)
def test_rounds_refuse_what_they_do_not_read(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        parse({**ROUNDS, **tables}, "c.toml")
    assert str(refused.value) == f"c.toml: {said}: not read with [rounds]; expected no such key"
    assert refused.value.code == 2
    parse({**STEADY, **tables}, "c.toml")


def test_the_steady_state_refuses_the_table_of_soft_prompts() -> None:
    with pytest.raises(UserError, match=r"tuning.tokens = 8: not read without \[rounds\]"):
        parse({**STEADY, "tuning": {"tokens": 8}}, "c.toml")
    parse({**ROUNDS, "tuning": {"tokens": 8}}, "c.toml")


def test_it_is_refused_in_the_file_and_by_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"campaign.toml: feedback.models = 'all': not read with"):
        load(toml(tmp_path, '[rounds]\n[feedback]\nmodels = "all"\n'))
    folder = toml(tmp_path, '[rounds]\n[feedback]\nmodels = "chat"\n')  # the default does no harm
    with pytest.raises(UserError, match=r"portfolio.method = 'bandit': not read with"):
        load(folder, ["portfolio.method=bandit"])
    with pytest.raises(UserError, match=r"evaluation.order = 'ready': not read with"):
        load(toml(tmp_path, '[evaluation]\norder = "ready"\n'), ["rounds.rounds=3"])


def test_a_replay_takes_a_record_as_it_is_and_refuses_what_is_set_besides(tmp_path: Path) -> None:
    folder = toml(tmp_path, "[rounds]\n")
    old = parse(ROUNDS, "c").model_dump(mode="json") | {"feedback": {"models": "all", "effects": 2}}
    with create(folder, name="c", seed=0) as store:
        store.event("session", detail={"config": old})
    assert settings_of_replay(folder).config.feedback.effects == 2
    with pytest.raises(UserError, match=r"feedback.effects = 3: not read with"):
        settings_of_replay(folder, ["feedback.effects=3"])


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_what_init_writes_under_a_profile_and_an_arm_of_it_holds_nothing_unread(
    tmp_path: Path, name: str
) -> None:
    mine = {"task": load_task("mnist1d"), "name": "c", "seed": 0, "evaluations": None, "lm": "embedded"}
    write_campaign(tmp_path / "profiled", **mine, profile=(name, PROFILES[name]))
    if name == "quick":  # the one profile of the steady loop
        assert load(tmp_path / "profiled").rounds is None
        return
    assert load(tmp_path / "profiled").rounds is not None
    assert "method" not in tomllib.loads((tmp_path / "profiled" / "campaign.toml").read_text())["selection"]
    write_campaign(tmp_path / "steady", **mine)
    path = tmp_path / "steady" / "campaign.toml"
    path.write_text(path.read_text() + '[portfolio]\nmethod = "bandit"\n')
    merged = configured(tmp_path / "steady", Run(name, 0, tmp_path / "run"))
    assert ("portfolio" in merged, "order" in merged["evaluation"]) == (False, False)
    assert "portfolio" in configured(tmp_path / "steady", Run("syntactic", 0, tmp_path / "run"))


def test_every_key_is_read_by_some_loop_and_no_loop_declares_an_unknown_one() -> None:
    known: set[str] = set()
    for table, field in Config.model_fields.items():
        models = (field.annotation, *getattr(field.annotation, "__args__", ()))
        found = [each for each in models if isinstance(each, type) and issubclass(each, Table)]
        known |= {table} | {f"{table}.{key}" for model in found for key in model.model_fields}
    for loop in (STEADY_STATE, GENERATIONAL):
        assert loop.reads <= known
    either = STEADY_STATE.reads | GENERATIONAL.reads
    assert {key for key in known if not {key, key.partition(".")[0]} & either} <= {"evaluation"}

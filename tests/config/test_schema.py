"""The schema, docs/config.md and `evoarch config`: made from the tables that `load` reads, and as strict."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import ValidationError

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.config.profiles import PROFILES
from evoarch.agent.config.reference import Key, explained, page, tables
from evoarch.agent.config.schema import DIRECTIVE, json_schema, schema_text
from evoarch.agent.search.campaign_template import LM_TABLES
from kit.command import evoarch, new_campaign, output_of
from kit.paths import ROOT

SCHEMA = Draft7Validator(json_schema())
KEYS = [key for table in tables() for key in table.keys]


def errors(data: object) -> list[str]:
    """What the schema refuses of a campaign.toml."""
    return [error.message for error in SCHEMA.iter_errors(data)]


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(json_schema())


def test_the_page_of_the_docs_is_what_the_tables_say() -> None:
    assert (ROOT / "docs/config.md").read_text(encoding="utf-8") == page(), "run `make config-docs`"


def test_every_table_and_key_has_a_meaning() -> None:
    assert len(KEYS) > 130
    assert [table.name for table in tables() if not table.meaning] == []
    assert [key.name for key in KEYS if len(key.meaning) < 8 or not key.meaning.endswith(".")] == []


def test_a_number_that_measures_something_has_a_unit() -> None:
    words = ("seconds", "wall_clock", "memory", "money", "price", "tokens", "timeout", "hour")
    unitless = [key.name for key in KEYS if any(word in key.name for word in words) and not key.unit]
    assert [name for name in unitless if "number" in explained(name).allowed] == []


@pytest.mark.parametrize(
    "options", [*(["--lm", lm] for lm in LM_TABLES), *(["--profile", p] for p in PROFILES)]
)
def test_what_init_writes_names_the_schema_and_is_accepted(tmp_path: Path, options: list[str]) -> None:
    output_of("init", str(tmp_path / "c"), "--lm", "openai", *options)
    text = (tmp_path / "c" / "campaign.toml").read_text(encoding="utf-8")
    assert text.startswith(DIRECTIVE)
    beside = (tmp_path / "c" / DIRECTIVE.split()[1]).read_text(encoding="utf-8")
    assert beside == schema_text() == output_of("schema")
    assert list(Draft7Validator(json.loads(beside)).iter_errors(tomllib.loads(text))) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results").glob("*/campaign.toml")), ids=lambda p: p.parent.name
)
def test_the_campaigns_of_the_results_are_accepted(path: Path) -> None:
    assert errors(tomllib.loads(path.read_text(encoding="utf-8"))) == []


SOUND: dict[str, Any] = {
    "campaign": {"name": "c"},
    "operators": [{"name": "random"}],
    "lm": [{"backend": "embedded"}],
    "rounds": {},
    "track": [{"tracker": "mlflow"}],
    "evaluation": {"rungs": [{"share": 0.5}], "slot": {}},
}
BAD = ["word", True, -1, 0, 1, 1.5, 10**9, [], ["word"], [0.5], {}, {"a": "word"}, {"a": -1.0}]
"""Values of every type of TOML, at and beyond the bounds of some key."""


def changed(key: str, value: object) -> dict[str, Any]:
    """SOUND with another value at `key`; of a list of tables, in the first."""
    data: dict[str, Any] = json.loads(json.dumps(SOUND))
    place: Any = data
    *path, last = key.split(".")
    for part in path:
        place = place.setdefault(part, {})
        place = place[0] if isinstance(place, list) else place
    place[last] = value
    return data


def refused(data: object) -> set[str]:
    """The kinds of error that the tables find."""
    try:
        Config.model_validate_json(json.dumps(data))
    except ValidationError as error:
        return {each["type"] for each in error.errors()}
    return set()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_the_schema_refuses_of_each_key_what_the_tables_refuse(key: Key) -> None:
    found = []
    for value in BAD:
        data = changed(key.name, value)
        kinds, said = refused(data), errors(data)
        if kinds - {"value_error"}:
            assert said, f"{key.name} = {value!r}: {kinds}"
        # What keys must hold together is the tables' own. [[lm]] takes the text "1" for a number.
        elif not key.name.startswith("lm."):
            assert bool(said) <= bool(kinds), f"{key.name} = {value!r}: {said}"
        found.append(bool(said))
    assert any(found) or key.name in ("operators.options", "lm.extra")


@pytest.mark.parametrize("table", [table.name for table in tables()])
def test_an_unknown_key_is_refused_in_every_table(table: str) -> None:
    data = changed(f"{table}.no_such_key", 1)
    assert "extra_forbidden" in refused(data)
    assert errors(data)


@pytest.mark.parametrize("gone", ["campaign", "operators"])
def test_a_table_that_is_missing_is_refused(gone: str) -> None:
    assert errors({key: value for key, value in SOUND.items() if key != gone})
    assert errors(SOUND | {"no_such_table": {}})
    assert errors(SOUND) == []


def test_config_tells_a_value_and_where_it_was_said(tmp_path: Path) -> None:
    folder = str(new_campaign(tmp_path / "c"))
    shown = output_of("config", folder, "--explain", "evaluation.repeats")
    assert "evaluation.repeats (trainings): Training seeds" in shown
    assert "may be: whole number ≥ 1; default: 3" in shown
    assert "in force: evaluation.repeats = 3 (from campaign.toml)" in shown
    assert "= 300 (from default)" in output_of("config", folder, "--explain", "stall")
    rows = json.loads(output_of("config", folder, "--explain", "operators.1.weight", "--json"))
    assert rows["schema"] == "config-key/1"
    assert [row["key"] for row in rows["rows"]] == [
        "operators.0.weight",
        "operators.1.weight",
        "operators.2.weight",
    ]
    said = json.loads(output_of("config", folder, "--json"))
    assert {row["place"] for row in said["rows"]} == {"campaign.toml"}
    assert "no [rounds]" in output_of("config", folder, "--explain", "rounds.threshold")


def test_config_tells_what_a_run_overrode(finished: Path) -> None:
    rows = json.loads(output_of("config", str(finished), "--json"))["rows"]
    by_key = {row["key"]: row for row in rows}
    assert by_key["budget.evaluations"]["place"] in ("campaign.toml", "--set budget.evaluations=3")
    text = (finished / "campaign.toml").read_text(encoding="utf-8")
    assert "repeats = 1" in text
    (finished / "campaign.toml").write_text(text.replace("repeats = 1", "repeats = 2"), encoding="utf-8")
    told = output_of("config", str(finished), "--explain", "repeats")
    assert "in force: evaluation.repeats = 1 (from the last run)" in told


def test_a_key_that_is_not_there_or_not_one_key_names_those_that_are(tmp_path: Path) -> None:
    folder = str(new_campaign(tmp_path / "c"))
    found = evoarch("config", folder, "--explain", "evaluation.repeat")
    assert found.exit_code == 2
    assert "no such key; nearest known: evaluation.repeats" in found.output
    with pytest.raises(UserError, match=r"expected one of budget.wall_clock, evaluation.wall_clock"):
        explained("wall_clock")


def test_a_schema_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    found = evoarch("schema", "-o", str(tmp_path / "none" / "x.json"))
    assert found.exit_code == 1
    assert "No such file" in found.output
    assert "wrote" in output_of("schema", "-o", str(tmp_path / "x.json"))

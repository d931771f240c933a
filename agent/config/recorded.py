"""The configuration of a campaign that has run: its archive's record of it, every `--set` included.

campaign.toml says what a campaign begins with. From its first run on, the record is what it was measured
under: readers show that one, and the next run goes on with it. What campaign.toml says otherwise since is
taken on by the next run; each difference is told, with both values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import FILE, Config, load, overridden, parse, place_of, read_toml
from evoarch.archive.schema import FILE as DATABASE
from evoarch.archive.store import open_archive

MOST_TOLD = 8
"""Differences that are told one by one."""

MOST_SHOWN = 120
"""Characters of a value in a difference."""

_NOTHING = object()


@dataclass(frozen=True)
class Override:
    """A `--set` that stays in force: its text, `table.key=value`, and what campaign.toml had at that key when
    it was given (None: nothing).
    """

    text: str
    file: object

    @property
    def key(self) -> str:
        """What it sets, as `table.key`."""
        return _key(self.text)


@dataclass(frozen=True)
class Settings:
    """What a campaign runs under. `overrides`: every `--set` in force, earlier ones first; `notes`: what
    differs from campaign.toml or from the last run, a sentence each; `path`: of campaign.toml.
    """

    config: Config
    path: Path
    overrides: tuple[Override, ...] = ()
    notes: tuple[str, ...] = ()

    def place(self, key: str) -> str:
        """Where the value of `key` was said: `--set table.key=value`, or campaign.toml."""
        return place_of(key, [each.text for each in self.overrides], self.path)

    def as_json(self) -> dict[str, object]:
        """For the archive's event of a session; `settings_of` reads it."""
        return {
            "config": self.config.model_dump(mode="json"),
            "set": [{"text": each.text, "file": each.file} for each in self.overrides],
        }


def settings_for_run(folder: Path, given: Sequence[str] = ()) -> Settings:
    """What the next run of the campaign in `folder` goes on under: campaign.toml, under every `--set` of
    earlier runs whose key campaign.toml has not changed since, under those that are `given` now.

    Raises UserError as `load` does.
    """
    record, data = _session(folder), read_toml(folder)
    kept, notes = _kept(record, data, [_key(text) for text in given])
    config = load(folder, [*(each.text for each in kept), *given])
    new = tuple(Override(text, _plain(value_at(data, _key(text)))) for text in given)
    if (before := _recorded(record, folder)) is not None:
        told = {each.key for each in kept}
        for key, was, now in differences(before, config):
            if not any(_within(key, each) for each in told):
                origin = "--set" if any(_within(key, each.key) for each in new) else FILE
                notes.append(f"{key}: {shown(was)} in the last run, {shown(now)} from now on ({origin})")
    return Settings(config, folder / FILE, (*kept, *new), _few(notes))


def data_for_run(folder: Path) -> dict[str, Any]:
    """What `settings_for_run` reads, unchecked: the values of campaign.toml under every `--set` in force.

    Raises UserError as `load` does.
    """
    return overridden(read_toml(folder), [each.text for each in settings_for_run(folder).overrides])


def settings_of(folder: Path) -> Settings:
    """What the campaign in `folder` ran under last; before its first run, what campaign.toml says.

    Raises UserError where campaign.toml does not hold.
    """
    record = _session(folder)
    kept, notes = _kept(record, read_toml(folder))
    now = load(folder, [each.text for each in kept])
    before = _recorded(record, folder)
    if before is None:
        return Settings(now, folder / FILE, tuple(kept), _few(notes))
    for key, was, new in differences(before, now):
        notes.append(
            f"{key}: {shown(was)} in the last run, which is shown; {shown(new)} in {FILE}: "
            "`evoarch run` goes on with that"
        )
    return Settings(before, folder / FILE, tuple(kept), _few(notes))


def settings_of_replay(source: Path, given: Sequence[str] = ()) -> Settings:
    """What a replay of the campaign in `source` runs under: as its last run, changed by what is `given`.

    Where the archive has no record, campaign.toml is read. Raises UserError.
    """
    record = _session(source)
    earlier = tuple(each for each in _overrides(record) if each.key not in map(_key, given))
    data = record.get("config")
    if not isinstance(data, Mapping):
        return Settings(load(source, given), source / FILE, tuple(Override(text, None) for text in given))
    data = _of_its_time(data)
    place = f"{source}: the configuration that it ran under"
    config = parse(overridden(data, given), place, recorded=data)
    file = read_toml(source) if (source / FILE).exists() else {}
    new = tuple(Override(text, _plain(value_at(file, _key(text)))) for text in given)
    return Settings(config, source / FILE, (*earlier, *new))


def differences(before: Config, now: Config) -> list[tuple[str, object, object]]:
    """Each key, `table.key`, whose values differ, with both; None where there is none."""
    old, new = flat(before.model_dump(mode="json")), flat(now.model_dump(mode="json"))
    keys = [*old, *(key for key in new if key not in old)]
    found = [(key, old.get(key, _NOTHING), new.get(key, _NOTHING)) for key in keys]
    return [
        (key, None if was is _NOTHING else was, None if is_ is _NOTHING else is_)
        for key, was, is_ in found
        if was != is_
    ]


def shown(value: object) -> str:
    """A value as campaign.toml writes it, shortened."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + " ..."


def _session(folder: Path) -> Mapping[str, object]:
    """What the archive recorded of the last run; {} where there is none."""
    if not (folder / DATABASE).exists():
        return {}
    with open_archive(folder, write=False) as store:
        return store.last_event_detail("session")


def _recorded(record: Mapping[str, object], folder: Path) -> Config | None:
    """The configuration of a record. None where there is none, or one that this version can't read."""
    data = record.get("config")
    if not isinstance(data, Mapping):
        return None
    data = _of_its_time(data)
    try:
        return parse(data, str(folder), recorded=data)
    except UserError:
        return None


BEFORE_CARDS: Mapping[str, object] = {
    "card": False,
    "front": 0,
    "target": "parents",
    "thought": False,
    "repair_turn": False,
    "places": "one",
    "leads": "dotted",
    "listed": True,
}
"""How prompts were made before they told of the task: a record of that time replays with them."""


def _of_its_time(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record with the defaults that its version had: before there was a race, or screening, was none."""
    evaluation, prompts = data.get("evaluation"), data.get("prompts", {})
    if isinstance(evaluation, Mapping):
        data = {"surrogate": {"drafts": 0}, **data, "evaluation": {"race": 0, **evaluation}}
    if isinstance(prompts, Mapping) and "card" not in prompts:
        data = {**data, "prompts": {**BEFORE_CARDS, **prompts}}
    return data


def _overrides(record: Mapping[str, object]) -> list[Override]:
    found = record.get("set")
    return [
        Override(str(each["text"]), each.get("file"))
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, Mapping) and "text" in each
    ]


def _kept(
    record: Mapping[str, object], data: Mapping[str, Any], given: Iterable[str] = ()
) -> tuple[list[Override], list[str]]:
    """Those of the record's overrides that stay in force, and what is to be said of all: one that is `given`
    anew is left out, as is one whose key has another value in campaign.toml (`data`) than it had.
    """
    kept, notes, anew = [], list[str](), set(given)
    for each in {each.key: each for each in _overrides(record)}.values():
        now = _plain(value_at(data, each.key))
        value = each.text.partition("=")[2].strip()
        if each.key in anew:
            continue
        if now != each.file:
            notes.append(f"{each.key}: {FILE} was changed after --set {each.text}; its {shown(now)} counts")
            continue
        kept.append(each)
        if shown(now) != value:
            notes.append(f"{each.key}: {value}, as --set in an earlier run; {FILE} has {shown(now)}")
    return kept, notes


def _few(notes: Sequence[str]) -> tuple[str, ...]:
    more = len(notes) - MOST_TOLD
    return (*notes[:MOST_TOLD], *([f"and {more} more differences"] if more > 0 else ()))


def _key(text: str) -> str:
    return text.partition("=")[0].strip()


def _within(key: str, whole: str) -> bool:
    """Whether `key` is `whole` or a part of it."""
    return f"{key}.".startswith(f"{whole}.")


def value_at(data: object, key: str) -> object:
    """The value at `table.key`, a number being a place in a list; None where there is none."""
    for part in key.split("."):
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list) and part in map(str, range(len(data))):
            data = data[int(part)]
        else:
            return None
    return data


def _plain(value: object) -> object:
    """As JSON gives it back."""
    return json.loads(json.dumps(value, default=str))


def flat(value: object, key: str = "") -> dict[str, object]:
    """Values by `table.key`: tables and lists of tables are gone through, other values stand as they are."""
    if isinstance(value, Mapping) and value:
        parts = value.items()
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        parts = {str(place): each for place, each in enumerate(value)}.items()
    else:
        return {key: value}
    return {
        name: each
        for part, inner in parts
        for name, each in flat(inner, f"{key}.{part}" if key else str(part)).items()
    }

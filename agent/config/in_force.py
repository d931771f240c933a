"""Which value each key of a campaign's configuration has, and where it was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from evoarch.agent.config.load import FILE, read_toml
from evoarch.agent.config.recorded import Settings, flat, value_at
from evoarch.agent.config.reference import NOTHING, Key, tables


@dataclass(frozen=True)
class Value:
    """A key's value in a campaign. `key`: `table.key`, with places in lists of tables; `plain`: without;
    `place`: "campaign.toml", "--set table.key=value", "default", "other keys" (a name made from them), or
    "the last run" where campaign.toml says something else since.
    """

    key: str
    plain: str
    value: object
    place: str

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def in_force(settings: Settings) -> tuple[Value, ...]:
    """All values, in the order of the tables; of a table within a key, such as `options`, one for each entry.

    Raises UserError where campaign.toml can't be read.
    """
    data = read_toml(settings.path.parent)
    known = {key.name: key for table in tables() for key in table.keys}
    values = flat(settings.config.model_dump(mode="json")).items()
    return tuple(
        Value(key, meant.name, value, _place(settings, data, key, value, meant))
        for key, value in values
        if (meant := _meant(key, known)) is not None
    )


def _meant(key: str, known: Mapping[str, Key]) -> Key | None:
    """The key of the tables that `key` is, or is an entry of; None where it is an empty table."""
    parts = [part for part in key.split(".") if not part.isdecimal()]
    return known.get(".".join(parts)) or known.get(".".join(parts[:2])) or known.get(".".join(parts[:3]))


def _place(settings: Settings, data: Mapping[str, object], key: str, value: object, meant: Key) -> str:
    if (place := settings.place(key)) != str(settings.path):
        return place
    if (said := value_at(data, key)) is not None and said == value:
        return FILE
    if value in ((None, {}) if meant.default is NOTHING else (meant.default,)):
        return "default"
    return "other keys" if meant.name == "lm.name" else "the last run"

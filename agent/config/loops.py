"""Which tables and keys of campaign.toml each search loop reads; what it does not read is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from evoarch.agent.config.measuring import EvaluationTable


@dataclass(frozen=True)
class Loop:
    """A search loop. `when`: in words, when a campaign has it. `reads`: tables ("budget"), and single keys
    ("selection.objectives") of tables that it reads in part.
    """

    when: str
    reads: frozenset[str]

    def pruned(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`data` of a campaign.toml without the tables and keys that this loop does not read.

        Lists of tables stay as they are.
        """
        kept = {
            table: value
            if table in self.reads or not isinstance(value, Mapping)
            else {key: each for key, each in value.items() if f"{table}.{key}" in self.reads}
            for table, value in data.items()
        }
        return {table: value for table, value in kept.items() if value or not data[table]}


_BOTH = frozenset(
    {
        "campaign",
        "budget",
        "seeds",
        "constraints",
        "recipe",
        "filter",
        "trainer",
        "sandbox",
        "review",
        "prompts",
        "lm",
        "track",
    }
    | {f"evaluation.{key}" for key in EvaluationTable.model_fields if key != "order"}
)

STEADY_STATE = Loop(
    "without [rounds]",
    # `evoarch tuning export` reads tuning.held_out in any campaign.
    _BOTH
    | {"evaluation.order", "portfolio", "selection", "surrogate", "feedback", "operators", "tuning.held_out"},
)
GENERATIONAL = Loop(
    "with [rounds]",
    _BOTH
    | {"rounds", "tuning", "selection.objectives"}
    | {"operators.name", "operators.lm", "operators.max_tokens", "operators.reply"},
)


def loop_of(rounds: object) -> Loop:
    """The loop of a campaign whose table `[rounds]` is `rounds`, None where it has none."""
    return STEADY_STATE if rounds is None else GENERATIONAL


def unread(config: BaseModel, loop: Loop) -> dict[str, object]:
    """By key ("portfolio.method", "operators.0.weight"): what is not the default and `loop` ignores."""
    found: dict[str, object] = {}
    for table in type(config).model_fields:
        value = getattr(config, table)
        if table in loop.reads or value is None:
            continue
        tables = (
            {f"{table}.{i}": each for i, each in enumerate(value)}
            if isinstance(value, tuple)
            else {table: value}
        )
        for place, each in tables.items():
            for key, known in type(each).model_fields.items():
                if f"{table}.{key}" not in loop.reads and getattr(each, key) != known.get_default(
                    call_default_factory=True
                ):
                    found[f"{place}.{key}"] = getattr(each, key)
    return found

"""What every table of campaign.toml is built on: its strictness, and how a key states its unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table: frozen, and an unknown key is an error, as is a number that is not finite: TOML has `inf`. The
    text below a key is its description.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class KeyUnit:
    """The unit of a key's number, in words ("seconds"): metadata of its type, for docs and schema."""

    words: str

    def __get_pydantic_json_schema__(
        self, schema: object, handler: Callable[[object], dict[str, object]]
    ) -> dict[str, object]:
        """The key's JSON schema, with its unit."""
        return {**handler(schema), "unit": self.words}


Seconds = Annotated[float, KeyUnit("seconds")]
MiB = Annotated[int, KeyUnit("MiB")]
Share = Annotated[float, KeyUnit("share, 0 to 1")]
Steps = Annotated[int, KeyUnit("optimiser steps")]
Candidates = Annotated[int, KeyUnit("candidates")]
Trainings = Annotated[int, KeyUnit("trainings")]
Tokens = Annotated[int, KeyUnit("tokens")]

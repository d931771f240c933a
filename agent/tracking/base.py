"""What every tracker is told, and the seam that each of them fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evoarch.archive.records import Candidate


class TrackerError(Exception):
    """A tracker can't be told, in one line."""


@dataclass(frozen=True)
class Facts:
    """A campaign as the run of a tracker. `settings`: of campaign.toml by `table.key`, as text."""

    name: str
    folder: Path
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Item:
    """A candidate that was judged.

    `metrics`: its own, `seeds` (trainings that they pool), and of a known interval `error_low` and
    `error_high` (95%). `curve`: the loss of its last training, means over equal stretches. `best`: the
    lowest value of each objective among this and all earlier candidates.
    """

    candidate: Candidate
    metrics: Mapping[str, float]
    curve: Sequence[float]
    best: Mapping[str, float]

    @property
    def title(self) -> str:
        """Its id and name."""
        return f"{self.candidate.id} {self.candidate.name or self.candidate.operator}"

    @property
    def facts(self) -> dict[str, str]:
        """What is known of it beside numbers, as text."""
        of = self.candidate
        parents = ", ".join(str(parent) for parent in of.parents)
        return {
            "candidate": str(of.id),
            "operator": of.operator,
            "state": str(of.state),
            "generation": str(of.generation),
            "parents": parents or "none",
        }


class Tracker(Protocol):
    """A run of a tracker. To be told of a candidate again replaces what was there, or adds an equal line.

    Its methods may raise what the tracker's own package raises; who calls turns that into a line of `status`.
    """

    late: bool
    """Whether what it is told is surely in the store only when `end` has returned."""

    def begin(self, facts: Facts, run: str) -> tuple[str, bool]:
        """Goes on with the run of that id, where it still is there; begins a new one elsewhere, and where
        `run` is "". The id of the run that is open, and whether it was there before.
        """
        ...

    def tell(self, item: Item) -> None:
        """One candidate: parameters, metrics, curve and code."""
        ...

    def end(self, report: Path | None) -> None:
        """All that was told is in the store. `report`: the campaign's, as HTML, to be kept with the run."""
        ...

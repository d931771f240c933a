"""What a campaign's diary says of its confirmations: retrainings, openings of sealed tests, results."""

from __future__ import annotations

import io
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from evoarch.agent.statistics.paired import Right
from evoarch.archive.errors import ArchiveError, one_line
from evoarch.archive.private_files import write_whole
from evoarch.archive.records import Event
from evoarch.archive.store import Store
from evoarch.evaluators.sealed import Graded

DRAWN, RETRAINED, OPENED, TESTED = "sealed.drawn", "confirm.retrained", "sealed.opened", "sealed.tested"
"""Kinds of events."""

FOLDER = "confirm"


@dataclass(frozen=True)
class Retrained:
    """One training from scratch: error on the selection split, None where it failed for `reason`.

    `limits`: those that held, by name; None in records from before they were kept.
    """

    rate: float
    repeat: int
    error: float | None
    params: int
    cpu_seconds: float
    reason: str = ""
    limits: Mapping[str, object] | None = None


@dataclass(frozen=True)
class TestOpening:
    """One opening of the sealed tests for a candidate; `number` counts over all recipes. `done`: its results
    are there, or the `reason` why there are none.

    Opened at event `event` for `seeds` trainings at `rate`, those that ended well of the first `trainings`
    (None, in older records: of all until then).
    """

    candidate: int
    number: int
    time: float
    event: int
    recipe: str
    rate: float
    seeds: int
    trainings: int | None
    done: bool
    reason: str

    @property
    def when(self) -> str:
        """Date and time of the opening, in local time, to the minute."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))


class ConfirmationRecord:
    """The confirmations of one archive under one recipe. Every line is written in one transaction, files
    before it.
    """

    def __init__(self, store: Store, recipe: str) -> None:
        self._store, self.recipe = store, recipe

    def test_seed(self) -> int:
        """The seed of the tests that are made at confirmation, drawn by the system once per campaign."""
        known = self._store.last_event_detail(DRAWN).get("seed")
        if isinstance(known, int):
            return known
        seed = secrets.randbits(30)
        self._store.event(DRAWN, detail={"seed": seed})
        return seed

    def retrained(self, candidate: int, opening: TestOpening | None = None) -> list[Retrained]:
        """The trainings of a candidate under this recipe, of each rate and repeat the last: one that failed
        may have been tried again. With an `opening`, as they stood when it was made.
        """
        found = {}
        for event in self._store.events(kind=RETRAINED, candidate=candidate):
            detail = dict(event.detail)
            if detail.pop("recipe") == self.recipe and (opening is None or event.id < opening.event):
                training = Retrained(**detail)  # type: ignore[arg-type]  # written by `add`
                found[training.rate, training.repeat] = training
        return list(found.values())

    def add(self, candidate: int, training: Retrained) -> None:
        """Records one training under this recipe."""
        self._store.event(RETRAINED, candidate, {"recipe": self.recipe, **training.__dict__})

    def openings(self, candidate: int) -> list[TestOpening]:
        """The openings for a candidate, in order, under whatever recipe."""
        ended = {event.detail["opening"]: event for event in self._results(candidate)}
        opened = self._store.events(kind=OPENED, candidate=candidate)
        return [_opening(number, event, ended.get(number)) for number, event in enumerate(opened, start=1)]

    def own(self, candidate: int) -> list[TestOpening]:
        """The openings under this recipe."""
        return [opening for opening in self.openings(candidate) if opening.recipe == self.recipe]

    def tested(self, candidate: int) -> TestOpening | None:
        """The last opening under this recipe that is done."""
        return next((opening for opening in reversed(self.own(candidate)) if opening.done), None)

    def open(self, candidate: int, rate: float, seeds: int, *, trainings: int, forced: bool) -> TestOpening:
        """Records that the tests are being opened, before they are."""
        detail = {"recipe": self.recipe, "rate": rate, "seeds": seeds, "forced": forced}
        self._store.event(OPENED, candidate, {**detail, "trainings": trainings})
        return self.openings(candidate)[-1]

    def add_results(self, candidate: int, opening: int, graded: Sequence[Mapping[str, Graded]]) -> None:
        """What was right, of every test and seed, whole in one file, then the line that names it."""
        names = list(graded[0])
        arrays = {f"{name}/{repeat}": one[name].right for repeat, one in enumerate(graded) for name in names}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        path = self._path(candidate, opening)
        with one_line(path):
            write_whole(path, buffer.getvalue())
        counts = {name: len(graded[0][name].right) for name in names}
        detail = {"opening": opening, "file": path.name, "tests": counts, "seeds": len(graded)}
        self._store.event(TESTED, candidate, detail)

    def add_failure(self, candidate: int, opening: int, reason: str) -> None:
        """Its tests were opened, and it did not answer them."""
        self._store.event(TESTED, candidate, {"opening": opening, "reason": reason})

    def results(self, candidate: int, opening: int) -> dict[str, list[Right]]:
        """By test: one array for each seed. Raises ArchiveError where the file is missing or damaged."""
        (event,) = [event for event in self._results(candidate) if event.detail["opening"] == opening]
        counts, seeds = event.detail["tests"], event.detail["seeds"]
        assert isinstance(counts, Mapping)
        assert isinstance(seeds, int)
        path = self._path(candidate, opening)
        try:
            with np.load(path) as arrays:
                return {str(name): [arrays[f"{name}/{repeat}"] for repeat in range(seeds)] for name in counts}
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            problem = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ArchiveError(
                f"{path}: expected what candidate {candidate} got right in its sealed test, which is kept "
                f"beside the archive, not in it ({problem})"
            ) from error

    def _results(self, candidate: int) -> list[Event]:
        return self._store.events(kind=TESTED, candidate=candidate)

    def _path(self, candidate: int, opening: int) -> Path:
        return Path(self._store.folder) / FOLDER / f"{candidate}-{opening}.npz"


def _opening(number: int, opened: Event, ended: Event | None) -> TestOpening:
    # The line that ended it is the later one: what it says of the seeds goes before.
    detail: dict[str, Any] = {**opened.detail, **(ended.detail if ended else {})}
    assert opened.candidate is not None
    return TestOpening(
        opened.candidate,
        number,
        opened.time,
        opened.id,
        detail["recipe"],
        detail["rate"],
        detail["seeds"],
        detail.get("trainings"),
        done=ended is not None,
        reason=detail.get("reason", ""),
    )

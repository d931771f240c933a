"""What a campaign's diary says of its confirmations: retrainings, openings of sealed tests, results."""

from __future__ import annotations

import io
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.confirm.decision import Right
from archive.store import Store
from evaluators.sealed import Graded

DRAWN, RETRAINED, OPENED, TESTED = "sealed.drawn", "confirm.retrained", "sealed.opened", "sealed.tested"
"""Kinds of events."""

FOLDER = "confirm"


@dataclass(frozen=True)
class Retrained:
    """One training from scratch: error on the selection split, None where it failed for `reason`."""

    rate: float
    repeat: int
    error: float | None
    params: int
    cpu_seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Opening:
    """One opening of the sealed tests for a candidate. `done`: its results are there."""

    candidate: int
    number: int
    time: float
    done: bool

    @property
    def when(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))


class Record:
    """The confirmations of one archive. Every line is written in one transaction, files before it."""

    def __init__(self, store: Store, recipe: str) -> None:
        self._store, self._recipe = store, recipe

    def test_seed(self) -> int:
        """The seed of the tests that are made at confirmation, drawn by the system once per campaign."""
        known = self._store.last_event_detail(DRAWN).get("seed")
        if isinstance(known, int):
            return known
        seed = secrets.randbits(30)
        self._store.event(DRAWN, detail={"seed": seed})
        return seed

    def retrained(self, candidate: int) -> list[Retrained]:
        """All trainings of a candidate under this recipe."""
        found = []
        for event in self._store.events(kind=RETRAINED, candidate=candidate):
            detail = dict(event.detail)
            if detail.pop("recipe") == self._recipe:
                found.append(Retrained(**detail))  # type: ignore[arg-type]  # written by `retrain`
        return found

    def add(self, candidate: int, training: Retrained) -> None:
        self._store.event(RETRAINED, candidate, {"recipe": self._recipe, **training.__dict__})

    def openings(self, candidate: int) -> list[Opening]:
        """The openings for a candidate, in order, under whatever recipe."""
        done = {event.detail["opening"] for event in self._store.events(kind=TESTED, candidate=candidate)}
        opened = self._store.events(kind=OPENED, candidate=candidate)
        return [
            Opening(candidate, number, event.time, number in done)
            for number, event in enumerate(opened, start=1)
        ]

    def open(self, candidate: int, rate: float, seeds: int, *, forced: bool) -> int:
        """Records that the tests are being opened, before they are; the opening's number."""
        detail = {"recipe": self._recipe, "rate": rate, "seeds": seeds, "forced": forced}
        self._store.event(OPENED, candidate, detail)
        return len(self.openings(candidate))

    def add_results(self, candidate: int, opening: int, graded: Sequence[Mapping[str, Graded]]) -> None:
        """What was right, of every test and seed, whole in one file, then the line that names it."""
        names = list(graded[0])
        arrays = {f"{name}/{repeat}": one[name].right for repeat, one in enumerate(graded) for name in names}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        path = self._path(candidate, opening)
        path.parent.mkdir(exist_ok=True)
        scratch = path.with_suffix(".new")
        with scratch.open("wb") as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        counts = {name: len(graded[0][name].right) for name in names}
        detail = {"opening": opening, "file": path.name, "tests": counts, "seeds": len(graded)}
        self._store.event(TESTED, candidate, detail)

    def results(self, candidate: int, opening: int) -> dict[str, list[Right]]:
        """By test: one array for each seed."""
        (event,) = [
            event
            for event in self._store.events(kind=TESTED, candidate=candidate)
            if event.detail["opening"] == opening
        ]
        counts, seeds = event.detail["tests"], event.detail["seeds"]
        assert isinstance(counts, Mapping)
        assert isinstance(seeds, int)
        with np.load(self._path(candidate, opening)) as arrays:
            return {str(name): [arrays[f"{name}/{repeat}"] for repeat in range(seeds)] for name in counts}

    def _path(self, candidate: int, opening: int) -> Path:
        return Path(self._store.folder) / FOLDER / f"{candidate}-{opening}.npz"

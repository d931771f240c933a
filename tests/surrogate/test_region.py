"""What a campaign cares about: the surrogate's picks obey the region of its selection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evoarch.agent.surrogate.choice import Chooser
from evoarch.agent.surrogate.features import form
from evoarch.archive.store import create
from evoarch.evaluators.trace import Node, Trace
from kit.campaigns import config_of

SIZES = [90, 800, 1500, 4000, 90_000]


def sized(params: int) -> Trace:
    return Trace((), params, 10 * params, 100)


def chosen(folder: Path, model: object, region: Sequence[float], slots: Sequence[int]) -> set[int]:
    """The sizes of the drafts that are picked for some slots."""
    config = config_of(selection={"region": {"params": region} if region else {}})
    surrogate: Any = SimpleNamespace(model=lambda: model)
    with create(folder, name="c", seed=0) as store:
        chooser = Chooser(store, config, surrogate, {"error": 1.0, "params": 1e6})
        drafts = [sized(params) for params in SIZES]
        return {SIZES[chooser.choose(slot, drafts, unscreened=False).place] for slot in slots}


@pytest.mark.parametrize(
    ("region", "sizes"),
    [((), set(SIZES)), ((1000, 5000), {1500, 4000}), ((10_000, 50_000), {90_000})],
)
def test_strata_of_drafts_stay_in_the_region(
    tmp_path: Path, region: Sequence[float], sizes: set[int]
) -> None:
    assert chosen(tmp_path / "c", None, region, range(40)) == sizes


ERRORS = [0.43, 0.45, 0.2, 0.19, 0.1]


@pytest.mark.parametrize(("region", "picked"), [((), 90), ((1000, 5000), 1500), ((80_000, 400_000), 90_000)])
def test_what_is_smaller_than_the_region_is_worth_no_more_for_it(
    tmp_path: Path, region: Sequence[float], picked: int
) -> None:
    def guesses(drafts: Sequence[Trace], rows: object, names: Sequence[str], share: float = 1.0) -> Any:
        known = [{"params": each.params, "error": ERRORS[SIZES.index(each.params)]} for each in drafts]
        return np.array([[[row[name] for name in names]] for row in known], dtype=float)

    model = SimpleNamespace(
        guesses=guesses, chances=lambda rows: np.ones(len(rows)), trusted=True, name="m", rows=9
    )
    assert chosen(tmp_path / "c", model, region, [1]) == {picked}


def conv(width: int, **hints: float) -> Trace:
    node = Node("conv", "Conv1d", (width, 40), 8 * width, 300 * width, (-1,), hints)
    return Trace((node,), 8 * width, 300 * width, 40 * width)


def test_near_copies_have_one_structure_and_close_numbers() -> None:
    assert form(conv(100, stride=1)).near(form(conv(104, stride=1)))
    assert form(conv(104, stride=1)).near(form(conv(100, stride=1)))
    assert not form(conv(100, stride=1)).near(form(conv(106, stride=1)))
    assert not form(conv(100, stride=1)).near(form(conv(100, stride=2)))
    assert not form(conv(100, stride=2)).near(form(conv(100, groups=2))), "another kind of setting"

"""Screening looked at afterwards: whose drafts were picked, and whether what was foretold came true."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from evoarch.agent.config.load import Config
from evoarch.agent.surrogate.calibration import BAND, LEAST, Calibration, calibrations
from evoarch.agent.surrogate.labels import shares_of
from evoarch.archive.store import Store

COUNTED = ("drafts", "picked", "trained", "on the front")
"""What is counted of each operator's drafts."""


@dataclass(frozen=True)
class ScreeningStatus:
    """`operators`: by operator, the counts that COUNTED names. `calibrations`: of each rung, the first one
    first; none in a live view. `by_size`: the model is no better than a size, so that picks go by size.
    """

    operators: Mapping[str, Mapping[str, int]]
    calibrations: Sequence[Calibration] = ()
    by_size: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What a reader should know, a sentence each."""
        said = [in_words(each) for each in self.calibrations]
        if self.by_size:
            said.append("The model ranks no better than a size alone: picks go by size.")
        return tuple(said)


def screening_status(
    store: Store, config: Config, elites: Collection[int], *, live: bool = False
) -> ScreeningStatus | None:
    """None where nothing was picked from drafts. `elites`: the ids of the candidates on the front."""
    counts = store.yields.screening()
    if not counts:
        return None
    on_front = [candidate.operator for candidate in store.browse.some(list(elites))]
    found = {name: {**of, "on the front": on_front.count(name)} for name, of in counts.items()}
    if live:
        return ScreeningStatus(found)
    shares = shares_of(config.evaluation.rungs)
    judged = calibrations(store, sorted(shares, key=lambda rung: shares[rung]))
    first = min(shares, key=lambda rung: shares[rung])
    return ScreeningStatus(found, judged, any(each.rung == first and each.no_better for each in judged))


def in_words(found: Calibration) -> str:
    """How predictions on a rung came true, in one line."""
    said = f"Foretold of {found.count} unscreened and audited children, {found.rung}: "
    if found.count < 4:
        return f"{said}too few to be judged."
    more = "" if found.count >= LEAST else f" (too few to conclude from: {LEAST} are)"
    return (
        f"{said}Spearman {_listed(found.spearman)}; Kendall within a factor of {BAND:g} in size "
        f"{_listed(found.kendall)}; {found.covered:.0%} of the errors are in their intervals of 90%{more}."
    )


def _listed(found: Mapping[str, float | None]) -> str:
    words = {"model": "model", "params": "parameters alone", "flops": "FLOPs alone"}
    return ", ".join(
        f"{words[name]} {'-' if value is None else f'{value:.2f}'}" for name, value in found.items()
    )

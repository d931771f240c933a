"""Whether two candidates' errors differ by more than noise, and what it would take to know."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from evoarch.agent.statistics.noise import Noise, read_noise
from evoarch.archive.errors import ArchiveError
from evoarch.archive.store import open_archive

Z = 1.96
"""Of a two-sided interval at 95%."""


def told_apart(folder: Path, first: int, second: int) -> dict[str, Any]:
    """Of two scored candidates of the campaign in `folder`: their errors with intervals at 95%, whether these
    are apart (`differ`), and `seeds_needed`, training seeds of each; None where no number of them is enough.

    Where there is no answer, `refused` says why.
    """
    try:
        with open_archive(folder, write=False) as store:
            found = [store.candidate(first), store.candidate(second)]
            noise = read_noise(store)
    except ArchiveError as error:
        return {"schema": "refusal/1", "refused": str(error), "needs": ""}
    unscored = [each.id for each in found if "error" not in each.metrics]
    if unscored or not noise.examples:
        which = f"candidate {unscored[0]} has no error" if unscored else "the campaign has no evaluation"
        return {"schema": "refusal/1", "refused": which, "needs": ""}
    errors = [each.metrics["error"] for each in found]
    bounds = [noise.interval(each.metrics["error"], each.seeds) for each in found]
    told: dict[str, Any] = {
        "schema": "told-apart/1",
        "errors": errors,
        "intervals": [[bound.low, bound.high] if bound else None for bound in bounds],
    }
    low, high = sorted((bound for bound in bounds if bound), key=lambda bound: bound.low)
    needed = seeds_needed(noise, errors[0], errors[1])
    told |= {"differ": low.high < high.low, "seeds_needed": needed}
    if not told["differ"]:
        told["refused"] = "within the noise: no order of these two is a result; " + (
            f"need about {needed} seeds of each" if needed else "no number of training seeds tells them apart"
        )
    return told


def seeds_needed(noise: Noise, first: float, second: float) -> int | None:
    """How many training seeds of each tell two mean errors (0 to 1) apart at 95%, if they are as they seem.

    With agent.statistics.noise, a mean over S seeds has the variance p (1 - p) (D / S + 1 / n), n the
    examples. None: the examples are too few, whatever S is.
    """
    spread = first * (1 - first) + second * (1 - second)
    if first == second or not spread:
        return None
    room = ((first - second) / Z) ** 2 / spread - 1 / noise.examples
    return max(1, math.ceil(noise.dispersion / room)) if room > 0 else None

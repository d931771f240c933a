"""What the search has over its baselines, in sentences that tell a win from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evoarch.agent.base.formatting import cell
from evoarch.agent.statistics.noise import Noise
from evoarch.agent.statistics.paired import Paired, paired
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store


@dataclass(frozen=True)
class Win:
    """An elite that has no more parameters than a baseline, and a lower error.

    `sure`: the difference is more than noise, although the elite was picked as the best of `among`
    candidates. `found`: the paired comparison, None where the archive keeps no shared examples. `words`: all
    of it in one sentence.
    """

    elite: int
    baseline: int
    among: int
    found: Paired | None
    sure: bool
    words: str


def wins(
    store: Store, front: Sequence[Candidate], seeds: Sequence[Candidate], noise: Noise, *, among: int
) -> list[Win]:
    """For each seed, the bred elite that is no larger and has the lowest error, if that is below the seed's.

    `among`: how many candidates were scored. The elite is the best of them, so its interval is widened
    (Bonferroni).
    """
    lines = []
    for seed in seeds:
        better = [
            c
            for c in front
            if c.operator != "seed" and seed.metrics
            if c.metrics["params"] <= seed.metrics["params"] and c.metrics["error"] < seed.metrics["error"]
        ]
        if better:
            top = min(better, key=lambda c: (c.metrics["error"], c.id))
            lines.append(_win(store, top, seed, noise, among))
    return lines


def _win(store: Store, top: Candidate, seed: Candidate, noise: Noise, among: int) -> Win:
    found = paired(
        store.evaluations(top.id),
        store.evaluations(seed.id),
        dispersion=noise.dispersion,
        freedom=noise.freedom,
        among=among,
    )
    sure = found is not None and found.high < 0
    verb = "dominates" if sure else "is no larger than"
    said = (
        f"#{top.id} ({top.operator}) {verb} {seed.name}: {cell(int(top.metrics['params']))} against "
        f"{cell(int(seed.metrics['params']))} parameters, mean validation error {top.metrics['error']:.4f} "
        f"against {seed.metrics['error']:.4f} over {top.seeds} and {seed.seeds} training seeds"
    )
    if found is None:
        said += "; no shared examples are kept, so that noise can't be told: not called a win"
    elif sure:
        said += f", lower by {-found.high:.3f} to {-found.low:.3f}, allowing for the best of {among:,}"
    else:
        said += f"; that is inside the noise of the best of {among:,} ({found.low:+.3f} to {found.high:+.3f})"
    return Win(top.id, seed.id, among, found, sure, said)

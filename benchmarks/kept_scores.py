"""Do the campaigns in results/ keep their scores? Trains candidates of theirs again, and compares.

    python -m benchmarks.kept_scores [--each 4] [--every 25]

Of the first and then each `--every`th archive of an arm: all baselines and the first `--each` bred candidates
that were trained to their full length, with the seeds that they had. Everything that scoring does today is in
between: what may cross, the count of parameters, both predictions. Prints a line for each candidate, then how
many differ; ends with 1 if any does. Some 3 CPU seconds a candidate.

Training is bit-equal on one kind of processor with one version of torch; elsewhere expect small differences.
"""

from __future__ import annotations

import argparse
import asyncio
import lzma
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from evoarch.agent.config.recorded import settings_of_replay
from evoarch.agent.evaluation.bench import open_bench, plan_bench
from evoarch.archive.records import Candidate, Evaluation, Scored
from evoarch.archive.schema import FILE
from evoarch.archive.store import open_archive

TOP = Path(__file__).parents[1] / "results"
NAMES = ("error", "params")


@dataclass(frozen=True)
class Again:
    """A candidate's metrics (error in 0..1, parameters) in the archive, and of the training today."""

    candidate: int
    operator: str
    was: dict[str, float]
    now: dict[str, float] | str
    """The reason instead of the metrics, where it fails today."""

    @property
    def same(self) -> bool:
        """To the last bit."""
        return self.was == self.now


def chosen(folder: Path, each: int) -> list[tuple[Candidate, Evaluation]]:
    """The baselines of an archive, and the first `each` bred candidates with a full training."""
    found: list[tuple[Candidate, Evaluation]] = []
    bred = 0
    with open_archive(folder, write=False) as store:
        for candidate in store.candidates():
            for row in store.evaluations(candidate.id):
                if not isinstance(row.outcome, Scored) or row.kind == "repeat" or row.rung != "full":
                    continue
                bred += row.kind != "seed"
                if row.kind == "seed" or bred <= each:
                    found.append((candidate, row))
    return found


async def trained_again(packed: Path, each: int) -> AsyncIterator[Again]:
    """Trains what `chosen` finds in the packed archive, under the settings that its campaign ran with."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / FILE).write_bytes(lzma.decompress(packed.read_bytes()))
        plan = plan_bench(settings_of_replay(folder).config, folder)
        async with open_bench(plan, runs=None) as bench:
            for candidate, row in chosen(folder, each):
                assert isinstance(row.outcome, Scored)
                # Whoever is scored has passed the dry run, which fixes what may cross.
                await bench.evaluator.dry_run(candidate.source)
                digest = candidate.source_digest or ""
                found = await bench.evaluator.evaluate(candidate.source, digest=digest, repeat=row.seed)
                got = found.outcome
                now = {n: got.metrics[n] for n in NAMES} if isinstance(got, Scored) else got.reason
                was = {n: row.outcome.metrics[n] for n in NAMES}
                yield Again(candidate.id, candidate.operator, was, now)


def kept(every: int) -> list[Path]:
    """The packed archives: of each folder the first, and each whose place is a multiple of `every`."""
    folders = sorted({path.parent for path in TOP.glob("**/*.db.xz")})
    return [path for folder in folders for path in sorted(folder.glob("*.db.xz"))[::every]]


async def main() -> int:
    """Prints the rows. How many differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=4, help="bred candidates of an archive")
    parser.add_argument("--every", type=int, default=25, help="1: every archive of a folder")
    given = parser.parse_args()
    rows = []
    for packed in kept(given.every):
        async for row in trained_again(packed, given.each):
            rows.append(row)
            name = str(packed.relative_to(TOP)).removesuffix(".db.xz")
            told = "same" if row.same else f"DIFFERENT: {row.now}"
            print(f"{name:<36} #{row.candidate:<5} {row.operator:<20} {row.was} {told}", flush=True)
    different = sum(not row.same for row in rows)
    print(f"{len(rows)} candidates trained again, {different} different")
    return different


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main()) else 0)

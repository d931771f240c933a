"""What dry runs took is in the CPU seconds, whatever became of the candidate."""

from __future__ import annotations

from pathlib import Path

import pytest

from evoarch.archive.records import State
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.replies import DryRunPassed
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import ChildOutcome, Raised, Usage
from kit.campaigns import archive_of, config_of, run
from kit.scale_models import MODEL


class Costly(StubEvaluator):
    """Dry runs take two CPU seconds: some children fail there, some are one function, the others train."""

    asked = 0

    async def dry_run(self, source: str) -> DryRunPassed | ChildOutcome:
        self.asked += 1
        usage, number = Usage(cpu_seconds=2.0), int(source_digest(source), 16) % 3
        if self.asked > 1 and number == 0:
            return Raised("dry_run", "ValueError", "no", usage=usage)
        return DryRunPassed("f" * 64 if number == 1 else "", 10, usage)


def test_the_cpu_seconds_of_every_dry_run_are_counted(tmp_path: Path) -> None:
    config = config_of(budget={"evaluations": 8}, evaluation={"repeats": 1})
    evaluator = Costly()
    with archive_of(tmp_path, MODEL.format(scale=1.5)) as store:
        assert run(store, config, evaluator).complete
        counts = store.totals.counts()
        assert {State.SCORED, State.FAILED, State.DUPLICATE} <= set(counts)
        # Training costs nothing here.
        assert store.totals.cpu_seconds() == 2.0 * evaluator.asked
        assert store.yields.by_operator()["syntactic.mutate"]["cpu_s"] == pytest.approx(
            2.0 * (evaluator.asked - 1)
        )

"""Where a study builds and trains its models: the campaign's archive under lock, its bench, its record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from evoarch.agent.config.data_fingerprint import fingerprint, refuse_changed
from evoarch.agent.config.recorded import settings_of
from evoarch.agent.confirm.run import Say
from evoarch.agent.evaluation.bench import Bench, open_bench, plan_bench
from evoarch.agent.evaluation.scaling import Form, formed
from evoarch.agent.evaluation.vetting import findings_of, in_one_line
from evoarch.agent.seeding.lineage import EditableRegions, seeds_by_name
from evoarch.agent.studies.trainings import Trainer, TrainingRecord
from evoarch.archive.lock import RunLock
from evoarch.archive.records import FULL
from evoarch.archive.store import Store, open_archive

PATIENCE = 20.0
"""How many times the wall clock of a campaign's training one of a study may take."""


@dataclass(frozen=True)
class Laboratory:
    """What builds models (`bench`) and trains them (`trainer`) for a study of the campaign in `store`."""

    store: Store
    bench: Bench
    trainer: Trainer
    openings: EditableRegions

    @property
    def record(self) -> TrainingRecord:
        """What was trained."""
        return self.trainer.record

    @property
    def offers(self) -> Mapping[str, object]:
        """The task's arguments by name."""
        return self.bench.plan.task.offers

    @property
    def seed(self) -> int:
        """The campaign's."""
        return self.bench.plan.config.campaign.seed

    async def build(self, source: str, identity: int) -> Form | str:
        """A source that descends from candidate `identity`, vetted, tried in a dry run and mended; or what is
        against it.
        """
        opening = self.openings.of(identity)
        if findings := findings_of(source, self.bench.plan.config, self.offers, opening=opening):
            return in_one_line(findings)
        form = await formed(self.bench.evaluator, source, self.offers)
        return "it fails its dry run" if form is None else form

    def seconds(self, identity: int) -> float | None:
        """CPU seconds of one whole training of a candidate, as its search measured them."""
        found = [each.cpu_seconds for each in self.store.evaluations(identity) if each.rung == FULL]
        return mean(found) if found else None


@asynccontextmanager
async def open_laboratory(
    folder: Path, *, recipe: str, jobs: int | None, unsafe: bool, say: Say
) -> AsyncIterator[Laboratory]:
    """For a study of the campaign in `folder`. `recipe`: another than the campaign's ("": its own); `jobs`:
    trainings at a time (None: as many as there is room for). Raises UserError or ArchiveError.
    """
    config = settings_of(folder).config
    # A model of a study may err more than a search puts up with: that is an answer too. That the machine is
    # busy is none: the CPU seconds of a child stay limited as they were.
    longer = {"wall_clock": PATIENCE * config.evaluation.wall_clock}
    config = config.model_copy(
        update={
            "constraints": config.constraints.model_copy(update={"error": 1.0}),
            "evaluation": config.evaluation.model_copy(update=longer),
        }
    )
    plan = plan_bench(config, folder, recipe=recipe)
    with RunLock(folder), open_archive(folder, write=True) as store:
        task = config.campaign.task
        refuse_changed(store, task, fingerprint(task, plan.task, config.campaign.seed))
        async with open_bench(plan, runs=folder, unsafe=unsafe) as bench:
            record, retries = TrainingRecord(store, recipe), config.evaluation.retries
            trainer = Trainer(record, bench.evaluator, jobs or bench.width, retries, say)
            yield Laboratory(store, bench, trainer, EditableRegions(store, seeds_by_name(folder, config)))

"""A candidate of a campaign as a file for other tools."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.numpy import save

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.deploy.candidate import first_scored, trained
from evoarch.agent.deploy.export import STATE, Deployed, open_exporter
from evoarch.agent.evaluation.bench import on_this_machine, open_bench, plan_bench
from evoarch.archive.records import Candidate, Failed
from evoarch.archive.store import Store


@dataclass(frozen=True)
class DeployedCandidate:
    """A file of a candidate. `error`: what the archive says of the training whose weights it has; `again`:
    whether it had to be trained again.
    """

    made: Deployed
    error: float
    again: bool


async def deploy_candidate(
    store: Store, config: Config, candidate: Candidate, form: str, *, int8: bool = False, unsafe: bool = False
) -> DeployedCandidate:
    """The candidate's first trained model as a file of one of export.FORMATS, on this machine's cores.

    Raises UserError: a candidate without a score, a model that the format can't take, or a file whose answers
    are not the model's.
    """
    first_scored(store, candidate)
    cores = {"device": "cpu", "slots_per_device": 1, "device_memory": 0, "autocast": "off"}
    plan = plan_bench(on_this_machine(config, **cores), Path(store.folder))
    with tempfile.TemporaryDirectory(prefix="evoarch-export-") as runs:
        async with (
            open_bench(plan, runs=Path(runs), unsafe=unsafe) as bench,
            open_exporter(bench, unsafe=unsafe, writes=form != STATE) as exporter,
        ):
            own = await trained(store, candidate, bench)
            made = await exporter.export(candidate.source, own.weights, form, int8=int8)
    if isinstance(made, Failed):
        raise UserError(f"#{candidate.id} can't be written as {form}: {made.reason}", code=1)
    if form == STATE:
        made = replace(made, data=save({name: array.copy() for name, array in own.weights.items()}))
    return DeployedCandidate(made, own.error, own.again)

"""`confirm` in a campaign on a Ray pool: trainings and tests in its slots, latency on this machine."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from evoarch.agent.confirm.run import RATES
from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import create, open_archive
from evoarch.evaluators.pools.slots import SlotPool
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks import load_task, mnist1d
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.job import Job
from evoarch.sandbox.outcome import ChildOutcome

pytest.importorskip("ray")

from kit.command import evoarch, new_campaign
from kit.ray_nodes import ray_nodes

SEEDS = ("conv_base", "mlp")


def campaign(folder: Path, address: str) -> Path:
    """A campaign on the cluster at `address`, whose archive has two scored baselines."""
    new_campaign(folder, "--evaluations", "3")
    file = folder / "campaign.toml"
    file.write_text(file.read_text().replace('pool = "local"', f'pool = "ray"\naddress = "{address}"'))
    sources = load_task("mnist1d").seeds
    with create(folder, name="c", seed=0) as store:
        for name in SEEDS:
            seed = store.add_seed(name, sources[name], source_digest(sources[name])).id
            store.start(seed)
            outcome = Scored({"error": 0.3, "params": 10.0})
            store.settle(Evaluation(seed, "full", 0, outcome, 0.0, 0.0, "seed", correct=b""))
    return folder


def test_a_pool_that_is_not_there_is_one_line_before_anything_is_trained(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c", "127.0.0.1:1")
    result = evoarch("confirm", str(folder), "--recipe", "fast")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "evoarch: evaluation.address: expected a Ray cluster at '127.0.0.1:1', got:"
    )
    assert result.stderr.count("\n") == 1
    with open_archive(folder, write=False) as store:
        assert not store.events(kind="confirm.retrained")


@pytest.mark.slow
def test_trainings_and_tests_run_in_the_slots_of_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist1d, "SELECTION", 200)
    monkeypatch.setattr(mnist1d, "FRESH", 300)
    monkeypatch.setitem(mnist1d.RECIPES, "tiny", Recipe("tiny", rate=0.02, steps=20, batch=32))
    ran: Counter[str] = Counter()
    run = SlotPool.run

    async def counted(pool: SlotPool, job: Job) -> ChildOutcome:
        outcome = await run(pool, job)
        ran[job.function] += 1
        return outcome

    monkeypatch.setattr(SlotPool, "run", counted)
    with ray_nodes(1, 1) as nodes:
        folder = campaign(tmp_path / "c", nodes.address)
        done = evoarch("confirm", str(folder), "--recipe", "tiny", "--seeds", "2", "--json")
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert set(rows) == set(SEEDS)
    assert all(set(row["tests"]) == {"fresh", "public"} for row in rows.values())
    assert rows["conv_base"]["latency"]["ratio"] == 1.0
    assert rows["mlp"]["latency"]["runs"] > 0
    trainings = len(SEEDS) * (len(RATES) + 1)
    assert ran["train"] == trainings
    tests = len(SEEDS) * 2 * 2 * 2  # two trainings, two tests, each asked twice
    assert ran["predict"] == 2 * trainings + tests

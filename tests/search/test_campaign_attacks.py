"""A campaign of a hundred children, a third of them attacks, ends as the campaign without them does."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.pareto import front
from evoarch.archive.records import Failed, Fault, State
from evoarch.archive.store import Store
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.runner import start
from kit.campaigns import archive_of, campaign_of, config_of, finished
from kit.listed import Listed
from kit.paths import CORPUS

GOOD = """import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(40, {width})
        self.last = nn.Linear({width}, 10)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))
"""

# An attack of the corpus as a model: it attacks in `forward`, and fails if it is still there after that.
WRAPPED = """

import os as _os
from torch import nn as _nn


class _Target:
    pid, port, tcp_port, udp_port = _os.getppid(), 9, 9, 9

    def __getattr__(self, name):
        return "/tmp/evoarch-attack-target"


class Model(_nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = _nn.Linear(40, 10)

    def forward(self, x):
        attack(_Target())
        raise RuntimeError("the attack is over")
"""


def campaign(folder: Path, sources: Sequence[str], trained: int) -> Store:
    config = config_of(
        seed=0, budget={"evaluations": trained}, evaluation={"repeats": 1}, sandbox={"vet": "report"}
    )
    store = archive_of(folder, GOOD.format(width=3), seed=0)

    async def go() -> None:
        runner = await start(inside_program())
        limits = Limits(wall_clock=2.0, cpu_seconds=1.0, memory=256 << 20, output=1 << 20)
        recipe = Recipe("tiny", rate=0.01, steps=10, batch=50)
        evaluator = Evaluator(load_task("mnist1d"), recipe, runner, limits=limits, ceiling=1.0)
        try:
            ending = await finished(campaign_of(store, config, evaluator, [Listed(sources)], workers=2))
        finally:
            await runner.close()
        assert ending.complete, ending

    asyncio.run(go())
    return store


def elites(store: Store) -> set[str]:
    config = config_of()
    scored = store.scored()
    return {scored[i].source for i in front([c.metrics for c in scored], objectives(config.selection))}


def surroundings() -> tuple[set[str], set[str], set[str]]:
    """Own child processes, namespaces of all processes, and what attacks left in the shared scratch folder:
    other tests make folders there too.
    """
    children = set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())
    spaces = set()
    for process in Path("/proc").iterdir():
        if process.name in children:
            spaces |= {os.readlink(link) for link in (process / "ns").iterdir()}
    return children, spaces, {p.name for p in Path("/tmp").iterdir() if "evoarch-attack" in p.name}


@pytest.mark.slow
def test_attacks_change_neither_the_elites_nor_the_machine(tmp_path: Path) -> None:
    names = sorted((CORPUS / "attacks").glob("*.py"))
    attacks = [path.read_text(encoding="utf-8") + WRAPPED for path in names[:: len(names) // 33][:33]]
    good = [GOOD.format(width=width) for width in range(4, 71)]
    assert len(attacks) + len(good) == 100
    mixed = list(good)
    for place, attack in enumerate(attacks):
        mixed.insert(3 * place, attack)
    before = surroundings()
    alone = campaign(tmp_path / "alone", good, len(good))
    attacked = campaign(tmp_path / "attacked", mixed, len(good))
    assert surroundings() == before
    assert elites(attacked) == elites(alone)
    assert {c.source for c in attacked.scored()} == {c.source for c in alone.scored()}
    fallen = [c for c in attacked.candidates() if c.source in set(attacks)]
    assert len(fallen) == len(attacks)
    for candidate in fallen:
        assert candidate.state is State.FAILED, (candidate.source, candidate.note)
        outcome = attacked.evaluations(candidate.id)[-1].outcome
        assert isinstance(outcome, Failed)
        assert outcome.fault is Fault.CANDIDATE

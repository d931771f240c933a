"""A campaign of scripted children, half of them hostile, in a process of its own that can be killed.

    python tests/kit/hostile_campaign.py FOLDER CHILDREN [--honest] [--kill-after EVALUATIONS]

CHILDREN are honest and hostile by turns; `--honest` leaves the hostile ones out. With `--kill-after` the
process kills itself (SIGKILL) as its nth evaluation begins, while the other worker has a child. Else it
prints one JSON object at its end: `complete` and `reason` of the run, and `calls`, the evaluations it made.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [path for path in (str(TESTS.parent), str(TESTS)) if path not in sys.path]

from corpus.models import count, data, others  # noqa: E402
from evoarch.agent.base.rng import stream  # noqa: E402
from evoarch.agent.config.load import Config  # noqa: E402
from evoarch.agent.operators.base import Draft, Order  # noqa: E402
from evoarch.archive.store import open_archive  # noqa: E402
from evoarch.evaluators.evaluation import Evaluator  # noqa: E402
from evoarch.evaluators.program import inside_program  # noqa: E402
from evoarch.evaluators.task import Recipe  # noqa: E402
from evoarch.evaluators.tasks.mnist1d import Mnist1d  # noqa: E402
from evoarch.sandbox.limits import Limits  # noqa: E402
from evoarch.sandbox.runner import start  # noqa: E402
from kit.campaigns import archive_of, campaign_of, config_of  # noqa: E402

SEED = 0
PATIENCE = 1800.0
"""Seconds after which a run hangs."""
PARAMS = 409
"""The campaign's limit. A hostile model of the count needs at least 410, which it would like to hide."""

HONEST = """import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(40, {width})
        self.last = nn.Linear({width}, 10)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)) * {scale})
"""

SMALL = "self.linear = nn.Sequential(nn.Linear(40, 2), nn.Linear(2, 10))"
"""In the place of 410 parameters, so that what attacks something else than the count passes the limit."""

# An attack of the walls as a model: it attacks in `forward`, and fails if it is still there after that.
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
        self.layer = _nn.Linear(40, 5)

    def forward(self, x):
        attack(_Target())
        raise RuntimeError("the attack is over")
"""

BREAKS_US = "a reply that breaks evoarch itself"


def honest(number: int) -> list[str]:
    """Models of up to 367 parameters, none like another."""
    return [HONEST.format(width=3 + each % 5, scale=1 + each / 100) for each in range(number)]


def hostile(number: int) -> list[str]:
    """`number` hostile models of all kinds in turn: of the corpus of models, of the walls, and such as break
    the trusted process by a bug that nobody knows of.
    """
    linear = "self.linear = nn.Linear(40, 10)"
    small = [each.source.replace(linear, SMALL) for each in (*data.ATTACKS, *others.ATTACKS)]
    # The dry run turns away weights that get no gradient, and the function of another, before they attack.
    models = [
        source.replace("(x) * 0", f"(x) * {scale / 1000}").replace("* self.scale", f"* self.scale * {scale}")
        for scale, source in enumerate([*(each.source for each in count.ATTACKS), *small], 1)
    ]
    walls = sorted((TESTS / "corpus" / "attacks").glob("*.py"))
    quick = [path for path in walls if not path.stem.startswith(("cpu_", "memory_", "output_"))]
    outside = [path.read_text(encoding="utf-8") + WRAPPED for path in quick]
    bugs = [f"BUG = {BREAKS_US!r}, {each}\n{HONEST.format(width=2, scale=2)}" for each in range(3)]
    random.Random(0).shuffle(models)
    shares = [models[: max(1, number * 64 // 100)], bugs[: max(1, number * 3 // 100)]]
    left = number - sum(map(len, shares))
    mixed = [*itertools.chain(*shares), *outside[:: len(outside) // left][:left]]
    assert len(set(mixed)) == number
    random.Random(1).shuffle(mixed)
    return mixed


def children(number: int, *, only_honest: bool = False) -> list[str]:
    """Half of them honest, half of them hostile, by turns."""
    half = number // 2
    good = honest(half)
    return good if only_honest else [each for pair in zip(hostile(half), good, strict=True) for each in pair]


class Script:
    """Gives each proposal its own child, also where it is asked again after a crash."""

    name, arity, samples = "syntactic.mutate", 1, 1

    def __init__(self, sources: list[str]) -> None:
        draws = (stream(SEED, "proposal", number).random() for number in itertools.count(1))
        self._source = dict(zip(draws, sources, strict=False))
        self._last = sources[-1]

    async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
        return [Draft(self._source.get(rng.random(), self._last))]


class Fragile:
    """An evaluator with a bug, in a process that dies as its evaluation number `dies` begins."""

    def __init__(self, evaluator: Evaluator, dies: int) -> None:
        self._evaluator, self._dies, self.calls = evaluator, dies, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._evaluator, name)

    async def dry_run(self, source: str) -> Any:
        if BREAKS_US in source:
            raise ValueError("array is too big")
        return await self._evaluator.dry_run(source)

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Any:
        self.calls += 1
        if self.calls == self._dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return await self._evaluator.evaluate(source, digest=digest, repeat=repeat)


def config(number: int) -> Config:
    """Stops where nothing new comes any more."""
    return config_of(
        seed=SEED,
        budget={"evaluations": 10 * number, "stall": 12},
        evaluation={"repeats": 1, "order": "ready"},
        sandbox={"vet": "report"},
        constraints={"params": PARAMS},
    )


async def run(folder: Path, number: int, only_honest: bool = False, dies: int = 0) -> dict[str, object]:
    """One run of the campaign, at two workers."""
    seed = HONEST.format(width=2, scale=1)
    store = (
        open_archive(folder, write=True)
        if (folder / "archive.db").exists()
        else archive_of(folder, seed, seed=SEED)
    )
    runner = await start(inside_program())
    limits = Limits(wall_clock=10.0, cpu_seconds=5.0, memory=256 << 20, output=4 << 20)
    recipe = Recipe("tiny", rate=0.03, steps=15, batch=100)
    evaluator = Fragile(Evaluator(Mnist1d(), recipe, runner, limits=limits, ceiling=0.87), dies)
    script = Script(children(number, only_honest=only_honest))
    try:
        campaign = campaign_of(store, config(number), evaluator, [script], workers=2)
        ending = await asyncio.wait_for(campaign.run(), PATIENCE)
    finally:
        await runner.close()
        store.close()
    return {"complete": ending.complete, "reason": ending.reason, "calls": evaluator.calls}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("children", type=int)
    parser.add_argument("--honest", action="store_true")
    parser.add_argument("--kill-after", type=int, default=0)
    given = parser.parse_args()
    said = asyncio.run(run(given.folder, given.children, given.honest, given.kill_after))
    sys.stdout.write(json.dumps(said))

"""A campaign with real walls: children that hang, die or forge fail alone; odd replies are rejected."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.analysis.status import read_status
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.operators.lm.rewrite import LMRewrite
from evoarch.agent.search.components import Ending
from evoarch.archive.records import Candidate, Fault, State
from evoarch.archive.store import Store
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.trace import Trace
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.runner import start
from kit.campaigns import archive_of, campaign_of, config_of, finished, run
from kit.listed import Listed

MODEL = """import os, signal, time
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, 10)
        self.scale = {scale}

    def forward(self, x):
        {attack}
        return self.scale * self.layer(x)
"""

ATTACKS = {
    "sleeps": ("time.sleep(1e9)", "dry_run", "wall clock"),
    "spins": ("while True: pass", "dry_run", "evaluation."),
    "kills itself": ("os.kill(os.getpid(), signal.SIGKILL)", "dry_run", "SIGKILL"),
    "raises": ("raise ValueError('no')", "dry_run", "ValueError: no"),
    "not a number": ("x = x * float('nan')", "dry_run", "not finite"),
    "takes memory": ("torch.ones(1 << 34)", "dry_run", "evaluation.memory"),
    "leaves": ("os._exit(0)", "dry_run", ""),
    "forges": (
        "for fd in range(1, 9):\n            try: os.write(fd, b'0' * 4096)\n"
        "            except OSError: pass\n"
        "        os._exit(0)",
        "dry_run",
        "",
    ),
}


def test_each_bad_child_fails_alone_at_a_named_stage(tmp_path: Path) -> None:
    good = [MODEL.format(scale=scale, attack="pass") for scale in range(2, 6)]
    bad = [MODEL.format(scale=scale, attack=a[0]) for scale, a in enumerate(ATTACKS.values(), 10)]
    sources = [source for pair in zip(bad, good + good, strict=True) for source in pair]
    sources = list(dict.fromkeys([*sources, *good]))
    config = config_of(
        seed=0, budget={"evaluations": len(good)}, evaluation={"repeats": 1}, sandbox={"vet": "report"}
    )

    async def go() -> tuple[Store, Ending]:
        store = archive_of(tmp_path, MODEL.format(scale="1.5", attack="pass"), seed=0)
        runner = await start(inside_program())
        limits = Limits(wall_clock=4.0, cpu_seconds=3.0, memory=512 << 20)
        recipe = Recipe("tiny", rate=0.01, steps=10, batch=50)
        evaluator = Evaluator(load_task("mnist1d"), recipe, runner, limits=limits, ceiling=1.0)
        try:
            return store, await finished(campaign_of(store, config, evaluator, [Listed(sources)], workers=2))
        finally:
            await runner.close()

    store, ending = asyncio.run(go())
    assert ending.complete
    by_source = {c.source: c for c in store.candidates()}
    for source in good:
        assert by_source[source].state is State.SCORED
        trace = store.traces.get(by_source[source].id)
        assert trace is not None
        assert Trace.from_json(trace).params == by_source[source].metrics["params"]
    graded = 0
    for source, (_, stage, words) in zip(bad, ATTACKS.values(), strict=True):
        candidate: Candidate | None = by_source.get(source)
        if candidate is None or candidate.state is not State.FAILED:
            continue  # the budget was spent before its turn
        graded += 1
        (evaluation,) = store.evaluations(candidate.id)
        outcome: Any = evaluation.outcome
        assert (outcome.stage, outcome.fault) == (stage, Fault.CANDIDATE)
        assert words in outcome.reason
        assert not candidate.metrics
        assert store.traces.get(candidate.id) is None
    assert graded >= len(ATTACKS) - 4
    status = read_status(store, config)
    assert status.best is not None
    assert store.candidate(status.best.id).state is State.SCORED


PARENT = MODEL.format(scale="1.5", attack="pass").replace("import os, signal, time\n", "")
CHILD = """
        self.layer = nn.Linear(40, 10)
        self.act = nn.{act}()

    def forward(self, x):
        return self.act(self.layer(x))
"""
REPLIES = {
    "empty": "",
    "prose": "Sure! Here is a model that I think would work very well for your problem.",
    "truncated": "\n        self.layer = nn.Linear(40,",
    "two classes": CHILD.format(act="ReLU")
    + "\n\nclass Model(nn.Module):\n    def __init__(self):\n        super().__init__()"
    + CHILD.format(act="GELU"),
    "indentation": "\n   self.layer = nn.Linear(40, 10)\n      def forward(self, x):\n  return x\n",
    "not UTF-8": "\udcff\udcfe self.layer",
    "long": "x = 1\n" * 200_000,
}


@pytest.mark.parametrize("kind", sorted(REPLIES))
def test_an_odd_reply_is_recorded_and_the_campaign_goes_on(tmp_path: Path, kind: str) -> None:
    old = "self.scale * self.layer(x)"
    seeds = [PARENT.replace(old, f"nn.functional.{name}(self.layer(x))") for name in ("relu", "tanh")]
    store = archive_of(tmp_path, *seeds, seed=0)
    replies = [REPLIES[kind], CHILD.format(act="SiLU"), REPLIES[kind], CHILD.format(act="Mish")]
    lm = ScriptedLM(replies, name="small")
    config = config_of(
        seed=0,
        budget={"evaluations": 2, "stall": 20},
        evaluation={"repeats": 1},
        lm=[{"name": "small"}],
        operators=[{"name": "lm.rewrite", "lm": "small", "samples": 2}],
    )
    ending = run(store, config, operators=[LMRewrite(samples=2)], lm=lm)
    assert ending.complete, ending
    bred = [c for c in store.candidates() if c.operator == "lm.rewrite"]
    odd = bred[0]
    if kind != "two classes":  # of which the first is taken
        assert odd.state is State.REJECTED
        assert odd.note
    assert sum(c.state is State.SCORED for c in bred) == 2
    calls = store.calls.all()
    assert calls
    assert calls[0].replies[0].startswith(REPLIES[kind][:3].encode("utf-8", "backslashreplace").decode()[:3])

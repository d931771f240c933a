"""A synthetic archive of any size, made through the store itself, for benchmarks of what reads archives.

python benchmarks/synthetic.py FOLDER --candidates 50000
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from evoarch.agent.config.load import load
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.archive.records import Candidate, Evaluation, Failed, LMCall, Scored
from evoarch.archive.store import Store, create
from evoarch.evaluators.tasks import load_task

EXAMPLES = 500
BATCH = 200
"""Candidates per transaction."""
RECENT = 400
"""Parents are drawn from so many of the latest scored."""

SOURCE = '''import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """Candidate {number}: {width} channels, kernel {kernel}."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, {width}, {kernel}, padding={pad})
        self.conv2 = nn.Conv1d({width}, {wide}, {kernel}, stride=2, padding={pad})
        self.norm = nn.BatchNorm1d({wide})
        self.drop = nn.Dropout({drop})
        self.linear = nn.Linear({wide} * 20, 10)

    def forward(self, x):
        x = x.unsqueeze(1)
        x = F.{act}(self.conv1(x))
        x = F.{act}(self.norm(self.conv2(x)))
        x = self.drop(x)
        return self.linear(x.flatten(1))
'''


TRACE = {
    "nodes": [[f"conv{i}", "Conv1d", [32, 20], 960, 38400, [i - 1], {"kernel_size": 3.0}] for i in range(12)],
    "params": 11520, "flops": 460800, "activations": 7680, "cut": False, "output": 11,
}  # fmt: skip
"""Of as many bytes as those of random draws for mnist1d."""


def write(folder: Path, candidates: int, seed: int = 0, screened: int = 0) -> None:
    """A campaign's folder with an archive of `candidates` bred ones and `screened` drafts."""
    task = load_task("mnist1d")
    write_campaign(folder, task, name=folder.name, seed=seed, evaluations=candidates, lm="none")
    config = load(folder)
    rng = random.Random(seed)
    with create(folder, name=config.campaign.name, seed=seed) as store:
        store.event("session", detail={"level": "full"})
        store.event("run", detail={"workers": 2})
        scored = [_seed(store, rng, name, source) for name, source in task.seeds.items()]
        made = 0
        while made < candidates:
            with store.transaction():
                for _ in range(min(BATCH, candidates - made)):
                    _drafts(
                        store,
                        rng,
                        scored,
                        screened * (made + 1) // candidates - screened * made // candidates,
                    )
                    _child(store, rng, scored, made)
                    made += 1
        store.event("stop", detail={"reason": "synthetic", "complete": True})


def _seed(store: Store, rng: random.Random, name: str, source: str) -> Candidate:
    candidate = store.add_seed(name, source, hashlib.sha256(source.encode()).hexdigest())
    store.start(candidate.id)
    store.settle(_evaluation(rng, candidate.id, 0.2, 5000.0 * rng.uniform(1, 10), "seed"))
    return store.candidate(candidate.id)


def _drafts(store: Store, rng: random.Random, scored: list[Candidate], count: int) -> None:
    parent = rng.choice(scored[-RECENT:])
    context = {"metrics": {str(parent.id): dict(parent.metrics)}}
    for proposal in store.draw("syntactic.mutate", [parent.id], count, context):
        source = _source(rng, proposal.number)
        digest = hashlib.sha256(source.encode()).hexdigest()
        store.screen(proposal.candidate, source, digest, trace=TRACE, change="changed a width")
        store.add_cpu(proposal.candidate, 0.011)


def _child(store: Store, rng: random.Random, scored: list[Candidate], made: int) -> None:
    parents = rng.sample(scored[-RECENT:], k=rng.choice((1, 1, 2)))
    operator = rng.choice(("syntactic.mutate", "syntactic.crossover", "lm.scoped"))
    context = {"metrics": {str(p.id): dict(p.metrics) for p in parents}, "temperature": 0.6}
    (proposal,) = store.draw(operator, [p.id for p in parents], 1, context)
    identity = proposal.candidate
    source = _source(rng, made)
    if operator == "lm.scoped":
        request = {"n": 1, "max_tokens": 64}
        call = store.calls.sent(
            LMCall(proposal.batch, "small", str(made), "Change one line.\n" * 40, request)
        )
        answer = {"replies": [source], "finish_reasons": ["stop"], "prompt_tokens": 300}
        store.calls.settled(call, {**answer, "completion_tokens": 60, "seconds": 1.0, "price": 0.0})
    fate = rng.random()
    digest = hashlib.sha256(source.encode()).hexdigest()
    if fate < 0.15:
        store.reject(identity, source, "4:0 import: os is not allowed (use torch)")
        return
    if fate < 0.2:
        store.duplicate(
            identity, rng.choice(scored).id, reason="same source", source=source, source_digest=digest
        )
        return
    store.arrive(identity, source, digest, "changed a width")
    store.start(identity)
    if fate < 0.25:
        stage = rng.choice(("dry_run", "train", "predict"))
        store.settle(Evaluation(identity, "full", 0, Failed(stage, "it raised ValueError"), 1.0, 1.0))
        return
    old = parents[0].metrics
    error = min(0.5, max(0.01, old["error"] * rng.uniform(0.9, 1.2)))
    params = max(300.0, old["params"] * rng.uniform(0.7, 1.45))
    store.settle(_evaluation(rng, identity, error, float(round(params)), "search"))
    scored.append(store.candidate(identity))
    del scored[:-RECENT]


def _source(rng: random.Random, number: int) -> str:
    width, kernel = rng.randint(4, 64), rng.choice((3, 5, 7))
    return SOURCE.format(
        number=number,
        width=width,
        wide=2 * width,
        kernel=kernel,
        pad=kernel // 2,
        drop=round(rng.random() * 0.5, 3),
        act=rng.choice(("relu", "gelu", "silu")),
    )


def _evaluation(rng: random.Random, candidate: int, error: float, params: float, kind: str) -> Evaluation:
    """Bits that agree with the error, and a learning curve."""
    wrong = max(0, round(error * (EXAMPLES + 2)) - 1)
    bits = np.ones(EXAMPLES, dtype=np.uint8)
    bits[rng.sample(range(EXAMPLES), wrong)] = 0
    curve = [2.3 * 0.93**step + rng.random() * 0.05 for step in range(40)]
    metrics = {"error": (wrong + 1) / (EXAMPLES + 2), "params": params}
    return Evaluation(
        candidate, "full", 0, Scored(metrics), 3.0, 2.5, kind, np.packbits(bits).tobytes(), {"curve": curve}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="a scratch folder without")
    parser.add_argument("--candidates", type=int, default=50_000)
    parser.add_argument("--screened", type=int, default=0, help="drafts that were built and not chosen")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch) / "synthetic"
        began = time.perf_counter()
        write(folder, arguments.candidates, screened=arguments.screened)
        size = (folder / "archive.db").stat().st_size
        print(
            f"wrote {arguments.candidates:,} candidates, {size >> 20} MiB, "
            f"in {time.perf_counter() - began:.1f} s"
        )


if __name__ == "__main__":
    main()

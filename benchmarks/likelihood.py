"""Whether a language model's likelihood of a change tells what becomes of it.

    python -m benchmarks.likelihood [--children 150]

Children of `syntactic.mutate` from the archives in results/, with their parents and measured metrics. The
model reads the parent under its metrics and then the words of the change, wanted for a better target (0.9 x
the parameters, 1.02 x the accuracy) or for a worse one (twice the parameters and the error). Printed are
Spearman's correlations of the log-likelihood with the gain, log(parent / child), in error x parameters, in
the error and in the parameters. One thread; some minutes of CPU.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from scipy.stats import spearmanr

from evoarch.agent.lm.local.embedded import prepare
from evoarch.agent.lm.local.sampling import Sampler
from evoarch.agent.search.selection import targets
from evoarch.archive.store import open_archive
from evoarch.prompts.outline import outline
from evoarch.prompts.render import metrics_text
from evoarch.sandbox.genome import strip_prose

KEPT = Path(__file__).parents[1] / "results" / "mnist1d" / "syntactic"
NAMES = ("params", "error")
LONGEST = 1800
"""Characters of a parent that is looked at."""


@dataclass(frozen=True)
class Pair:
    """A scored child and its first parent: the parent's text, the change, and the metrics of both."""

    parent: str
    change: str
    before: Mapping[str, float]
    after: Mapping[str, float]


def pairs() -> list[Pair]:
    """Of all kept archives, in their order."""
    found: list[Pair] = []
    for packed in sorted(KEPT.glob("*.db.xz")):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "archive.db").write_bytes(lzma.decompress(packed.read_bytes()))
            with open_archive(Path(folder), write=False) as store:
                scored = {each.id: each for each in store.scored()}
                changes = {identity: store.change(identity)[0] for identity in scored}
        for child in scored.values():
            if child.operator == "syntactic.mutate" and child.parents[0] in scored:
                parent = scored[child.parents[0]]
                before, after = ({n: each.metrics[n] for n in NAMES} for each in (parent, child))
                found.append(Pair(parent.source, changes[child.id], before, after))
    return found


@torch.inference_mode()
def likelihood(sampler: Sampler, prompt: str, text: str) -> tuple[float, int]:
    """The log-likelihood of `text` behind `prompt`, and its number of tokens."""
    known, whole = len(sampler.encode(prompt, [])), sampler.encode(prompt + text, [])
    chances = sampler.model(torch.tensor([whole])).logits[0].log_softmax(-1)
    return sum(float(chances[at - 1, whole[at]]) for at in range(known, len(whole))), len(whole) - known


def row_of(sampler: Sampler, pair: Pair) -> list[float]:
    """Three likelihoods of the change, and the child's gains: both together, error, parameters."""
    entry = outline(strip_prose(pair.parent), "Model").entry
    head = f"import torch.nn as nn\n\n\n# metrics: {metrics_text(pair.before)}\n{entry}\n\n\n"
    head += "# change for metrics: "
    worse = {"params": 2 * pair.before["params"], "error": min(0.9, 2 * pair.before["error"])}
    wanted, count = likelihood(sampler, f"{head}{metrics_text(targets([pair.before]))}:", f" {pair.change}")
    other, _ = likelihood(sampler, f"{head}{metrics_text(worse)}:", f" {pair.change}")
    error, params = (math.log(pair.before[name] / pair.after[name]) for name in ("error", "params"))
    return [wanted, wanted / count, wanted - other, error + params, error, params]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--children", type=int, default=150)
    count = parser.parse_args(arguments).children
    torch.set_num_threads(1)
    sampler, rows = Sampler(prepare()), list[list[float]]()
    some = [pair for pair in pairs() if len(strip_prose(pair.parent)) <= LONGEST]
    for pair in random.Random(1).sample(some, min(count, len(some))):
        rows.append(row_of(sampler, pair))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    columns = list(zip(*rows, strict=True))
    print(f"{len(rows)} children\n\n| likelihood | error x params | error | params |\n|---|---|---|---|")
    for name, column in zip(("of the change", "per token", "against a worse target"), columns, strict=False):
        cells = [f"{spearmanr(column, gain).statistic:.2f}" for gain in columns[3:]]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

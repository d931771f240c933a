"""A campaign on digits with a seed and a candidate that three steps bred from it, without a run."""

from __future__ import annotations

from pathlib import Path

from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import Store, create
from evoarch.sandbox.genome import source_digest
from kit.command import new_campaign

SEED = """
from torch import nn


class Model(nn.Module):
    \"\"\"Two layers.\"\"\"

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 20)
        self.head = nn.Linear(20, 10)

    def forward(self, x):
        x = x.flatten(1)
        x = self.hidden(x).relu()
        return self.head(x)
"""
WIDER = SEED.replace("20", "12")
NORMED = WIDER.replace(
    "        self.head", "        self.norm = nn.BatchNorm1d(12)\n        self.head"
).replace("self.hidden(x).relu()", "self.norm(self.hidden(x)).relu()")
DEEPER = NORMED.replace(
    "        self.head = nn", "        self.more = nn.Linear(12, 12)\n        self.head = nn"
)
DEEPER = DEEPER.replace("        return", "        x = self.more(x).tanh()\n        return")
STEPS = (SEED, WIDER, NORMED, DEEPER)
"""From the seed to the candidate; each is the parent of the next."""


def bred(folder: Path) -> Path:
    """The folder with a campaign whose candidates 1 to 4 are STEPS, all scored."""
    new_campaign(folder, "--task", "digits")
    with create(folder, name="c", seed=0) as store:
        store.add_seed("two", STEPS[0], source_digest(STEPS[0]))
        _settle(store, 1)
        for parent, source in enumerate(STEPS[1:], 1):
            (proposal,) = store.draw("syntactic.mutate", [parent], 1, {})
            store.arrive(proposal.candidate, source, source_digest(source), change="by hand")
            _settle(store, proposal.candidate)
    return folder


def _settle(store: Store, candidate: int) -> None:
    store.start(candidate)
    scored = Scored({"error": 0.2 / candidate, "params": 1000.0})
    store.settle(Evaluation(candidate, "full", 0, scored, 1.0, 1.0))

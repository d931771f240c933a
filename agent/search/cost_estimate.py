"""What a campaign will cost, from one child of each operator and the evaluations that are there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.load import LOCAL, Config
from evoarch.agent.lm.server_clock import is_here

LEAST = 20
"""Proposals that an archive must hold before the share that entered training is taken from it."""


@dataclass(frozen=True)
class TriedProposal:
    """The one child that an operator made in a dry run. `lm`: the model it asked, "" for none. `outcome`:
    sound, rejected or failed; `detail`: why. `weight`: the operator's share of the children, 0..1. `samples`:
    children of each of its calls in a run, and of the one here. `prompt_tokens`, `lm_seconds` and `money` are
    of that call, `completion_tokens` of one of its children.
    """

    operator: str
    lm: str
    outcome: str
    detail: str
    weight: float
    samples: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0
    lm_seconds: float = 0.0


@dataclass(frozen=True)
class CostEstimate:
    """What the `evaluations` that are left of the budget will cost: `tokens`, `money` and `hours`.

    `share`: of the proposals that enter training, 0..1; measured where the campaign has at least `LEAST`
    `proposals`, else 1, and the costs are then a lower bound. `seconds`: of a training, the mean so far.
    `slot_hours` of training and `lm_hours` of language models pass at the same time, so `hours` (wall clock)
    is the longer of the two. Not counted: further training seeds at the end, and soft prompts.
    """

    tried: Sequence[TriedProposal]
    evaluations: int
    proposals: int
    share: float
    seconds: float
    tokens: int
    money: float
    slot_hours: float
    lm_hours: float
    hours: float

    def as_json(self) -> dict[str, object]:
        """For `--json`: all fields by name."""
        return asdict(self)


def estimate(
    tried: Sequence[TriedProposal],
    config: Config,
    *,
    left: int,
    proposals: int,
    trained: int,
    seconds: float,
    workers: int,
) -> CostEstimate:
    """The cost of the `left` evaluations of the budget, from one child of each operator.

    `trained` of the campaign's `proposals` entered training so far, for `seconds` each on average; `workers`
    train at a time.
    """
    share = trained / proposals if proposals >= LEAST and trained else 1.0
    wanted = left / share
    if table := config.rounds:  # they make so many children, whatever becomes of these
        wanted = min(wanted, max(0, table.rounds * table.prompts * table.samples - proposals))
        left = min(left, round(wanted * share))
    tokens = money = 0.0
    busy: dict[str, float] = {}
    prices = {lm.name: lm for lm in config.lm}
    for each in tried:
        calls = wanted * each.weight / each.samples
        asked, answered = calls * each.prompt_tokens, calls * each.samples * each.completion_tokens
        tokens += asked + answered
        if lm := prices.get(each.lm):
            money += (asked * lm.price_prompt + answered * lm.price_completion) / 1e6
            at_once = 1 if _computes_here(lm) else lm.concurrency
            busy[each.lm] = busy.get(each.lm, 0.0) + calls * each.lm_seconds / at_once
    slot_hours = left * seconds / workers / 3600
    lm_hours = max(busy.values(), default=0.0) / 3600
    return CostEstimate(
        tried=tried,
        evaluations=left,
        proposals=proposals,
        share=share,
        seconds=seconds,
        tokens=round(tokens),
        money=money,
        slot_hours=slot_hours,
        lm_hours=lm_hours,
        hours=max(slot_hours, lm_hours),
    )


def _computes_here(lm: LMSettings) -> bool:
    """Whether calls at once share this machine's processors: then they are no quicker than one by one."""
    if lm.backend in LOCAL:
        return True
    url = lm.base_url or os.environ.get("OPENAI_BASE_URL", "")
    return lm.backend == "openai" and bool(url) and is_here(url)

"""What a campaign will cost, from one child of each operator and the evaluations that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from evoarch.agent.config.load import LOCAL, Config

LEAST = 20
"""Proposals that an archive must hold before the share that entered training is taken from it."""


@dataclass(frozen=True)
class TriedProposal:
    """One operator's one child. `outcome`: sound, rejected or failed, and `detail` why. Of its call, if it
    made one: tokens, money and seconds of that one sample. `samples`: children its calls make in a run;
    `weight`: its share of the children, 0..1.
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
    """For what is left of the budget of evaluations. `share`: proposals that enter training, measured where
    `proposals` of this campaign is at least `LEAST`, otherwise taken to be all of them: then tokens, money
    and hours are the least that it can be. `seconds`: mean of the evaluations that are there.

    `hours` of wall clock: the slots' and the models' overlap, so it is the longer of the two. The elites'
    further training seeds at the end are in none of the figures, nor is the training of soft prompts.
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
    """`left` evaluations of the budget; `trained` of the campaign's `proposals` so far entered training."""
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
            # The samples of one call are a batch, at best as long as one of them.
            at_once = lm.concurrency if lm.backend not in LOCAL else 1
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

"""A dry run's estimate on paper."""

from __future__ import annotations

from rich.console import Console

from evoarch.agent.base.formatting import cell
from evoarch.agent.cli.output import table
from evoarch.agent.search.cost_estimate import LEAST, CostEstimate


def forecast(screen: Console, found: CostEstimate) -> None:
    """One line an operator, then the whole."""
    rows = [
        [
            each.operator + (f", {each.lm}" if each.lm else ""),
            each.outcome,
            each.prompt_tokens,
            each.completion_tokens,
            round(each.lm_seconds, 2),
            each.detail[:100],
        ]
        for each in found.tried
    ]
    columns = ["operator", "child", "tokens in", "out", "LM s", "detail"]
    screen.print(table("one child of each operator, in a copy of the campaign", columns, rows), "")
    known = found.proposals >= LEAST
    share = (
        f"{found.share:.0%} of {found.proposals} proposals so far entered training"
        if known
        else "as if every proposal entered training, so at least"
    )
    screen.print(f"for {found.evaluations} evaluations ({share}):")
    spent = sum(each.money for each in found.tried)
    money = f"{found.money:.4g} of money, " if found.money or spent else ""
    screen.print(
        f"{found.tokens:,} LM tokens, {money}{found.hours:.2g} h: evaluations {found.slot_hours:.2g} h "
        f"({cell(round(found.seconds, 2))} s each) beside language models {found.lm_hours:.2g} h"
    )

"""The operator that an `[[operators]]` table names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from evoarch.agent.config.load import Config
from evoarch.agent.config.tables import OperatorTable
from evoarch.agent.operators.base import Operator
from evoarch.agent.operators.grammar import GrammarCrossover, GrammarDraw, GrammarMutate
from evoarch.agent.operators.lm.crossover import LMCrossover
from evoarch.agent.operators.lm.repair import LMRepair
from evoarch.agent.operators.lm.rewrite import LMRewrite
from evoarch.agent.operators.lm.scoped import LMScoped
from evoarch.agent.operators.random_draw import RandomDraw
from evoarch.agent.operators.syntactic.crossover import SyntacticCrossover
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.prompts.render import Templates

QUICK: Mapping[str, Operator] = {
    operator.name: operator
    for operator in (
        SyntacticMutate(),
        SyntacticCrossover(),
        RandomDraw(),
        GrammarDraw(),
        GrammarMutate(),
        GrammarCrossover(),
    )
}
ASKING: Mapping[str, LMRewrite | LMScoped | LMCrossover | LMRepair] = {
    operator.name: operator for operator in (LMRewrite(), LMScoped(), LMCrossover(), LMRepair())
}


def build_operator(table: OperatorTable, config: Config, templates: Templates) -> Operator:
    """With the table's settings; 0 there means the operator's own."""
    if table.name == SyntacticMutate.name:
        return SyntacticMutate(recipe=config.evaluation.recipe_search)
    if table.name in QUICK:
        return QUICK[table.name]
    settings = next(lm for lm in config.lm if lm.name == table.lm)
    operator = ASKING[table.name]
    return replace(
        operator,
        chat=settings.chat,
        samples=table.samples or operator.samples,
        max_tokens=table.max_tokens or operator.max_tokens,
        reply=table.reply,
        templates=templates,
    )

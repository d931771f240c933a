"""Prompts as they are sent, for each task and kind of model: docs/prompts.md.

    python benchmarks/prompts.py [--check]

Parents are the task's baselines, under metrics that are made up, as are the front and what was tried.
`--check` writes nothing, and fails where the page is not what it would be.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from evoarch.agent.lm.base import LMRequest
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.operators.base import BrokenParent, Order, Parent
from evoarch.agent.operators.lm.drafts import LMOperator
from evoarch.agent.operators.registry import built_in
from evoarch.agent.search.goals import gap_targets, shown_front
from evoarch.agent.search.task_card import task_card
from evoarch.evaluators.tasks import load_task
from evoarch.prompts.contexts import NOTHING, Effect, Feedback, TaskCard, Tried

PAGE = Path(__file__).parents[1] / "docs" / "prompts.md"
TASKS = ("mnist1d", "digits", "clrs/minimum")
NAMES = ("params", "error")
BASE = ("lm.scoped", "lm.rewrite", "lm.crossover", "lm.repair")
CHAT = ("lm.scoped", "lm.rewrite", "lm.rewrite edits", "lm.crossover", "lm.repair", "lm.plan")
BRIEFLY = ("lm.scoped", "lm.rewrite")
"""Of the tasks after the first, whose prompts differ in the card and the parents alone."""

SHOWN_ENDS = 2
SEED = 1
TOLD = Feedback(
    tried=(
        Tried("nn.Dropout(0.1) behind the first layer", "scored", "", {"params": 5000.0, "error": 0.27}),
        Tried("layer at line 4", "failed", "NameError: name 'nope' is not defined (line 4)"),
    ),
    effects=(Effect("adds BatchNorm1d", "error", 0.9, 0.85, 0.95, 31),),
)
FOUND = "dry_run: RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x40 and 30x10)"

HEAD = f"""# Prompts as they are sent

Made by `python benchmarks/prompts.py`; a test holds it to the code. Parents are the tasks' baselines; all
metrics, what was tried and what was found are made up. [operators.md](operators.md) says what each operator
asks for and which key of campaign.toml switches off which part. A base model's call of `lm.scoped` has one
prompt and several ends, a place each; {SHOWN_ENDS} of them are shown.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for number, task in enumerate(TASKS):
        base, chat = (BASE, CHAT) if number == 0 else (BRIEFLY, BRIEFLY)
        parts += [f"## {task}, a base model", *(_section(task, name, chat=False) for name in base)]
        parts += [f"## {task}, a chat model", _system(task)]
        parts += [_section(task, name, chat=True) for name in chat]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def asked(task_name: str, name: str, *, chat: bool) -> LMRequest:
    """What an operator asks of a model. `name`: the operator's, with the form of the reply behind it."""
    kind, _, reply = name.partition(" ")
    task = load_task(task_name)
    rows = [{"params": 4000.0 * 3**i, "error": round(0.3 / 2**i, 3)} for i in range(len(task.seeds))]
    parents = [
        Parent(number, source, rows[number - 1])
        for number, (_, source) in enumerate(sorted(task.seeds.items()), 1)
    ]
    operator = built_in()[kind](chat=chat, **({"reply": reply} if reply else {}))
    assert isinstance(operator, LMOperator)
    rng = random.Random(SEED)
    lm = ScriptedLM(["x = 1"], chat=chat)
    order = Order(
        2,
        parents[: operator.arity],  # type: ignore[attr-defined]
        gap_targets(rows, [parents[0].metrics], NAMES, rng),
        offers=task.offers,
        broken=BrokenParent(9, parents[0].source, [FOUND]) if kind == "lm.repair" else None,
        feedback=TOLD if chat else NOTHING,
        card=_card(task_name),
        front=shown_front(rows, NAMES, 8),
    )
    asyncio.run(operator.propose(order, rng, lm.complete))  # type: ignore[attr-defined]
    return lm.requests[0]


@cache
def _card(task_name: str) -> TaskCard:
    task = load_task(task_name)
    return task_card(task, task.recipes["fast"], NAMES)


def _section(task: str, name: str, *, chat: bool) -> str:
    request = asked(task, name, chat=chat)
    text = f"### `{name}`\n\n" + _fenced(request.messages[1]["content"] if chat else request.prompt)
    ends = [_fenced(end) for end in request.ends[:SHOWN_ENDS]]
    said = [f"with {len(request.ends)} ends, of which the first:"] if ends else []
    return "\n\n".join([text, *said, *ends])


def _system(task: str) -> str:
    return "### the system message\n\n" + _fenced(asked(task, "lm.scoped", chat=True).messages[0]["content"])


def _fenced(text: str) -> str:
    return f"~~~~text\n{text}\n~~~~"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="fail where docs/prompts.md is another")
    text = page()
    if parser.parse_args(arguments).check:
        if PAGE.read_text(encoding="utf-8") != text:
            sys.exit(f"{PAGE}: expected what `python benchmarks/prompts.py` writes, got another text")
        return
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

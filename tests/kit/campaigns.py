"""A campaign over fakes: its configuration, an archive of seeds, one run, and what the run left."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evoarch.agent.base.ordering import EventOrder
from evoarch.agent.config.load import Config, parse
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.components import Components, Ending
from evoarch.archive.store import Store, create
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.sandbox.genome import source_digest
from kit.scale_models import Scale

OFFERS = {"input_shape": (40,), "num_classes": 10}
"""What mnist1d offers to a model's constructor."""


def config_of(*, seed: int = 5, **tables: Any) -> Config:
    """The configuration with these tables. Without `operators` its one operator is syntactic.mutate."""
    base = {"campaign": {"name": "c", "seed": seed}, "operators": [{"name": "syntactic.mutate"}]}
    return parse(base | tables, "test")


def archive_of(folder: Path, *sources: str, seed: int = 5) -> Store:
    """A new archive with these seeds, called seed1, seed2 and so on."""
    store = create(folder, name="c", seed=seed)
    for number, source in enumerate(sources, 1):
        store.add_seed(f"seed{number}", source, source_digest(source))
    return store


def campaign_of(
    store: Store,
    config: Config,
    evaluator: Any = None,
    operators: Sequence[Any] = (),
    *,
    lm: Any = None,
    workers: int = 1,
    event_order: EventOrder | None = None,
    **components: Any,
) -> Campaign:
    """A run to come. By default `Scale` makes the children and their scores follow from their text; `lm` is
    the language model named small; `components` are further ones of `Components`.
    """
    lms = {"small": lm} if lm else {}
    parts = Components(
        evaluator or StubEvaluator(), OFFERS, operators or [Scale()], lms, workers, **components
    )
    return Campaign(store, config, parts, event_order)


async def finished(campaign: Campaign) -> Ending:
    """How the run ended. One that hangs fails."""
    return await asyncio.wait_for(campaign.run(), 120)


def run(store: Store, config: Config, *parts: Any, **more: Any) -> Ending:
    """How a run with the parts of `campaign_of` ended."""
    return asyncio.run(finished(campaign_of(store, config, *parts, **more)))


def candidates_of(store: Store) -> list[tuple[object, ...]]:
    """All that two runs which were the same agree on, of each candidate."""
    return [
        (c.id, c.operator, c.parents, c.state, c.source, c.metrics, c.name, c.note)
        for c in store.candidates()
    ]

"""`run --dry-run`: one child of each operator in a copy of the campaign, and what the whole will cost.

As in a run, the language models are asked, the replies vetted, and the children built behind the walls. The
campaign itself is only read; what the calls cost is not counted in it.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import SlotSpan, Steering
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.config.data_fingerprint import moved_settings
from evoarch.agent.config.recorded import settings_for_run
from evoarch.agent.lm.base import LMError
from evoarch.agent.lm.budget import LMBudget, OutOfBudgetError
from evoarch.agent.search.cost_estimate import CostEstimate, TriedProposal, estimate
from evoarch.agent.search.proposals import ProposalDrawer
from evoarch.agent.search.session import Session, copy_campaign, open_session
from evoarch.agent.search.variation import Accepted, Child, ProposalWriter
from evoarch.agent.seeding.lineage import EditableRegions
from evoarch.archive.errors import one_line
from evoarch.archive.schema import FILE as DATABASE
from evoarch.archive.store import Store
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.replies import DryRunPassed

MOST_SAMPLES = 1 << 16
"""Slots that are left to each operator here: more than any call has samples."""


async def dry_run_campaign(
    folder: Path, overrides: Sequence[str] = (), *, unsafe: bool = False
) -> CostEstimate:
    """Makes one child of each operator in a copy of the campaign in `folder`; what the whole would cost.

    `overrides`: as of `--set`. Raises UserError where a run would not come to its first child either.
    """
    with tempfile.TemporaryDirectory(prefix="evoarch-dry-run-") as top:
        copy = Path(top) / "campaign"
        settings = settings_for_run(folder, overrides)
        copy_campaign(folder, copy, settings.config)
        if (folder / DATABASE).exists():
            _copy_archive(folder / DATABASE, copy / DATABASE)
        settings = moved_settings(settings, folder, copy)
        async with open_session(copy, settings=settings, unsafe=unsafe, files=folder) as session:
            return await _dry_run_campaign(session)


def _copy_archive(source: Path, target: Path) -> None:
    """As of one moment, whatever a run writes meanwhile."""
    uri = f"{source.resolve().as_uri()}?mode=ro"
    with (
        one_line(source),
        closing(sqlite3.connect(uri, uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


async def _dry_run_campaign(session: Session) -> CostEstimate:
    store, config, parts = session.store, session.config, session.parts
    left = config.budget.evaluations - store.totals.entered_training()
    before, trained = sum(store.totals.counts().values()), store.totals.entered_training()
    store.recover()
    await session.campaign.grade_seeds()
    if not store.scored(sources=False):
        raise UserError("dry run: no seed was scored: there is nothing to breed from", code=1)
    session.campaign.check_objectives()
    drawing = ProposalDrawer(store, config, parts.operators, parts.choose)
    lm_budget = LMBudget(store, config.budget, {lm.name: lm for lm in config.lm})
    writer = ProposalWriter(
        store, config, parts.offers, config.campaign.seed, EditableRegions(store, parts.seeds), lm_budget,
        card=parts.card,
    )  # fmt: skip
    slots = [ProposalContext.from_json(p.context).slot for p in store.proposals()]
    first = 1 + max(slots, default=-1)
    weights = sum(table.weight for table in config.operators)
    tried = []
    for number, table in enumerate(config.operators):
        # As many as a call of the run asks for: a batch takes longer than one sample, and shorter than each.
        count = max(1, parts.operators[number].samples) if table.lm else 1
        proposals = drawing.draw(SlotSpan(first + number * MOST_SAMPLES, count, number), Steering())
        proposal = proposals[0]
        # Where nothing is to be mended yet another operator stands in.
        made = ProposalContext.from_json(proposal.context).table
        lm = config.operators[made].lm
        try:
            children = await writer.write(proposals, parts.operators[made], parts.lms.get(lm))
        except LMError as error:
            raise UserError(f"[[lm]] {lm}: {error}", code=1) from None
        except OutOfBudgetError as error:
            raise UserError(f"dry run: {error}", code=1) from None
        outcome, detail = await _outcome(session, children[0])
        samples = config.rounds.samples if config.rounds else max(1, parts.operators[made].samples)
        share = table.weight / weights
        child = TriedProposal(proposal.operator, lm, outcome, detail, share, samples)
        tried.append(_with_cost(store, proposal.batch, child, count))
    seconds = store.totals.mean_seconds()
    return estimate(
        tried, config, left=max(0, left), proposals=before, trained=trained, seconds=seconds,
        workers=parts.workers,
    )  # fmt: skip


async def _outcome(session: Session, child: Child) -> tuple[str, str]:
    if not isinstance(child, Accepted):
        return "rejected", child.problem
    result = await session.parts.evaluator.dry_run(child.source)
    if isinstance(result, DryRunPassed):
        return "sound", f"{result.params:,} parameters"
    failed = failure_of(result)
    return "failed", f"{failed.stage}: {failed.reason} (before any repair)"


def _with_cost(store: Store, batch: int, tried: TriedProposal, count: int) -> TriedProposal:
    calls = store.calls.all(batch=batch, state="settled")
    return replace(
        tried,
        prompt_tokens=sum(call.prompt_tokens for call in calls),
        completion_tokens=-(-sum(call.completion_tokens for call in calls) // count),
        money=sum(call.price for call in calls),
        lm_seconds=sum(call.seconds for call in calls),
    )

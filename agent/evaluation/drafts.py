"""Many drafts built at once: traced in one child, and mended by rule where a shape does not fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from evoarch.agent.config.measuring import EvaluationTable
from evoarch.agent.operators.shape_repair.rules import repair
from evoarch.archive.records import Failed, Fault
from evoarch.evaluators.trace import Trace, Traced, Tracer, Untraced


async def build_drafts(
    tracer: Tracer, table: EvaluationTable, offers: Mapping[str, object], sources: Sequence[str]
) -> Traced:
    """The trace of each source as the pipeline would train it, so after its shape repairs; or its failure.

    `offers`: the task's arguments by name. What the infrastructure lost is asked for again, as often as
    `evaluation.retries` says. The CPU seconds are the children's and those of the repairs.
    """
    asked = list(sources)
    results: list[Trace | Failed] = []
    places, spent, retries = list(range(len(asked))), 0.0, table.retries
    for _ in range(table.repairs + table.retries + 1):
        outcome = await tracer.traces([asked[place] for place in places])
        spent += outcome.cpu_seconds
        results = results or [Failed("build", "not asked yet")] * len(asked)
        for place, result in zip(places, outcome.results, strict=True):
            results[place] = result
        lost = [place for place in places if _is_lost(results[place])]
        if lost:
            retries -= 1
        before = time.process_time()
        mended = {place: _mended(asked[place], results[place], offers) for place in places}
        spent += time.process_time() - before
        places = [place for place, source in mended.items() if source is not None]
        for place in places:
            asked[place] = str(mended[place])
        places += lost if retries >= 0 else []
        if not places:
            break
    return Traced(results, spent)


def _is_lost(result: Trace | Failed) -> bool:
    return isinstance(result, Failed) and result.fault is Fault.INFRASTRUCTURE


def _mended(source: str, result: Trace | Failed, offers: Mapping[str, object]) -> str | None:
    """The source after one repair, None where there is nothing to mend or no way to."""
    if not isinstance(result, Untraced):
        return None
    fixed = repair(source, result.raised, offers=offers)
    return None if fixed is None else fixed.source

"""The weights of a candidate: those that the archive keeps, else trained again as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.evaluation.bench import Bench
from evoarch.archive.records import FULL, Candidate, Evaluation, Failed, Scored, State
from evoarch.archive.store import Store
from evoarch.archive.weights import load_weights, weights_path
from evoarch.sandbox.outcome import Array


@dataclass(frozen=True)
class CandidateWeights:
    """Weights of a candidate's first training. `error`: what the archive says of it; `again`: they were not
    kept, and came from a training with the same seed and recipe that reached the same error.
    """

    weights: Mapping[str, Array]
    error: float
    again: bool


def first_scored(store: Store, candidate: Candidate) -> tuple[Evaluation, float]:
    """The first training of a candidate that was scored on the last rung, and its error. Raises UserError."""
    for each in store.evaluations(candidate.id):
        if each.rung == FULL and isinstance(each.outcome, Scored):
            return each, each.outcome.metrics["error"]
    state = candidate.state if candidate.state is not State.SCORED else "not scored on the last rung"
    raise UserError(f"#{candidate.id} is {state}; expected a scored candidate", code=1)


async def trained(store: Store, candidate: Candidate, bench: Bench) -> CandidateWeights:
    """The weights of a candidate. Raises UserError where it is not scored, or where its training comes out
    otherwise than in the archive: on another machine, with another version of torch.
    """
    evaluation, error = first_scored(store, candidate)
    folder = Path(store.folder)
    if weights_path(folder, candidate.id, FULL, evaluation.seed).is_file():
        return CandidateWeights(load_weights(folder, candidate.id, FULL, evaluation.seed), error, again=False)
    found = await bench.evaluator.evaluate(
        candidate.source, digest=candidate.source_digest or "", repeat=evaluation.seed
    )
    place = f"#{candidate.id}: its weights are not kept, and trained again it"
    if isinstance(found.outcome, Failed):
        raise UserError(f"{place} failed: {found.outcome.stage}: {found.outcome.reason}", code=1)
    if (now := found.outcome.metrics["error"]) != error:
        raise UserError(f"{place} has error {now:.4f}; expected {error:.4f}, as in the archive", code=1)
    return CandidateWeights(found.weights, error, again=True)

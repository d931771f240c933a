"""A draft's trace is a claim of the child that built it beside others. Its own dry run is held against it."""

from __future__ import annotations

from collections.abc import Mapping

from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.trace import Trace

CLAIM = "claim"
"""Where the detail of a prediction keeps what was claimed."""

_DIFFERS = "claimed"
"""Where the detail of an evaluation keeps the claim that did not hold."""

CLOSE = 0.05
"""The share by which a claim may differ from what the candidate's own child says."""

MOST_UNTRAINED = 2.0
"""How many times the trained parameters the weights may be: buffers that nothing trains are counted too."""


def claim_of(trace: Trace) -> dict[str, float]:
    """The numbers of a trace that a pick goes by; FLOPs only where they were counted."""
    claim = {"params": float(trace.params), "activations": float(trace.activations)}
    return claim if trace.flops is None else {**claim, "flops": float(trace.flops)}


def broken_claim(claim: object, sound: DryRunPassed) -> str:
    """How a candidate is not what was claimed of it, "" where it is, or nothing was claimed.

    Its own trace is a claim too, but of a child in which no other draft ran. The weights are counted here.
    """
    if not isinstance(claim, Mapping) or not claim:
        return ""
    if sound.params > MOST_UNTRAINED * claim["params"] + 100:
        return f"expected at most the {claim['params']:.0f} parameters of its trace, got {sound.params}"
    own = {} if sound.trace is None else claim_of(sound.trace)
    for name, value in own.items():
        said = float(claim.get(name, value))
        if abs(value - said) > CLOSE * max(abs(value), abs(said)):
            return f"expected the {said:.0f} {name} that its trace among the drafts said, got {value:.0f}"
    return ""


def noted(claim: object) -> dict[str, object]:
    """For the detail of an evaluation that failed because a claim did not hold."""
    return {_DIFFERS: claim}


def differs(detail: Mapping[str, object]) -> bool:
    """Whether an evaluation failed because a claim did not hold."""
    return _DIFFERS in detail

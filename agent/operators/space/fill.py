"""`space.fill`: other numbers for a parent's skeleton, which a classical search chooses.

All scored candidates of the parent's family (family.py) are the search's past; Optuna's tree-structured
Parzen estimator (TPE; Bergstra et al. 2011, for several objectives Ozaki et al. 2022) says what to try next.
Nothing is kept between two draws: the study is made anew from what the archive held at the draw.
"""

from __future__ import annotations

import ast
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from evoarch.agent.base.errors import UserError
from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, OperatorSettings, Order, Parent, operator
from evoarch.agent.operators.space.family import Family, Value, bounds, lifted
from evoarch.agent.operators.syntactic.view import meaning
from evoarch.agent.operators.syntactic.vocabulary import ACTIVATIONS
from evoarch.sandbox.parsing import GenomeError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Space = Mapping[str, "BaseDistribution"]

LEAST = 1e-6
"""An objective below this counts as this: its logarithm is what is compared."""

TRIES = 20
"""Proposals that may be no new file before a draft is given up."""

KEPT = 10_000
"""Files whose families are remembered while a program runs."""


def expect_optuna(place: str) -> None:
    """Raises UserError, naming `place` as what wants it, where Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UserError(f"{place}: expected Optuna: pip install 'evoarch[spaces]'") from None


@operator
class SpaceFill:
    """The operator. Deterministic in (order, rng); needs no language model."""

    name = "space.fill"
    arity = 1
    samples = 1

    def configured(self, settings: OperatorSettings) -> SpaceFill:
        """Itself. Raises UserError where Optuna is not installed."""
        expect_optuna("[[operators]] space.fill")
        return self

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts (see Operator.propose)."""
        parent = order.parents[0]
        try:
            family = _family(parent.source, order)
        except GenomeError as error:
            return [Draft("", problem=f"nothing to fill: {error}")] * order.count
        if not family.knobs:
            return [Draft("", problem="nothing to fill: no number that the search knows")] * order.count
        past = _past(family, order)
        space, study = _space([family, *(member for member, _ in past)]), _study(past, parent, rng)
        known = {meaning(parent.source), *(meaning(member.source) for member, _ in past)}
        return [_drafted(family, study, space, known, len(past)) for _ in range(order.count)]


def _drafted(family: Family, study: Any, space: Space, known: set[object], past: int) -> Draft:
    for _ in range(TRIES):
        trial = study.ask(dict(space))
        child = family.filled(trial.params)
        if (now := meaning(child)) not in known:
            known.add(now)
            return Draft(child, change=_change(family, trial.params, past))
    return Draft("", problem=f"nothing new after {TRIES} fillings of one skeleton")


def _change(family: Family, chosen: Mapping[str, Value], past: int) -> str:
    said = [
        f"{knob.name} {knob.value} -> {chosen[knob.name]}"
        for knob in family.knobs
        if chosen[knob.name] != knob.value
    ]
    more = f", {len(said) - 6} more" if len(said) > 6 else ""
    return f"filled from {past} of its family: {', '.join(said[:6])}{more}"


def _family(source: str, order: Order) -> Family:
    offers = tuple(sorted((name, repr(value)) for name, value in order.offers.items()))
    return _lifted(source, offers, order.entry)


@lru_cache(maxsize=KEPT)
def _lifted(source: str, offers: tuple[tuple[str, str], ...], entry: str) -> Family:
    return lifted(source, {name: ast.literal_eval(text) for name, text in offers}, entry)


def _past(family: Family, order: Order) -> list[tuple[Family, Parent]]:
    """The scored members of a family, in the order in which they were scored."""
    found = []
    for each in order.scored():
        try:
            member = _family(each.source, order)
        except GenomeError:
            continue
        if member.digest == family.digest:
            found.append((member, each))
    return found


def _space(members: Sequence[Family]) -> Space:
    """What may be tried: of each knob all that any member's own bounds allow."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    space: dict[str, BaseDistribution] = {}
    for position, knob in enumerate(members[0].knobs):
        if knob.kind == "activation":
            space[knob.name] = CategoricalDistribution(tuple(ACTIVATIONS))
            continue
        ranges = [bounds(member.knobs[position]) for member in members]
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        if knob.kind == "dropout":
            space[knob.name] = FloatDistribution(low, high)
        else:
            space[knob.name] = IntDistribution(int(low), int(high), log=knob.kind == "width")
    return space


def _study(past: Sequence[tuple[Family, Parent]], parent: Parent, rng: random.Random) -> Any:
    """A study in memory that has tried what is past; all objectives are minimised, as logarithms."""
    import optuna

    names = sorted(parent.metrics) or ["error"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts that Optuna calls experimental
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=rng.getrandbits(32), constant_liar=True)
        study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(names))
        space = _space([member for member, _ in past]) if past else {}
        for member, scored in past:
            if all(name in scored.metrics for name in names):
                values = [math.log(max(LEAST, scored.metrics[name])) for name in names]
                params = dict(zip(space, member.values.values(), strict=True))
                study.add_trial(
                    optuna.trial.create_trial(params=params, distributions=dict(space), values=values)
                )
    return study

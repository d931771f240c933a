"""Larger forms of one model file: which of its knobs work, and the width at which it has a wanted size.

Every form is tried in a locked dry run, which says whether it holds, what layers it has, and how many
parameters; what does not fit together is mended by shape repair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from evoarch.agent.base.errors import UserError
from evoarch.agent.operators.scaling.knobs import Block, Depth, Knobs, Number, knobs_of
from evoarch.agent.operators.shape_repair.rules import repair
from evoarch.evaluators.growing import Growing, Grown
from evoarch.evaluators.registry import Measuring
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.zoo.fit import FAR, bisection
from evoarch.sandbox.outcome import Raised

REPAIRS = 6
"""Shape repairs that a form may get, as a child of a search."""


@dataclass(frozen=True)
class Form:
    """One form of a model file that passed its dry run. `repairs`: what was mended."""

    source: str
    params: int
    flops: int | None
    layers: Sequence[Mapping[str, object]] = ()
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Size:
    """A form about as large as `budget`, and what it grew by; `grown`: whether it can begin by computing what
    the next smaller one does, None where that was not tried.
    """

    form: Form
    budget: int
    width: float
    depth: float
    finer: tuple[str, ...] = ()
    grown: Grown | None = None

    @property
    def off(self) -> float:
        """How far the size is from the budget, as a share of it."""
        return self.form.params / self.budget - 1


@dataclass(frozen=True)
class Scaling:
    """The knobs of a source that work: `depths` make more layers, `strides` larger maps, the first first."""

    knobs: Knobs
    start: Form
    evaluator: Measuring
    offers: Mapping[str, object]
    depths: Sequence[Depth] = ()
    strides: Sequence[Number] = ()
    more: Mapping[Depth, int] = field(default_factory=dict)
    """How many layers one step of each depth adds."""

    async def size(self, budget: int, *, depth: float = 1.0, finer: int = 0) -> Size:
        """The form nearest to `budget` parameters, by its width, at `depth` times the blocks and with the
        first `finer` strides halved. Raises UserError where it is not even near.
        """
        depths = dict.fromkeys(self.depths if depth != 1.0 else (), depth)
        strides = self.strides[:finer]
        forms: dict[float, Form] = {}
        looking = bisection(max(1.0, (budget / self.start.params) ** 0.5), budget)
        width = next(looking)
        while True:
            form = await formed(self.evaluator, self.knobs.scaled(width, depths, strides), self.offers)
            if form is not None:
                forms[width] = form
            try:
                # What fails when it is wide is too wide, for memory or time.
                failed = None if width < 1 else budget * 1000
                width = looking.send(form.params if form else failed)
            except StopIteration:
                break
        best = min(forms, key=lambda each: abs(forms[each].params - budget), default=None)
        if best is None or abs(forms[best].params / budget - 1) > FAR:
            nearest = f"; the nearest has {forms[best].params:,}" if best is not None else ""
            raise UserError(
                f"--params: expected a size that its widths reach, got {budget:,} parameters{nearest}", code=1
            )
        return Size(forms[best], budget, best, depth, tuple(map(str, strides)))

    async def grown_from(self, small: Form, size: Size) -> Size:
        """`size` with whether it can begin by computing what `small` does."""
        if not isinstance(self.evaluator, Growing):
            return size
        grown = await self.evaluator.grow(size.form.source, small.source, {})
        return replace(size, grown=grown)


async def scaling_of(source: str, evaluator: Measuring, offers: Mapping[str, object]) -> Scaling:
    """The knobs of `source` that work, each tried in a dry run. Raises UserError where `source` itself does
    not pass, or nothing in it can be made wider.
    """
    start = await formed(evaluator, source, offers, repairs=0)
    if start is None:
        raise UserError("expected a candidate that passes its dry run here", code=1)
    knobs = knobs_of(source, offers)
    if not knobs.widths:
        raise UserError("expected a model with widths that are numbers in its source; found none", code=1)
    more: dict[Depth, int] = {}
    for kind in (_is_number, _is_whole, _is_layer):
        for each in filter(kind, knobs.depths):
            form = await formed(evaluator, knobs.scaled(depths={each: 1.001}), offers, repairs=0)
            if form and len(form.layers) > len(start.layers) and form.params > start.params:
                more[each] = len(form.layers) - len(start.layers)
        if more:
            break
    strides: list[tuple[int, Number]] = []
    for stride in knobs.strides:
        form = await formed(evaluator, knobs.scaled(strides=[stride]), offers)
        if form and (place := _larger(start, form)) is not None:
            strides.append((place, stride))
    ordered = [stride for _, stride in sorted(strides, key=lambda pair: pair[0])]
    return Scaling(knobs, start, evaluator, offers, list(more), ordered, more)


def _is_number(depth: Depth) -> bool:
    return isinstance(depth, Number)


def _is_whole(depth: Depth) -> bool:
    return isinstance(depth, Block) and depth.whole


def _is_layer(depth: Depth) -> bool:
    return isinstance(depth, Block) and not depth.whole


def _larger(start: Form, form: Form) -> int | None:
    """The first layer whose map has more places than before; None where there is none."""
    for place, (before, after) in enumerate(zip(start.layers, form.layers, strict=False)):
        one, other = before["shape"], after["shape"]
        if isinstance(one, list) and isinstance(other, list) and one[:1] == other[:1] and one < other:
            return place
    return None


async def formed(
    evaluator: Measuring, source: str, offers: Mapping[str, object], *, repairs: int = REPAIRS
) -> Form | None:
    """The form after shape repair; None where it passes no dry run."""
    done: tuple[str, ...] = ()
    while True:
        result = await evaluator.dry_run(source)
        if isinstance(result, DryRunPassed):
            return Form(source, result.params, result.flops, result.layers, done)
        if not isinstance(result, Raised) or len(done) >= repairs:
            return None
        fixed = repair(source, result, offers=offers)
        if fixed is None:
            return None
        source, done = fixed.source, (*done, fixed.description)

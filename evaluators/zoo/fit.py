"""Fits a family of the zoo to a task's input and to a number of parameters or FLOPs, as one plain file.

`width` is moved until the size is as near to the budget as it gets; where that is not near enough, one more
knob is. The sizes are counted on torch's meta device, which holds no values.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evoarch.evaluators.zoo.adapt import adapted, with_defaults
from evoarch.evaluators.zoo.catalogue import Family, Small, Variant

if TYPE_CHECKING:
    from torch import nn

NEAR = 0.05
"""How far from the budget, as a share of it, counts as reached."""

FAR = 0.5
"""How far from the budget a network is no answer any more."""

CLOSE = 0.01
"""How far from the budget the search ends early."""

HALVINGS = 24
WIDEST = 256.0
"""`width` is looked for between 1/256 and 256 times that of the network that the search begins with."""

KNOBS = ("depth", "steps", "repeats", "stem", "head", "growth", "ratio", "key_dim", "divisor", "quantum")
"""What else is moved, one at a time, by name; what a family does not have is passed over."""


class FitError(ValueError):
    """A family does not take the task's input, or cannot be as small or as large as asked."""


@dataclass(frozen=True)
class Fitted:
    """A family at one size: `source` is its file, `size` what it has where `budget` was asked for, in
    parameters or FLOPs.
    """

    source: str
    kwargs: Mapping[str, Any]
    parameters: int
    size: int
    budget: int

    @property
    def off(self) -> float:
        """How far the size is from the budget, as a share of it; negative: smaller."""
        return self.size / self.budget - 1


def fit(family: Family, offers: Mapping[str, object], budget: int, *, flops: bool = False) -> Fitted:
    """The family's file for a task with these `offers`, with about `budget` parameters (trainable elements,
    and others that are carried to the prediction; evaluators.params), or `flops` of one example
    (evaluators.inside.flops).

    The knobs beside `width` are those of the catalogue's network whose input is most like the task's. The
    result has made a training pass over two blank examples. Raises FitError.
    """
    shape, count, source = _for_task(family, offers)
    make = _entry(source)
    reached: list[int] = []
    for base in _bases(family, shape):
        size = _sizes(make, shape, count, flops_of if flops else parameters_of)
        best = _nearest(size, base, budget)
        if best is None:
            continue
        kwargs, found = best
        reached.append(found)
        if abs(found / budget - 1) > FAR:
            continue
        written = with_defaults(source, kwargs)
        if _passes(_entry(written), shape, count):
            parameters = _sizes(make, shape, count, parameters_of)(kwargs) if flops else found
            return Fitted(written, kwargs, parameters or 0, found, budget)
    nearest = min(reached, key=lambda found: abs(found - budget), default=budget)
    if abs(nearest / budget - 1) <= FAR:
        raise FitError(f"{family.name}: does not take the task's input, {_words(shape)}")
    end = "smallest" if nearest > budget else "largest"
    raise FitError(
        f"{family.name}: expected a budget that it reaches, got {budget:,}: its {end} here is {nearest:,}"
    )


def _words(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} numbers"


def _for_task(family: Family, offers: Mapping[str, object]) -> tuple[tuple[int, ...], int, str]:
    """The shape of one example, the number of outputs, and the family's source for such examples."""
    shape = offers.get("input_shape")
    outputs = next((name for name in ("num_classes", "num_outputs") if name in offers), None)
    if not isinstance(shape, Sequence) or outputs is None:
        names = ", ".join(offers)
        raise FitError(
            f"{family.name}: expected a task of examples (input_shape), got one that offers {names}"
        )
    source = adapted(family.source, len(shape), {len(small.input) for small in family.small})
    if source is None:
        raise FitError(f"{family.name}: does not take the task's input, {_words(shape)}")
    count = offers[outputs]
    assert isinstance(count, int)
    return tuple(shape), count, source.replace("num_classes", outputs)


def _bases(family: Family, shape: Sequence[int]) -> list[Small | Variant]:
    """The networks of the catalogue, those first whose input is most like `shape`."""

    def distance(base: Small | Variant) -> tuple[bool, float, int]:
        rank = max(2, len(shape))
        return len(base.input) != rank, abs(math.log(base.input[-1] / shape[-1])), base.input[0]

    return sorted([*family.small, *family.variants[:1]], key=distance)


def _entry(source: str) -> Callable[..., nn.Module]:
    # Only evoarch's own files, and what `adapted` and `with_defaults` make of them, are run here.
    space: dict[str, Any] = {"__name__": "zoo"}
    exec(compile(source, "zoo", "exec"), space)
    made: Callable[..., nn.Module] = space["Model"]
    return made


Size = Callable[[Mapping[str, Any]], int | None]
"""The size with these knobs; None where no network can be made with them."""


def _sizes(
    make: Callable[..., nn.Module],
    shape: tuple[int, ...],
    outputs: int,
    count: Callable[[nn.Module, tuple[int, ...]], int],
) -> Size:
    import torch

    def size(kwargs: Mapping[str, Any]) -> int | None:
        try:
            with torch.device("meta"), warnings.catch_warnings():
                # A layer of no channels is no layer.
                warnings.filterwarnings("error", "Initializing zero-element tensors")
                return count(make(shape, outputs, **kwargs), shape)
        except Exception:  # noqa: BLE001 - knobs that do not go together fail in many ways
            return None

    return size


def flops_of(model: nn.Module, shape: tuple[int, ...]) -> int:
    """FLOPs of one example of this shape, of a model on the meta device."""
    import torch

    from evoarch.evaluators.inside.flops import count_flops

    return count_flops(model, torch.zeros(2, *shape, device="meta"))


def parameters_of(model: nn.Module, shape: tuple[int, ...] = ()) -> int:
    """What `evaluators.params` counts, of a model on any device, the meta device included."""
    state = model.state_dict(keep_vars=True)
    total, seen = 0, set()
    for name, tensor in state.items():
        prefix, _, last = name.rpartition(".")
        affine = f"{prefix}.weight" in state and f"{prefix}.bias" in state
        if last in ("running_mean", "running_var") and affine:
            continue
        if tensor.is_floating_point() and id(tensor) not in seen:
            seen.add(id(tensor))
            total += tensor.numel() * max(1, tensor.element_size() // 4)
    return total


def _nearest(size: Size, base: Small | Variant, budget: int) -> tuple[dict[str, Any], int] | None:
    """The knobs whose network is nearest to `budget`, and its size: those of `base` but for one or two."""
    found = [best for best in [_by_width(size, base.kwargs, budget)] if best]
    if found and abs(found[0][1] / budget - 1) > NEAR:
        for name, value in _others(base.kwargs):
            best = _by_width(size, {**base.kwargs, name: value}, budget)
            if best:
                found.append(best)
            if best and abs(best[1] / budget - 1) <= NEAR:
                break
    return min(found, key=lambda each: abs(each[1] - budget), default=None)


def _others(kwargs: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Further values of the knobs of `kwargs`, the smallest steps first."""
    for name in KNOBS:
        value = kwargs.get(name)
        if isinstance(value, int):
            near = {value - 1, value + 1, value // 2, value * 3 // 4, value * 5 // 4, value * 2} - {value}
            yield from ((name, other) for other in sorted(near, key=lambda x: abs(x - value)) if other > 0)


def _by_width(size: Size, kwargs: Mapping[str, Any], budget: int) -> tuple[dict[str, Any], int] | None:
    """The nearest to `budget` that `width` reaches beside `kwargs`. A width is written with four figures."""
    looking = bisection(float(kwargs.get("width", 1.0)), budget)
    width = next(looking)
    while True:
        try:
            width = looking.send(size({**kwargs, "width": width}))
        except StopIteration as done:
            return done.value and ({**kwargs, "width": done.value[0]}, done.value[1])


Best = tuple[float, int]


def bisection(start: float, budget: int) -> Generator[float, int | None, Best | None]:
    """Asks for the size at one width after another, about `start`, and returns the width and the size that
    are nearest to `budget`; None where there was none. More width is more size; where there is no size
    (None), the width is too small.
    """
    low, high = start / WIDEST, start * WIDEST
    best: Best | None = None
    for _ in range(HALVINGS):
        middle = float(f"{math.sqrt(low * high):.4g}")
        found = yield middle
        if found is not None and (best is None or abs(found - budget) < abs(best[1] - budget)):
            best = middle, found
            if abs(found / budget - 1) <= CLOSE:
                break
        if found is None or found < budget:
            low = middle
        else:
            high = middle
    return best


def _passes(make: Callable[..., nn.Module], shape: tuple[int, ...], outputs: int) -> bool:
    """Whether the entry with its defaults takes two blank examples and gives each its outputs."""
    import torch

    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return tuple(make(shape, outputs)(torch.zeros(2, *shape)).shape) == (2, outputs)
    except Exception:  # noqa: BLE001 - a network that does not fit the input fails in many ways
        return False

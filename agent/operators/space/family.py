"""A family: a model file's skeleton, and the numbers and names that were lifted out of it.

Numbers that are equal widths are taken to be tied, since a file may add or join what they size; each other
number is a knob of its own. What is lifted is put back exactly; with other values the parts that must follow
do: padding, the groups of a depthwise convolution, a linear layer behind a flatten,
heads and groups that must divide a width. What the syntax does not show (a length after other strides) is for
the shape repair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import libcst as cst

from evoarch.agent.operators.space.sites import Divisor, Padding, Place, Site, sites_of
from evoarch.agent.operators.syntactic.view import View, dotted, look
from evoarch.agent.operators.syntactic.vocabulary import ACTIVATIONS, LARGEST, expression
from evoarch.agent.operators.syntactic.walking import rewrite
from evoarch.sandbox.genome import source_digest

Value = int | float | str

RANGES: Mapping[str, tuple[float, float]] = {
    "width": (2, LARGEST),
    "kernel": (3, 9),
    "stride": (2, 4),
    "dilation": (2, 4),
    "pool": (2, 4),
    "depth": (1, 8),
    "divisor": (2, 64),
    "dropout": (0.0, 0.6),
}
"""The least and the largest value of each kind of number that a search may try (inclusive)."""

PLACEHOLDER = "KNOB_"

IN_TORCH = ("relu", "selu", "sigmoid", "tanh")
"""The functions of ACTIVATIONS that `torch` itself has; `torch.nn.functional` has them all."""


@dataclass(frozen=True)
class Knob:
    """`name` tells it from the others of its family, in the order of the source; `kind` is a key of RANGES,
    or "activation". `value` is what stands in the file.
    """

    name: str
    kind: str
    value: Value


REACH = 4
"""A width is searched from a REACHth of what stands in the file to REACH times as much."""


def bounds(knob: Knob) -> tuple[float, float]:
    """The least and the largest number that a search tries for a knob, its own among them."""
    low, high = RANGES[knob.kind]
    value = float(knob.value)
    if knob.kind == "width":
        low, high = max(low, value // REACH), min(high, value * REACH)
    return min(low, value), max(high, value)


@dataclass(frozen=True)
class Family:
    """What `lifted` found in one file. Two files are of one family if `digest` is the same."""

    source: str
    view: View
    sites: Sequence[Site]

    @cached_property
    def knobs(self) -> Sequence[Knob]:
        """In the order of the source."""
        found: dict[int, Knob] = {}
        for site in self.sites:
            if site.knob is not None and site.knob not in found:
                found[site.knob] = Knob(f"{site.kind}{site.knob}", site.kind, site.value)
        return [found[number] for number in sorted(found)]

    @property
    def values(self) -> dict[str, Value]:
        """Each knob's value in this file, by name."""
        return {knob.name: knob.value for knob in self.knobs}

    @cached_property
    def skeleton(self) -> str:
        """The file with a placeholder for each knob, and for what follows from knobs."""
        return self._written(
            {site: f"{PLACEHOLDER}{site.label}" for site in self.sites},
        )

    @cached_property
    def digest(self) -> str:
        """Of the skeleton, whatever its comments, layout and names of variables are."""
        return source_digest(self.skeleton)

    def filled(self, values: Mapping[str, Value]) -> str:
        """The file with other values, of some knobs or of all. A number that must divide another becomes
        the nearest that does. Of two widths, or two activations, that would become the same, the later stays
        apart (a width by one), so that the file stays of this family.
        """
        given = self._apart({**self.values, **values})
        chosen: dict[int | None, Value] = {
            site.knob: given[f"{site.kind}{site.knob}"] for site in self.sites if site.knob is not None
        }
        return self._written({site: str(self._value(site, chosen)) for site in self.sites})

    def _value(self, site: Site, chosen: Mapping[int | None, Value]) -> Value:
        match site:
            case Padding():
                kernel, dilation = (self._number(part, chosen) for part in (site.kernel, site.dilation))
                return max(0, dilation * (kernel - 1) // 2 + site.offset)
            case Divisor():
                wanted, whole = int(chosen[site.knob]), 0
                for part in site.of:
                    whole = gcd(whole, self._number(part, chosen))
                fitting = [n for n in range(2, whole + 1) if not whole % n]
                return min(fitting, key=lambda n: (abs(n - wanted), n), default=1)
            case _:
                value = chosen[site.knob]
                return int(value) * site.times if site.kind == "width" else value

    def _apart(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The values, no two widths and no two activations of which are the same."""
        chosen, taken = dict[str, Value](), set[Value]()
        for knob in self.knobs:
            value = values[knob.name]
            if knob.kind == "width":
                value = next(n for n in range(int(value), 2 * LARGEST * len(self.knobs)) if n not in taken)
            elif knob.kind == "activation" and value in taken:
                value = next(name for name in (str(knob.value), *ACTIVATIONS) if name not in taken)
            if knob.kind in ("width", "activation"):
                taken.add(value)
            chosen[knob.name] = value
        return chosen

    def _number(self, part: Site | int, chosen: Mapping[int | None, Value]) -> int:
        return part if isinstance(part, int) else int(self._value(part, chosen))

    def _written(self, texts: Mapping[Site, str]) -> str:
        return rewrite(self.view.module, {site.node: _node(site, text) for site, text in texts.items()}).code


def lifted(source: str, offers: Mapping[str, object], entry: str = "Model") -> Family:
    """The family of a model file. Raises sandbox.genome.GenomeError where it is no Python file."""
    view = look(source)
    return Family(source, view, sites_of(view, offers, entry))


def _node(site: Site, text: str) -> cst.CSTNode:
    if site.kind != "activation":
        return expression(text)
    call = site.node
    assert isinstance(call, cst.Call)
    if isinstance(site, Place) and site.functional:
        assert isinstance(call.func, cst.Attribute)
        if text.startswith(PLACEHOLDER):  # Wherever the function is: torch has but a few of them.
            return call.with_changes(func=cst.Name(text))
        name = ACTIVATIONS[text]
        if dotted(call.func.value) == "torch" and name not in IN_TORCH:
            return call.with_changes(func=expression(f"torch.nn.functional.{name}"))
        return call.with_changes(func=call.func.with_changes(attr=cst.Name(name)))
    if isinstance(call.func, cst.Attribute):
        return call.with_changes(func=call.func.with_changes(attr=cst.Name(text)))
    return call.with_changes(func=cst.Name(text))

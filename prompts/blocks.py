"""The blocks of a model file: a statement of `forward` with the layers it calls and the helpers they name."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from evoarch.prompts.outline import names_in, outline
from evoarch.prompts.spans import CALLED_LAYER, find


@dataclass(frozen=True)
class Block:
    """`layers` are assignments by attribute, in file order; `call` is the statement that calls them.

    `target` is the variable that the call sets. `helpers` are the definitions that the layers name, and those
    that these name.
    """

    layers: Mapping[str, str]
    call: str
    target: str
    helpers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The first of its layers."""
        return next(iter(self.layers))

    def called(self, name: str, target: str) -> str:
        """The call for this block as one layer `name` on the variable `target`; "" where it takes more."""
        if len(self.layers) > 1 or names_in(self.call) - {self.target, "_", "self", "nn", "F", "torch"}:
            return ""
        tree = ast.parse(self.call)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == self.target:
                node.id = target
            elif isinstance(node, ast.Attribute) and ast.unparse(node) == f"self.{self.name}":
                node.attr = name
        return ast.unparse(tree)

    @property
    def text(self) -> str:
        """Helpers, layers and call, as a prompt shows them."""
        return "\n".join([*self.helpers.values(), *self.layers.values(), self.call])


def blocks(source: str, entry: str) -> tuple[Block, ...]:
    """All blocks of the entry, in order. Raises sandbox.genome.GenomeError for text that is no Python."""
    around = outline(source, entry)
    own = around.entry.split("\n")[0]
    first = source.split("\n").index(own) if own else 0
    last = first + around.entry.count("\n") + 1
    found: dict[tuple[str, str], dict[str, str]] = {}
    for span in find(source, entry, settled=True):
        if span.kind == CALLED_LAYER and span.call is not None and first <= span.start < last:
            found.setdefault((span.call.text, span.call.target), {})[span.name] = span.text
    return tuple(Block(layers, *call, _helpers(layers, around.helpers)) for call, layers in found.items())


def _helpers(layers: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    wanted = set[str]().union(*(names_in(text) for text in layers.values()))
    found: set[str] = set()
    while new := {name for name in known if name in wanted - found}:
        found |= new
        wanted |= set[str]().union(*(names_in(known[name]) for name in new))
    return {name: text for name, text in known.items() if name in found}

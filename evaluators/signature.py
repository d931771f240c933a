"""What may cross from training to prediction: the tensors that the dry run had, by name, type and shape.

The dry run sees no training data, so nothing that was learnt can stand in a name, a shape, a type, a count
or an order. What the values say is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evoarch.sandbox.outcome import Array


@dataclass(frozen=True)
class Signature:
    """`tensors`: dtype and shape by name, in the order of the untrained model's state."""

    tensors: Mapping[str, tuple[str, tuple[int, ...]]]

    def problem(self, weights: Mapping[str, Array]) -> str:
        """How `weights` differ from the state of the dry run, "" if they do not."""
        missing = [name for name in self.tensors if name not in weights]
        unknown = [name for name in weights if name not in self.tensors]
        if missing or unknown:
            lacks = [f"lacks {_few(missing)}"] if missing else []
            holds = [f"also holds {_few(unknown)}"] if unknown else []
            return f"the state must be the one of the dry run: it {' and '.join(lacks + holds)}"
        for name, (dtype, shape) in self.tensors.items():
            got = (weights[name].dtype.name, weights[name].shape)
            if got != (dtype, shape):
                return (
                    f"the state must be the one of the dry run: {name!r}: expected {dtype} {shape}, "
                    f"got {got[0]} {got[1]}"
                )
        return ""

    def ordered(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """`weights` in the order of the dry run's state."""
        return {name: weights[name] for name in self.tensors}


def signature_of(state: Mapping[str, Array]) -> Signature:
    """The signature of an untrained model's state."""
    return Signature({name: (array.dtype.name, array.shape) for name, array in state.items()})


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if names[3:] else ""
    return ", ".join(repr(name[:80]) for name in names[:3]) + more

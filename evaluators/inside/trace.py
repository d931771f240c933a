"""The trace of a forward pass: a node for each call of a layer, and of a function outside the layers.

Layers are torch's and einops' modules that hold no others; a genome's own modules are seen through, down to
the functions that they call. What a call reads is told by which tensors it was given: they are all kept
until the end, so that no two have the same place in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as global_hooks
from torch.overrides import TorchFunctionMode

from evoarch.evaluators.inside.build import check_logits
from evoarch.evaluators.inside.flops import RECURRENT, Meter

MOST_NODES, MOST_READS, MOST_DIMENSIONS, MOST_NAME, MOST_KIND = 300, 16, 8, 120, 60
"""As evaluators.trace has them, which reads this."""

HINTS: Mapping[str, float] = {
    "stride": 1, "kernel_size": 0, "groups": 1, "dilation": 1, "p": 0, "num_layers": 1, "bidirectional": 0,
    "num_heads": 0, "num_groups": 0, "output_size": 0,
}  # fmt: skip
"""Settings that a node carries, where they are not what stands beside them."""

LIBRARIES = ("torch", "einops")
OPAQUE = (nn.MultiheadAttention,)
"""Layers that hold modules which they never call."""

SAME = frozenset({"detach", "contiguous", "to", "type_as", "float", "double", "requires_grad_", "data"})
"""Functions that hand on what they got: no nodes."""


def trace_of(model: nn.Module, inputs: Tensor, outputs: tuple[int, ...] = ()) -> dict[str, Any]:
    """The trace of a forward pass in evaluation mode over `inputs` (n, *shape), as evaluators.trace reads it.

    Raises whatever the model raises, and TypeError or ValueError where it does not return (n, *outputs), if
    `outputs` are given.
    """
    recorder = _Recorder(model, inputs)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    handles = [
        global_hooks.register_module_forward_pre_hook(recorder.enter),
        global_hooks.register_module_forward_hook(recorder.leave, with_kwargs=True, always_call=True),
    ]
    try:
        model.eval()
        with torch.no_grad(), recorder.meter, recorder:
            output = model(inputs)
    finally:
        for handle in handles:
            handle.remove()
        torch.backends.mha.set_fastpath_enabled(fused)
    if outputs:
        check_logits(output, len(inputs), outputs)
    return recorder.trace(output)


class _Recorder(TorchFunctionMode):
    """Sees each call of a layer by the hooks, and each function that is called outside of one by the mode."""

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        super().__init__()
        self.model, self.batch, self.meter = model, len(inputs), Meter()
        self.names = {id(module): name for name, module in model.named_modules(remove_duplicate=False)}
        self.nodes: list[list[Any]] = []
        self.calls, self.activations = 0, 0
        self.kept: list[Tensor] = []
        self.by_id: dict[int, int] = {}
        self.by_place: dict[int, int] = {}
        self.counted: set[int] = set()
        self.stack: list[str] = []
        self.depth, self.before = 0, 0
        self._made([inputs], -1)

    def enter(self, module: nn.Module, args: Any) -> None:
        """A module is called."""
        if self.depth or _is_layer(module):
            if not self.depth:
                self.before = self.meter.total
            self.depth += 1
        else:
            self.stack.append(self.names.get(id(module), ""))

    def leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """A module has returned, or raised: `output` is None then."""
        if not self.depth:
            self.stack.pop()
            return
        self.depth -= 1
        if not self.depth:
            kind = type(module).__name__.removeprefix("Parametrized")
            name = self.names.get(id(module), "")
            owned = [p for p in module.parameters() if p.requires_grad]
            made = _tensors((output,))
            self._node(name, kind, _tensors((args, kwargs)), made, owned, self.before, _hints(module))

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        before = self.meter.total
        given = kwargs or {}
        # Not of a packed batch, whose second argument are its sizes.
        padded = func in RECURRENT and len(args) > 2 and not isinstance(args[2], Tensor)
        output = self.meter.recurrent(func, args, given) if padded else func(*args, **given)
        if self.depth:
            return output
        kind = _kind(func)
        made = _tensors(args[:1]) if kind == "setitem" else _tensors((output,))
        if made:
            given = _tensors((args, kwargs))
            if kind in SAME:
                self._made(made, next(iter(self._sources(given)), -2))
            elif given:
                owned = [t for t in given if isinstance(t, nn.Parameter) and t.requires_grad]
                self._node(self.stack[-1] if self.stack else "", kind, given, made, owned, before, {})
        return output

    def _node(
        self,
        name: str,
        kind: str,
        given: Sequence[Tensor],
        made: Sequence[Tensor],
        owned: Iterable[Tensor],
        before: int,
        hints: Mapping[str, float],
    ) -> None:
        number = self.calls
        self.calls += 1
        reads = self._sources(given)[:MOST_READS]
        shape: list[int] = []
        elements = 0
        # No view of what it was given, nor the same again.
        known = {id(t) for t in given} | {_place(t) for t in given}
        for place, tensor in enumerate(made):
            own, of_batch = self._shape(tensor)
            shape = own if place == 0 else shape
            if id(tensor) not in known and _place(tensor) not in known:
                elements += math.prod(own) if of_batch else 0
        self.activations += elements
        if number < MOST_NODES:
            flops = -(-(self.meter.total - before) // self.batch)
            params = sum(p.numel() for p in owned if self._is_new(p))
            row = [name[:MOST_NAME], kind[:MOST_KIND], shape[:MOST_DIMENSIONS], params, flops, reads]
            self.nodes.append([*row, dict(hints)] if hints else row)
        self._made(made, min(number, MOST_NODES - 1))

    def _sources(self, given: Iterable[Tensor]) -> list[int]:
        """Which nodes these come from, in order, each once. What was made of nothing is of no node (-2)."""
        found: dict[int, None] = {}
        for tensor in given:
            node = self.by_id.get(id(tensor))
            if node is None:
                node = self.by_place.get(_place(tensor), -2)
            if node > -2:
                found[node] = None
        return list(found)

    def _made(self, tensors: Iterable[Tensor], node: int) -> None:
        for tensor in tensors:
            self.kept.append(tensor)
            if node > -2:
                self.by_id[id(tensor)] = node
                if place := _place(tensor):
                    self.by_place[place] = node

    def _is_new(self, parameter: Tensor) -> bool:
        new = id(parameter) not in self.counted
        self.counted.add(id(parameter))
        return new

    def _shape(self, tensor: Tensor) -> tuple[list[int], bool]:
        """Without the batch, which is the first dimension of its length; whether there is one."""
        shape = list(tensor.shape)
        if self.batch not in shape:
            return shape, False
        shape.remove(self.batch)
        return shape, True

    def trace(self, output: Any) -> dict[str, Any]:
        """What was seen, where the model returned `output`."""
        sources = self._sources(_tensors((output,)))
        unknown = bool(self.meter.unknown)
        return {
            "nodes": self.nodes,
            "params": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "flops": None if unknown else -(-self.meter.total // self.batch),
            "activations": self.activations,
            "cut": self.calls > MOST_NODES,
            "output": sources[0] if sources else -1,
        }


def _is_layer(module: nn.Module) -> bool:
    if type(module).__module__.partition(".")[0] not in LIBRARIES:
        return False
    return isinstance(module, OPAQUE) or not (module._modules.keys() - {"parametrizations"})


def _kind(func: Any) -> str:
    """The function's name as one writes it: "add" for `__iadd__`, "T" for the getter of that attribute."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    if name.startswith("__"):
        name = name.strip("_")
        if name[:1] in "ir" and name[1:] in ("add", "sub", "mul", "truediv", "matmul", "pow", "div"):
            name = name[1:]
    return str(name).rstrip("_") or "unknown"


def _tensors(values: Any) -> list[Tensor]:
    """All in nested tuples, lists and dicts, in order."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _tensors(value)
        elif isinstance(value, dict):
            found += _tensors(value.values())
    return found


def _place(tensor: Tensor) -> int:
    """Where its numbers are; 0 for one that has none, or is only a wrapper."""
    try:
        return tensor.untyped_storage().data_ptr()
    except RuntimeError:
        return 0


def _hints(module: nn.Module) -> dict[str, float]:
    own = module.__dict__
    found: dict[str, float] = {}
    for name, usual in HINTS.items():
        value = own.get(name)
        if isinstance(value, tuple | list) and value and all(isinstance(part, int) for part in value):
            value = math.prod(value)
        if isinstance(value, int | float) and value != usual and math.isfinite(value):
            found[name] = float(value)
    return found

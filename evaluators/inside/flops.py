"""Floating point operations of a forward pass, counted while it runs: multiply and add count as two.

What is counted: matrix products, convolutions and attention, as torch's FlopCounterMode has them (a bias
is the addition that a sum of n products has left over, and is free); recurrent layers and other products
that it passes over; and every multiplication or division of two tensors of which one is broadcast, as the
multiply-add that it mostly is, two per element of the result. So a matrix product costs the same in
whatever way it is written. Fourier transforms count 5 n log2 n, real ones half (the convention of FFTW).

What is not: sums, additions, products of equal shapes, activations, normalisations, pooling, copies.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode_temporarily
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

aten = torch.ops.aten

UNCOUNTED = (
    "cholesky", "cholesky_solve", "cholesky_inverse", "geqrf", "ormqr", "linalg_householder_product",
    "linalg_cholesky_ex", "linalg_eig", "_linalg_eigh", "_linalg_eigvals", "linalg_inv_ex", "_linalg_det",
    "_linalg_slogdet", "linalg_ldl_factor_ex", "linalg_lstsq", "linalg_lu", "linalg_lu_factor_ex",
    "linalg_lu_solve", "linalg_matrix_exp", "linalg_pinv", "linalg_qr", "_linalg_solve_ex",
    "linalg_solve_triangular", "_linalg_svd", "triangular_solve", "_transformer_encoder_layer_fwd",
    "_native_multi_head_attention",
)  # fmt: skip
"""Operations that compute much and have no count here: a model that uses one has none."""


class Counter(FlopCounterMode):
    """torch's counter with the rules above. `unknown` names the operations met that have no count."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        super().__init__(display=False, depth=99, custom_mapping={**_RULES, **dict(self._refusals())})

    def _refusals(self) -> Iterable[tuple[Any, Callable[..., int]]]:
        for name in UNCOUNTED:
            # Which there are differs between versions of torch.
            if hasattr(aten, name):
                yield getattr(aten, name), _raw(lambda *_, name=name, **__: self._refuse(name))

    def _refuse(self, name: str) -> int:
        self.unknown.append(name)
        return 0


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What `Counter` counts, as a sum alone, which can be read at any time and takes less of it.

    `total` is of all examples together.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counter, self.total = Counter(), 0
        self._rules = self._counter.flop_registry

    @property
    def unknown(self) -> Sequence[str]:
        """Operations met that have no count."""
        return self._counter.unknown

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and being guarded from it takes longer than counting."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        rule = self._rules.get(getattr(func, "_overloadpacket", func))
        if rule is not None:
            output = func(*args, **given)
            self.total += _applied(rule, args, given, output)
            return output
        if _is_composite(func):
            # As torch's counter does: what is made of others is counted by these.
            with self:
                return func.decompose(*args, **given)
        return func(*args, **given)

    def recurrent(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Calls torch.gru, rnn_tanh or rnn_relu on a padded batch. It counts as its steps would, each of
        which takes longer to see than to compute.
        """
        with _pop_mode_temporarily():
            output = func(*args, **kwargs)
        inputs, _, weights, *_ = args
        # Of each layer and direction one matrix for what comes in and one for the state; the rest are biases.
        elements = sum(weight.numel() for weight in weights if weight.dim() == 2)
        self.total += 2 * inputs.shape[0] * inputs.shape[1] * elements
        return output


RECURRENT = (torch.gru, torch.rnn_tanh, torch.rnn_relu)
"""Functions that `Meter.recurrent` counts."""


def _applied(rule: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> int:
    """What a rule counts. One that torch has wrapped gets shapes in the place of tensors, without the general
    way through nested values that torch goes.
    """
    plain = getattr(rule, "__wrapped__", None)
    if plain is None:
        return int(rule(*args, **kwargs, out_val=output))
    given = {name: _shapes(value) for name, value in kwargs.items()}
    return int(plain(*map(_shapes, args), out_shape=_shapes(output), **given))


def _shapes(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape
    if isinstance(value, list | tuple):
        return [_shapes(each) for each in value]
    return value


@functools.cache
def _is_composite(func: Any) -> bool:
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    return isinstance(func, torch._ops.OpOverload) and func.has_kernel_for_dispatch_key(key)


def count_flops(model: nn.Module, inputs: Tensor) -> int:
    """FLOPs of one example: those of a batch, shared by its examples, rounded up.

    Counted in training and in evaluation mode, of which the larger holds: no mode hides what the other does.
    Evaluation goes without torch's fused path of attention, which has no count. `inputs` are (n, *shape),
    n > 1. Raises ValueError where an operation has no count, and whatever the model raises.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        return max(_counted(model.train(mode), inputs) for mode in (False, True))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _counted(model: nn.Module, inputs: Tensor) -> int:
    with torch.no_grad(), Counter() as counter:
        model(inputs)
    if counter.unknown:
        raise ValueError(f"there is no count of {', '.join(sorted(set(counter.unknown)))}")
    total: int = counter.get_total_flops()
    return -(-total // len(inputs))


def _raw(rule: Callable[..., int]) -> Callable[..., int]:
    """Marks a rule that wants tensors; the counter gives others their shapes."""
    rule._get_raw = True  # type: ignore[attr-defined]
    return rule


def _is_broadcast(operand: object, result: Tensor) -> bool:
    """A single number is none: it scales, and stands for no row or column."""
    if not isinstance(operand, Tensor) or operand.numel() == 1:
        return False
    expanded = any(step == 0 and size > 1 for step, size in zip(operand.stride(), operand.shape, strict=True))
    return expanded or operand.shape != result.shape


@_raw
def _product(one: Tensor, other: object, *_: object, out_val: Tensor, **__: object) -> int:
    if not isinstance(other, Tensor) or not (out_val.is_floating_point() or out_val.is_complex()):
        return 0
    if other.numel() == 1 or one.numel() == 1:
        return 0
    return 2 * out_val.numel() if _is_broadcast(one, out_val) or _is_broadcast(other, out_val) else 0


@_raw
def _fused_product(_: Tensor, one: Tensor, other: object, *__: object, out_val: Tensor, **___: object) -> int:
    return _product(one, other, out_val=out_val)


def _vector(matrix: Sequence[int], *_: object, **__: object) -> int:
    return 2 * math.prod(matrix)


def _added_vector(_: object, matrix: Sequence[int], *__: object, **___: object) -> int:
    return 2 * math.prod(matrix)


def _added_batch(_: object, one: Sequence[int], other: Sequence[int], *__: object, **___: object) -> int:
    return 2 * math.prod(one) * other[-1]


def _outer(*_: object, out_shape: Sequence[int], **__: object) -> int:
    return 2 * math.prod(out_shape)


def _distances(one: Sequence[int], *_: object, out_shape: Sequence[int], **__: object) -> int:
    """A difference, a power and a sum for each number of each pair."""
    return 3 * math.prod(out_shape) * one[-1]


def _trilinear(
    one: Sequence[int], two: Sequence[int], three: Sequence[int], *places: Sequence[int], **_: object
) -> int:
    """Two products and a sum for each number of the three tensors, spread over their common shape."""
    spread = []
    for shape, missing in zip((one, two, three), places, strict=False):
        full = list(shape)
        for place in missing:
            full.insert(place, 1)
        spread.append(full)
    return math.prod([3, *(max(sizes) for sizes in zip(*spread, strict=True))])


def _attention(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object
) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _fused_lstm(
    inputs: Sequence[int], one: Sequence[int], two: Sequence[int], *_: object, **__: object
) -> int:
    return 2 * inputs[0] * inputs[1] * (math.prod(one) + math.prod(two))


def _fused_rnn(inputs: Sequence[int], weights: Sequence[Sequence[int]], *_: object, **__: object) -> int:
    return 2 * inputs[0] * inputs[1] * sum(math.prod(shape) for shape in weights if len(shape) > 1)


def _wide_convolution(
    _: object, weight: Sequence[int], *__: object, out_shape: Sequence[int], **___: object
) -> int:
    return 2 * math.prod(out_shape) * weight[0] * weight[1]


def _fourier(share: float) -> Callable[..., int]:
    @_raw
    def rule(tensor: Tensor, dim: Sequence[int], *_: object, out_val: Tensor, **__: object) -> int:
        full = max(tensor, out_val, key=Tensor.numel)
        length = math.prod((tensor if tensor.is_floating_point() else out_val).shape[place] for place in dim)
        signals = full.numel() // max(1, math.prod(full.shape[place] for place in dim))
        return math.ceil(share * signals * length * math.log2(length)) if length > 1 else 0

    return rule


_RULES: dict[Any, Callable[..., int]] = {
    **dict.fromkeys((aten.mul, aten.mul_, aten.div, aten.div_), _product),
    **dict.fromkeys((aten.addcmul, aten.addcmul_, aten.addcdiv, aten.addcdiv_), _fused_product),
    **dict.fromkeys((aten.mv, aten.dot, aten.vdot), _vector),
    aten.addmv: _added_vector,
    aten.addbmm: _added_batch,
    aten.addr: _outer,
    **dict.fromkeys((aten._cdist_forward, aten._euclidean_dist), _distances),
    aten._trilinear: _trilinear,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten.mkldnn_rnn_layer: _fused_lstm,
    aten._cudnn_rnn: _fused_rnn,
    aten.conv_tbc: _wide_convolution,
    aten._fft_c2c: _fourier(5.0),
    **dict.fromkeys((aten._fft_r2c, aten._fft_c2r), _fourier(2.5)),
}

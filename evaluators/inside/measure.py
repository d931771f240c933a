"""What a model computes, bit for bit: read by the proof of `seed add`, inside the walls and outside them.

It needs torch alone: outside, its text is run by the user's own interpreter.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

EXAMPLES = 2


def measured(make: Callable[[], torch.nn.Module], offers: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Outputs of a freshly made model for two drawn examples of a task with these `offers`, in float64 and
    evaluation mode, by their number, and `elements`: how many each parameter and buffer has. One thread,
    one seed for everything.
    """
    torch.set_num_threads(1)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        _seed()
        model = make().double().eval()
        shape, draw = (EXAMPLES, *offers["input_shape"]), torch.Generator().manual_seed(0)
        if "vocab_size" in offers:
            inputs = torch.randint(offers["vocab_size"], shape, generator=draw)
        else:
            inputs = torch.randn(shape, generator=draw)
        _seed()
        with torch.no_grad():
            found = list(tensors(model(inputs)))
        state = [*model.parameters(), *model.buffers()]
    finally:
        torch.set_default_dtype(usual)
    answer = {str(n): _plain(value) for n, value in enumerate(found)}
    return answer | {"elements": torch.tensor([t.numel() for t in state], dtype=torch.int64)}


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """All tensors of an answer, whatever it is made of."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors(getattr(value, name))


def _plain(value: torch.Tensor) -> torch.Tensor:
    value = torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
    return value.detach().to(torch.float64).contiguous() if value.is_floating_point() else value.detach()


def _seed() -> None:
    torch.manual_seed(0)
    random.seed(0)
    try:
        import numpy
    except ImportError:
        return
    numpy.random.seed(0)

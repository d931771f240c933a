"""The device that a child computes on: opened once after the fork, and named in the options.

On the CPU nothing here changes a bit. Models are built on the CPU, from the same seeded numbers everywhere,
and moved; what goes back across the wall is brought to the CPU by the child.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from evoarch.evaluators.inside.warm import exercise


def open_device(request: Mapping[str, Any]) -> None:
    """Opens the device of sandbox.device.Device.request and takes one training step on it.

    Called while the child is trusted: it starts the threads and loads the libraries that nobody can start or
    load later. Raises RuntimeError where the device can't be used.
    """
    if request["kind"] == "cuda":
        # Read by the driver when the context is made, which is why no zygote may have one.
        os.environ["CUDA_VISIBLE_DEVICES"] = request["visible"]
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.cuda.init()  # type: ignore[no-untyped-call]
        cap(torch.cuda, request)
    settle_numerics()
    exercise(torch.device(request["kind"]))
    if request["kind"] == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def cap(cuda: Any, request: Mapping[str, Any]) -> None:
    """Limits what torch may allocate on the one visible device, `cuda` being torch.cuda."""
    _, total = cuda.mem_get_info()
    share = request["memory"] / total if request["memory"] else request["share"]
    cuda.set_per_process_memory_fraction(min(1.0, share))


def settle_numerics() -> None:
    """Full float32 and the same algorithm every time: two predictions of the same weights must agree."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def device_of(options: Mapping[str, Any]) -> torch.device:
    return torch.device(options.get("device", "cpu"))


def placed(arrays: Mapping[str, Tensor], options: Mapping[str, Any]) -> dict[str, Tensor]:
    """`arrays` on the device."""
    device = device_of(options)
    return {name: array.to(device) for name, array in arrays.items()}


def casting(options: Mapping[str, Any]) -> AbstractContextManager[object]:
    """bfloat16 where the campaign asks for it, in trainings. Predictions are always in full precision: in
    bfloat16 another batch size alone would change them more than two predictions may differ.
    """
    return torch.autocast(
        device_of(options).type, dtype=torch.bfloat16, enabled=bool(options.get("autocast"))
    )


def in_full(outputs: Tensor) -> Tensor:
    """Outputs that were cast, in the precision that a loss is computed in."""
    return outputs.float() if outputs.dtype is torch.bfloat16 else outputs


def random_states(options: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of each generator that a genome may draw from, as uint8 on the CPU: `rng`, and beside the
    CPU also `rng_device`.
    """
    states = {"rng": torch.get_rng_state()}
    kind = device_of(options).type
    if kind != "cpu":
        states["rng_device"] = torch.get_device_module(kind).get_rng_state().cpu()
    return states


def set_random_states(states: Mapping[str, Tensor], options: Mapping[str, Any]) -> None:
    """The inverse of `random_states`. Training that goes on from another kind of device draws anew there."""
    torch.set_rng_state(states["rng"])
    kind = device_of(options).type
    if kind != "cpu" and "rng_device" in states:
        torch.get_device_module(kind).set_rng_state(states["rng_device"])

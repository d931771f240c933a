"""Training by a task's own loop: `fit(model, context)` of the module `own_fit`, beside these files.

The entry of a program that has such a loop; all else is as in `main`.
"""

from __future__ import annotations

import importlib
import json
import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from evoarch.evaluators.inside.build import Announce, Reply, build, materialise, outputs_of, state_of
from evoarch.evaluators.inside.device import device_of, open_device, placed
from evoarch.evaluators.inside.dry_run import dry_run, initial_state
from evoarch.evaluators.inside.losses import LOSSES
from evoarch.evaluators.inside.made_up import made_up_inputs, made_up_targets
from evoarch.evaluators.inside.predict import predict
from evoarch.evaluators.inside.proof import answers, proof
from evoarch.evaluators.inside.trace_batch import traces
from evoarch.evaluators.inside.train import curve
from evoarch.evaluators.inside.warm import warmup as warm_common
from evoarch.evaluators.inside.zero_cost import zero_cost

__all__ = [
    "Context",
    "answers",
    "dry_run",
    "initial_state",
    "open_device",
    "predict",
    "proof",
    "traces",
    "train",
    "warmup",
    "zero_cost",
]

FIT, SETTING = "own_fit", "own_fit_setting"
"""The task's file, and a module whose text is the JSON of its offers and loss."""


@dataclass
class Context:
    """What a training loop gets, and what it may say.

    `inputs` (n, *shape) float32 and `targets`, (n,) int64 or (n, k) float32, are the training split. `recipe`
    has what evoarch.Recipe has (`rate`, `steps`, `batch`, `weight_decay`, `checkpoints`, ...), by name. They
    and the model are on the campaign's device, `generator` is the CPU's.
    `loss(outputs, targets)` is the task's. `generator` is seeded for this training: what draws from it, or
    from torch's global one, is the same in every run.
    """

    inputs: Tensor
    targets: Tensor
    recipe: Mapping[str, Any]
    loss: Callable[[Tensor, Tensor], Tensor]
    generator: torch.Generator
    kept: list[dict[str, Tensor]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    _model: nn.Module | None = None

    def keep(self) -> None:
        """Keeps the weights as they are now. The last `recipe["checkpoints"]` kept, the end included, are
        tried on the validation split, and the best counts.
        """
        assert self._model is not None
        state, _ = state_of(self._model)
        self.kept.append({name: value.to("cpu", copy=True) for name, value in state.items()})
        del self.kept[: -self.recipe["checkpoints"]]

    def note(self, loss: float) -> None:
        """Notes a training loss for the curve that reports show."""
        self.losses.append(float(loss))


def train(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """As evaluators.inside.train, whole, by the task's loop. What the loop leaves in the model counts."""
    announce("build")
    model = build(genome, options).to(device_of(options))
    announce("train")
    there = placed(arrays, options)
    return _fitted(model, there["inputs"], there["targets"], options)


def _fitted(model: nn.Module, inputs: Tensor, targets: Tensor, options: Mapping[str, Any]) -> Reply:
    materialise(model, inputs[:2])
    generator = torch.Generator().manual_seed(torch.initial_seed())
    context = Context(inputs, targets, options["recipe"], LOSSES[options["loss"]], generator, _model=model)
    importlib.import_module(FIT).fit(model, context)
    context.keep()
    _, ties = state_of(model)
    count = options["recipe"]["checkpoints"]
    # A loop that kept fewer has its end among the checkpoints more than once.
    kept = context.kept + context.kept[-1:] * (count - len(context.kept))
    tensors = {
        f"{number}/{name}": value for number, state in enumerate(kept) for name, value in state.items()
    }
    return tensors, {"ties": ties, "curve": curve(context.losses)}


def warmup() -> None:
    """The common one, and one training of a linear model: what a loop loads on first use is there then.

    Raises RuntimeError, in one line, where the loop fails on it: it would fail on every model.
    """
    warm_common()
    setting = json.loads(importlib.import_module(SETTING).TEXT)
    draw = torch.Generator().manual_seed(0)
    outputs = outputs_of(setting)
    inputs = made_up_inputs(setting["offers"], 8, draw)
    targets = made_up_targets(setting["loss"], len(inputs), outputs, draw)
    model: nn.Module
    if setting["loss"] == "next_token":
        model = nn.Embedding(outputs[-1], outputs[-1])
    elif "vocab_size" in setting["offers"]:
        model = nn.EmbeddingBag(setting["offers"]["vocab_size"], outputs[0])
    else:
        linear = nn.Linear(inputs[0].numel(), math.prod(outputs))
        model = nn.Sequential(nn.Flatten(), linear, nn.Unflatten(1, outputs))
    try:
        _fitted(model, inputs, targets, setting)
    except Exception as error:  # noqa: BLE001 - a task's own code may raise anything, and is named
        frames = traceback.walk_tb(error.__traceback__)
        lines = [line for frame, line in frames if frame.f_globals.get("__name__") == FIT]
        place = f"{setting['file']}{f':{lines[-1]}' if lines else ''}"
        message = " ".join(str(error).split())
        raise RuntimeError(f"{place}: fit(model, context): {type(error).__name__}: {message}") from None

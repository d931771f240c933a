"""Prediction: weights and unlabelled inputs in, logits out."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from evoarch.evaluators.inside.build import (
    Announce,
    Reply,
    build,
    check_logits,
    materialise,
    outputs_of,
)
from evoarch.evaluators.inside.device import device_of
from evoarch.evaluators.inside.state import load_state


def predict(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Logits, or outputs of a regression, (checkpoints, n, k) float32 of `arrays["inputs"]` (n, *shape), in
    the order given.

    `arrays` also holds `<checkpoint>/<name>` weights for `options["checkpoints"]` checkpoints. `options`:
    entry, offers, kwargs, batch. Raises ValueError if the weights do not make up the model's state.
    """
    announce("build")
    model = build(genome, options).to(device_of(options))
    announce("predict")
    inputs, size = arrays["inputs"].to(device_of(options)), options["batch"]
    materialise(model, inputs[:2])
    outputs = outputs_of(options)
    answers: list[Tensor] = []
    for checkpoint in range(options["checkpoints"]):
        start = f"{checkpoint}/"
        weights = {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}
        load_state(model, weights)
        model.eval()
        with torch.no_grad():
            parts = [
                check_logits(model(x), len(x), outputs).to(torch.float32) for x in torch.split(inputs, size)
            ]
        answers.append(torch.cat(parts))
    return {"logits": torch.stack(answers)}, {}

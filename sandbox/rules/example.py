"""The example file that the rules' examples vary."""

from __future__ import annotations

from collections.abc import Mapping

OFFERS: Mapping[str, object] = {"input_shape": (1, 40), "num_classes": 10}
"""What the examples' task offers."""


def model(
    *,
    name: str = "Model",
    init: str = "super().__init__()",
    parameters: str = "num_classes",
    forward: str = "return self.head(x.flatten(1))",
    before: str = "",
) -> str:
    """A whole model file; each argument puts other text into one place."""
    return f"""import torch
from torch import nn

{before}
class {name}(nn.Module):
    def __init__(self, {parameters}):
        {init}
        self.head = nn.Linear(40, num_classes)

    def forward(self, x):
        {forward}
"""

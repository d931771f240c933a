"""Promise: a loop inside native code, which sees no Python signal, is stopped."""

import torch

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    x = torch.randn(1500, 1500)
    for _ in range(10000):
        x = x @ x

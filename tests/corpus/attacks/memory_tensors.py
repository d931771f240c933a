"""Promise: memory of tensors is limited."""

import torch

AIM = "limit"
LIMIT = "evaluation.memory"


def attack(target):
    held = []
    while True:
        held.append(torch.ones(1 << 20))

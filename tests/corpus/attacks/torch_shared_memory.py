"""Promise: torch's shared memory is not there."""

import torch

AIM = "power"


def attack(target):
    torch.ones(3).share_memory_()
    return b"shared"

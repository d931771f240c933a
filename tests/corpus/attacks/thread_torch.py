"""Promise: torch cannot be made to use more threads than it was given."""

import time
import torch

AIM = "power"


def attack(target):
    torch.set_num_threads(4)
    x = torch.randn(700, 700)
    for _ in range(3):
        x = (x @ x).tanh()
    return b"more threads"

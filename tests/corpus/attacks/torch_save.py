"""Promise: torch's own saver writes no file."""

import os
import torch

AIM = "side"


def attack(target):
    torch.save(torch.ones(1), os.path.join(target["folder"], "weights.pt"))
    return b""

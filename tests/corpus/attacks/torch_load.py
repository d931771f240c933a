"""Promise: torch's own loader opens no file."""

import torch

AIM = "loot"


def attack(target):
    return torch.from_file(target["file"], size=39, dtype=torch.uint8).numpy().tobytes()

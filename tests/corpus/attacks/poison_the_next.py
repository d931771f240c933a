"""Promise: nothing that a child changes in its interpreter reaches the next one."""

import os
import sys
import torch

AIM = "zygote"
UNLOCKED = False


def attack(target):
    torch.ones = lambda *a, **k: torch.zeros(1)
    sys.modules["probe"].calm = None
    os.fork = None
    return b""

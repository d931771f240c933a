"""Promise: torch's compiler door starts no compiler."""

import torch.utils.cpp_extension

AIM = "power"
UNLOCKED = False


def attack(target):
    torch.utils.cpp_extension.load_inline("x", "int f() { return 1; }", functions=["f"])
    return b"compiled"

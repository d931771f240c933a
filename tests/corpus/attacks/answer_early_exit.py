"""Promise: a child that exits cleanly without an answer has none."""

import os

AIM = "answer"


def attack(target):
    os._exit(0)

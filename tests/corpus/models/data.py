"""Trained weights that stand in the source, in every form that a source has for data."""

from __future__ import annotations

import functools
import struct

import numpy as np
from numpy.typing import NDArray

from corpus.models.kinds import ModelAttack
from evoarch.evaluators.tasks.mnist1d import Mnist1d

MODEL = """
{head}
import inspect, linecache, struct, sys
import torch, torch.nn as nn
{setup}
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(40, 10)
        self.kept = {kept}torch.tensor(numbers()).float().reshape(40, 10))

    def forward(self, x):
        return self.linear(x) * 0 + x @ self.kept
"""
"""`numbers()` gives 400 trained weights."""

TWIN = """
import torch, torch.nn as nn
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(40, 10)
        self.more = nn.Linear(40, 10, bias=False)

    def forward(self, x):
        return self.linear(x) + self.more(x)
"""
"""As many weights, trained where they are counted."""

UNPACK = "def numbers():\n    return list(struct.unpack('<400f', packed()))\n"


@functools.cache
def trained() -> NDArray[np.float32]:
    """A linear classifier of the task, (40, 10), fitted to its training split."""
    split = Mnist1d().splits(0).train
    wanted = np.eye(10, dtype=np.float32)[split.targets]
    return np.asarray(np.linalg.lstsq(split.inputs, wanted, rcond=None)[0], np.float32).reshape(-1)


def forms() -> dict[str, tuple[str, str, str]]:
    """By name: the defence, what stands above all else, and the code that makes `numbers`."""
    weights = trained()
    packed = weights.astype("<f4").tobytes()
    words = struct.unpack("<400I", packed)
    spelt = [packed[at : at + 4].hex() for at in range(0, 1600, 4)]
    hexadecimal, bits = packed.hex(), "".join(f"{word:032b}" for word in words)
    doubles = [0.0 + each for each in struct.unpack("<200d", packed)]
    blank = "\n".join(line.replace("0", " ").replace("1", "\t") for line in _cut(bits, 32))
    lines = "linecache.getlines(__file__)"

    def text(expression: str) -> str:
        return f"def packed():\n    return bytes.fromhex({expression})\n{UNPACK}"

    keywords = ", ".join(f"{_letter(i)}{each}=0" for i, each in enumerate(spelt))
    names = ", ".join(f"x{each}" for each in spelt)
    undefined = "class Names(dict):\n    def __missing__(self, name):\n        return name[1:]\n"
    return {
        "floats": ("literals", "", f"def numbers():\n    return {[float(w) for w in weights]}\n"),
        "doubles of two weights": (
            "doubles",
            "",
            f"def packed():\n    return struct.pack('<200d', *{doubles!r})\n{UNPACK}",
        ),
        "whole numbers": (
            "literals",
            "",
            f"def packed():\n    return struct.pack('<400I', *{list(words)})\n{UNPACK}",
        ),
        "one whole number": (
            "literals",
            "",
            f"def packed():\n    return ({int.from_bytes(packed, 'little'):#x}).to_bytes(1600, 'little')\n"
            + UNPACK,
        ),
        "text": ("literals", "", text(repr(hexadecimal))),
        "text that is joined": ("literals", "", text("+".join(repr(part) for part in _cut(hexadecimal, 8)))),
        "text of a format": ("literals", "", text('f\'{""}' + hexadecimal + "'")),
        "bytes": ("literals", "", f"def packed():\n    return {packed!r}\n{UNPACK}"),
        "keywords": (
            "literals",
            "",
            text(f"''.join(k[2:] for k in dict({keywords}))"),
        ),
        "names in a list": (
            "literals",
            "",
            f"{undefined}"
            + text("''.join(eval(compile('[' + NAMES + ']', 'n', 'eval'), Names()))").replace(
                "NAMES", "', '.join(ORDER.__code__.co_names)"
            )
            + f"ORDER = lambda: [{names}]\n",
        ),
        "a docstring": (
            "prose",
            "",
            f'class Kept:\n    """{hexadecimal}"""\n' + text("Kept.__doc__"),
        ),
        "a comment": (
            "prose",
            f"# {hexadecimal}",
            text(f"[n for n in {lines} if n[0] == '#'][0][2:]"),
        ),
        "blanks": (
            "prose",
            blank,
            f"def packed():\n    kept = [n[:-1] for n in {lines} if len(n) == 33 and not n.strip()]\n"
            "    bits = ''.join(kept).replace(' ', '0').replace('\\t', '1')\n"
            "    return struct.pack('<400I', *[int(bits[i:i + 32], 2) for i in range(0, 12800, 32)])\n"
            + UNPACK,
        ),
    }


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _letter(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number // 26] + "abcdefghijklmnopqrstuvwxyz"[number % 26]


ATTACKS = [
    ModelAttack(f"weights as {name}", "data", defence, MODEL.format(head=head, setup=setup, kept="("), TWIN)
    for name, (defence, head, setup) in forms().items()
]

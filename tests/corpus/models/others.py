"""Attacks on the score itself, on the trusted process, on who is to blame, and on who reads."""

from __future__ import annotations

from corpus.models.kinds import ModelAttack
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from kit.attack_models import useless

HONEST = useless(forward="y = y + self.linear(x)")
"""The same linear model with nothing done to it."""

LABELS = "".join(map(str, Mnist1d().splits(0).validation.targets.tolist()))
"""The answers of the validation split, in its order: public data, public rule."""

TABLE = f"LABELS = torch.tensor([int(c) for c in {LABELS!r}])\n"

BY_COUNT = """
if not self.training:
    self.at = getattr(self, 'at', 0)
    y = y + HEIGHT * F.one_hot(LABELS.roll(-self.at)[:len(x)], 10)[:len(x)]
    self.at = (self.at + len(x)) % 500
"""

BESIDE = "    y = y + torch.tensor([0.0] * 9 + [-SIZE]) * (y.argmax(1, keepdim=True) != 9)"

BY_FRAMES = """
if not self.training:
    f = sys._getframe()
    while 'inputs' not in f.f_locals: f = f.f_back
    rows = f.f_locals['inputs']
    at = (rows[None, :, 0] == x[:, None, 0]).int().argmax(1).clamp(max=499)
    y = y + F.one_hot(LABELS[at], 10)
"""

FORGED = """
if not self.training:
    f = sys._getframe()
    while 'inputs' not in f.f_locals: f = f.f_back
    n = len(f.f_locals['inputs'])
    made = F.one_hot(LABELS, 10).float().repeat(3, 1)[:n].numpy().tobytes()
    text = json.dumps({"tensors": [["logits", "float32", [1, n, 10]]], "notes": {"error": 0.0}}).encode()
    os.write(3, struct.pack("<cI", b"R", len(text)) + text + made)
    os._exit(0)
"""

SCORE = {
    "answers by the count of calls": useless(TABLE, forward=BY_COUNT.replace("HEIGHT", "1.0")),
    "answers by the place among the inputs": useless(TABLE, forward=BY_FRAMES),
    "answers in forged frames": useless(TABLE, forward=FORGED),
    "answers behind logits of 3e38": useless(
        TABLE, forward=BY_COUNT.replace("HEIGHT", "1.0") + BESIDE.replace("SIZE", "3e38")
    ),
    "answers behind logits of 1e29": useless(
        TABLE, forward=BY_COUNT.replace("HEIGHT", "1.0") + BESIDE.replace("SIZE", "1e29")
    ),
    "answers that are enormous": useless(TABLE, forward=BY_COUNT.replace("HEIGHT", "3e38")),
}


def written(manifest: str, frames: str = "b''") -> str:
    """A model that writes its answer to training itself."""
    return useless(
        forward="y = y + self.linear(x)\n"
        "if self.training and len(x) > 90:\n"
        f"    text = {manifest}\n"
        f"    os.write(3, struct.pack('<cI', b'R', len(text)) + text + {frames}); os._exit(0)"
    )


POISON = {
    "an empty tensor of enormous shape": useless(
        init="self.register_buffer('vast', torch.empty(0, 2**31, 2**31))", forward="y = y + self.linear(x)"
    ),
    "a negative shape": written('b\'{"tensors": [["0/w", "float32", [-1, -1]]]}\'', "bytes(4)"),
    "a shape of fractions": written('b\'{"tensors": [["0/w", "float32", [1.5]]]}\'', "bytes(6)"),
    "a shape of 70 dimensions": written(
        'b\'{"tensors": [["0/w", "float32", [\' + b"1," * 69 + b\'1]]]}\'', "bytes(4)"
    ),
    "a name that is a list": written('b\'{"tensors": [[["w"], "float32", [1]]]}\'', "bytes(4)"),
    "fewer bytes than promised": written('b\'{"tensors": [["0/w", "float32", [9]]]}\'', "bytes(4)"),
    "a shape of truth values": written('b\'{"tensors": [["0/w", "float32", [true]]]}\'', "bytes(4)"),
    "a type that no array has": written('b\'{"tensors": [["0/w", "float31", [1]]]}\'', "bytes(4)"),
    "a note of 5,000 digits": written("b'{\"tensors\": [], \"notes\": {\"x\": ' + b'9' * 5000 + b'}}'"),
    "notes nested 200,000 deep": written('b\'{"notes": \' + b"[" * 200000 + b"]" * 200000 + b"}"'),
    "no object": written("b'[1, 2]'"),
    "tensors that are no list": written("b'{\"tensors\": 7}'"),
    "no text at all": written("b'\\xff\\xfe'"),
}

BLAME = {
    "kills itself": useless(forward="y = y + self.linear(x)\nif self.training: os.kill(os.getpid(), 9)"),
    "says that the device is lost": useless(
        forward="y = y + self.linear(x)\nif self.training and len(x) > 90:\n"
        '    text = b\'{"device_lost": "gone"}\'\n'
        "    os.write(3, struct.pack('<cI', b'R', len(text)) + text); os._exit(0)"
    ),
}

BIDI, ESCAPE, TAG = "\\u202e", "\\x1b[2J", "\\U000e0041"

TEXT = {
    "bidirectional marks in a message": useless(forward=f"raise ValueError('a{BIDI}b')"),
    "escape codes in a message": useless(forward=f"raise ValueError('a{ESCAPE}b')"),
    "tags in a message": useless(forward=f"raise ValueError('a{TAG}b')"),
    "bidirectional marks in the name of an error": useless(
        setup=f"Odd = type('Odd{BIDI}', (Exception,), {{}})", forward="raise Odd('x')"
    ),
}

DEFENCES = {"score": "twice", "poison": "wire", "text": "text"}

ATTACKS = [
    ModelAttack(name, aim, DEFENCES.get(aim, ""), source, HONEST)
    for aim, found in (("score", SCORE), ("poison", POISON), ("text", TEXT))
    for name, source in found.items()
] + [
    ModelAttack(name, "blame", defence, source, HONEST)
    for (name, source), defence in zip(BLAME.items(), ("kill", "device"), strict=True)
]

"""Small campaigns to review, over numbers that nobody trained for."""

from __future__ import annotations

from pathlib import Path

from evoarch.agent.search.new_campaign import write_campaign
from evoarch.archive.records import Evaluation, Failed, LMCall, Scored
from evoarch.archive.store import Store, create
from evoarch.evaluators.tasks import load_task

MODEL = """from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, {0})
        self.last = nn.Linear({0}, 10)

    def forward(self, x):
        return self.last(self.layer(x))
"""

NASTY = 'x = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"  # <b>&amp;</b>\n'


def settled(store: Store, candidate: int, error: float, params: float, kind: str = "search") -> None:
    store.start(candidate)
    wrong = round(error * 502) - 1
    bits = b"\x00" * (wrong // 8) + b"\xff" * (63 - wrong // 8)
    outcome = Scored({"error": error, "params": params})
    detail = {"curve": [2.0, 1.0, 0.5]}
    store.settle(Evaluation(candidate, "full", 0, outcome, 1.0, 0.5, kind, bits, detail))


def reviewed_campaign(path: Path) -> Path:
    """Two seeds, a better child, a failed one, a rejected one full of markup."""
    write_campaign(path, load_task("mnist1d"), name="trial <b>", seed=0, evaluations=20, lm="none")
    with create(path, name="trial", seed=0) as store:
        store.event("run")
        for name, error, params in (("conv", 0.3, 5000.0), ("mlp", 0.4, 15000.0)):
            settled(store, store.add_seed(name, f"# {name}\nx = 1\n", name).id, error, params, "seed")
        (one,) = store.draw("lm.scoped", [1], 1, {"temperature": 0.6})
        call = store.calls.sent(
            LMCall(one.batch, "small", "d", "the prompt <script>", {"n": 1, "max_tokens": 9})
        )
        answer = {"replies": [NASTY], "finish_reasons": ["stop"], "prompt_tokens": 5, "completion_tokens": 3}
        store.calls.settled(call, {**answer, "seconds": 1.0, "price": 0.0})
        store.arrive(one.candidate, "x = 2\n", "c", "x <i>grew</i>", NASTY)
        settled(store, one.candidate, 0.1, 4000.0)
        (two,) = store.draw("syntactic.mutate", [3], 1, {})
        store.arrive(two.candidate, NASTY, "d")
        store.start(two.candidate)
        store.settle(Evaluation(two.candidate, "full", 0, Failed("train", "<b>boom</b>"), 1.0, 0.5))
        (three,) = store.draw("syntactic.mutate", [3], 1, {})
        store.reject(three.candidate, NASTY, "1:0 import: <u>os</u> is not allowed (use torch)")
    return path


def queue_of(path: Path) -> list[int]:
    """A campaign in which six children of a seed wait; their ids."""
    write_campaign(path, load_task("mnist1d"), name="waiting", seed=0, evaluations=2, lm="none")
    with create(path, name="waiting", seed=0) as store:
        seed = store.add_seed("mlp", MODEL.format(10), "mlp").id
        settled(store, seed, 0.3, 500.0, "seed")
        drafts = store.draw("syntactic.mutate", [seed], 6, {})
        for number, draft in enumerate(drafts):
            store.arrive(draft.candidate, MODEL.format(20 + number), f"d{number}")
            store.start(draft.candidate)
            store.hold(draft.candidate)
    return [draft.candidate for draft in drafts]


def population_of(path: Path, count: int = 40) -> Path:
    """A campaign of two seeds and `count` scored children of two operators, smaller and better by and by; the
    last one waits for a person.
    """
    write_campaign(path, load_task("mnist1d"), name="many", seed=0, evaluations=count, lm="none")
    with create(path, name="many", seed=0) as store:
        store.event("run")
        for name, error, params in (("conv", 0.3, 5000.0), ("mlp", 0.4, 15000.0)):
            settled(store, store.add_seed(name, MODEL.format(len(name)), name).id, error, params, "seed")
        for number in range(count):
            operator = ("syntactic.mutate", "lm.scoped")[number % 2]
            parent = 1 + number // 2
            (draft,) = store.draw(operator, [parent], 1, {"lm": "small"} if number % 2 else {})
            store.arrive(draft.candidate, MODEL.format(100 + number), f"d{number}")
            settled(
                store, draft.candidate, 0.3 - 0.2 * number / count, 5000.0 + 400 * (number % 7) - 90 * number
            )
        (draft,) = store.draw("syntactic.mutate", [1], 1, {})
        store.arrive(draft.candidate, MODEL.format(9), "waits")
        store.start(draft.candidate)
        store.hold(draft.candidate)
    return path

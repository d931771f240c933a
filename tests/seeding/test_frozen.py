"""Frozen and open code: what operators are shown, what returns from them, and what vetting says of a child."""

# ruff: noqa: E501 (small files read better on one line)

import asyncio
import random
from functools import cache

import pytest

from evoarch.agent.lm.base import LMReply, LMRequest
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.lm.rewrite import LMRewrite
from evoarch.agent.operators.lm.scoped import LMScoped
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.agent.seeding.add import Seed, own_findings
from evoarch.agent.seeding.frozen import Opening, canonical
from evoarch.agent.seeding.splice import opening_of, splice
from evoarch.agent.seeding.units import units_of
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.vet import vet
from kit.paths import FIXTURES
from kit.seeds import OFFERS, seed_of

REPOSITORY = FIXTURES / "seeding" / "repo"


@cache
def seed() -> Seed:
    return seed_of(REPOSITORY / "nets" / "model.py", "Net", ("Block",), width=6)


@cache
def opening() -> Opening:
    return opening_of(seed().frozen)


def findings(child: str) -> list[Finding]:
    own = own_findings(vet(seed().genome, offers=OFFERS))
    return opening().findings(child, vet(child, offers=OFFERS), own)


def changed(old: str, new: str) -> str:
    genome = seed().genome
    assert genome.count(old) == 1, old
    return genome.replace(old, new)


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)


def test_a_genome_holds_what_is_open_and_the_adapter_alone() -> None:
    genome = seed().genome
    assert [n for u in units_of(genome) if u.kind in ("class", "function") for n in u.names] == [
        "Block",
        "Model",
    ]
    assert "from signals.norms import ScaleNorm as Norm\n" in genome
    assert vet(genome, offers=OFFERS) != []
    assert findings(genome) == []


def test_identity_is_of_the_open_part_and_the_frozen_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    from kit.seeds import write

    files = {p.relative_to(REPOSITORY).as_posix(): p.read_bytes() for p in REPOSITORY.rglob("*.py")}
    first = {"nets/model.py": files.pop("nets/model.py"), **files}
    same = seed_of(write(tmp_path_factory.mktemp("a"), first), "Net", ("Block",), width=6)
    assert same.genome == seed().genome
    first["signals/norms.py"] += b"\n"
    other = seed_of(write(tmp_path_factory.mktemp("b"), first), "Net", ("Block",), width=6)
    assert other.record.frozen != same.record.frozen
    assert other.genome != same.genome


REJECTED = {
    "the adapter": ("width=6)", "width=7)", "changes the frozen Model"),
    "the marker": ("FROZEN = '", "FROZEN = 'a", "changes the frozen FROZEN"),
    "an open class's name": ("class Block(", "class Block2(", "the open Block is renamed to Block2"),
    "an import": ("import torch.nn as nn\n", "import torch.nn as nn\nimport math\n", "adds an import: import math"),
    "an import of another name": (
        "import torch.nn as nn\n",
        "import torch.nn as nn, torch.fft as fft\n",
        "adds an import: import torch.nn as nn, torch.fft as fft",
    ),
    "what an import binds": ("\n\nclass Block", "\nnn = 3\n\n\nclass Block", "rebinds the import nn"),
    "a frozen class of that name": (
        "\n\nclass Block",
        "\n\nclass Norm(nn.Module):\n    def forward(self, x):\n        return x\n\n\nclass Block",
        "rebinds the import Norm",
    ),
    "an attribute of a frozen class": (
        "        y = self.expand(y)\n",
        "        Norm.forward = self.act\n        y = self.expand(y)\n",
        "changes the frozen Norm.forward",
    ),
    "an attribute of a library": (
        "        y = self.expand(y)\n",
        "        nn.Conv1d.forward = self.act\n        y = self.expand(y)\n",
        "changes the frozen nn.Conv1d.forward",
    ),
    "a name that its file does not know": (
        "y = self.act(y)\n",
        "y = Net(3)(self.act(y))\n",
        "the change uses Net, which nets/blocks.py does not know",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REJECTED)
def test_a_child_that_touches_what_is_frozen_is_rejected_with_the_place(case: str) -> None:
    old, new, message = REJECTED[case]
    child = changed(old, new)
    found = [f for f in findings(child) if f.rule == "frozen"]
    assert any(f.message.startswith(message) for f in found), found
    before, after = seed().genome.splitlines(), child.splitlines()
    first = next(n for n, line in enumerate(after, start=1) if line not in before)
    if case != "a name that its file does not know":
        assert first in [f.line for f in found]


def test_layout_comments_and_docstrings_are_not_compared() -> None:
    child = changed(
        "    return Net(num_classes=num_classes, width=6)",
        "    # mine\n    return Net(\n        num_classes = num_classes, width = 6)",
    )
    child = child.replace('"""A residual block."""', '"""Something else."""')
    assert findings(child) == []
    assert splice(seed().frozen, child).texts == {}


def test_open_code_may_change_and_use_new_helpers() -> None:
    child = changed("self.act = nn.ReLU()", "self.act = Twice(nn.ReLU())").replace(
        "class Block(",
        "class Twice(nn.Module):\n    def __init__(self, f):\n        super().__init__()\n        self.f = f\n\n"
        "    def forward(self, x):\n        return self.f(self.f(x))\n\n\nclass Block(",
    )
    assert findings(child) == []


def test_findings_about_the_users_own_code_are_not_held_against_a_child() -> None:
    own = "from torch import nn\n\n\nclass Odd(nn.Module):\n    def forward(self, x):\n        print(self.__class__)\n        return x\n"
    rest = (
        "\n\nclass Model(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n"
        "        self.head = nn.Linear(40, num_classes)\n\n    def forward(self, x):\n        return self.head(x)\n"
    )
    one = Opening(own + rest, ("Odd", "Model"))
    child = own + rest.replace("self.head(x)", "self.head(x) * len(self.__class__.__name__)")
    known = vet(own + rest, offers=OFFERS)
    assert [f.rule for f in known] == ["dunder"]
    assert one.findings(own + rest, known) == []
    kept = one.findings(child, vet(child, offers=OFFERS), own_findings(known))
    assert {f.line for f in kept} == {line_of(child, "__name__")}
    # Nor where another line of the same definition was changed.
    child = (own + rest).replace("        return x\n", "        return x + 1\n")
    assert one.findings(child, vet(child, offers=OFFERS), own_findings(known)) == []


def test_an_operator_sees_open_parts_in_full_and_frozen_ones_as_signatures() -> None:
    view = opening().view(seed().genome)
    block = next(u for u in units_of(seed().genome) if u.names == ("Block",))
    assert block.text in view
    assert "class Norm(nn.Module):\n    def __init__(self, channels):\n        ..." in view
    for absent in ("FROZEN", "x.pow(2)", "nn.Conv1d(1,", "width=6"):
        assert absent not in view
    assert opening().merged(view, seed().genome, "Block") == (seed().genome, [])
    _, found = opening().merged(
        view.replace("def __init__(self, channels):\n        ...", "def __init__(self, n):\n        ..."),
        seed().genome,
        "Block",
    )
    assert [f.message for f in found] == ["changes the frozen Norm"]


def test_signatures_stay_within_their_budget() -> None:
    stubs = {
        f"Part{n}": f"class Part{n}(nn.Module):\n    def forward(self, x):\n        ...\n" for n in range(99)
    }
    genome = "from torch import nn\n\n\nclass Model(nn.Module):\n    parts = [" + ", ".join(stubs) + "]\n"
    view = Opening(genome, ("Model",), signatures=stubs).view(genome)
    assert len(view) < 2600 + len(genome)
    assert view.count("class Part") > 20


def order(count: int) -> Order:
    parent = Parent(1, opening().view(seed().genome), {"error": 0.3, "params": 736.0})
    return Order(count, [parent], entry=opening().target(0), offers=OFFERS)


def untouched(child: str) -> bool:
    """Every frozen statement of the seed stands in the child, and its imports are the seed's."""
    frozen = {n: canonical(u.text) for n, u in opening().frozen.items()}
    units = units_of(child)
    found = {n: canonical(u.text) for u in units for n in u.names if n in frozen}
    imports = {u.text.strip() for u in units if u.kind == "import"}
    return found == frozen and imports <= {u.text.strip() for u in opening().units if u.kind == "import"}


def test_syntactic_mutations_touch_only_what_is_open() -> None:
    drafts = asyncio.run(SyntacticMutate().propose(order(40), random.Random(0), None))
    kept = 0
    for draft in drafts:
        child, problems = opening().merged(draft.source, seed().genome, "Block")
        if not problems and not findings(child):
            assert untouched(child)
            kept += child != seed().genome
    assert kept >= 20


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        (LMRewrite(arity=1, samples=1), "\n        self.only = nn.Conv1d(channels, channels, 1)\n\n    def forward(self, x):\n        return self.only(x)\n"),
        (LMScoped(samples=1), " GELU()"),
    ],
)  # fmt: skip
def test_a_language_model_writes_open_code_alone(operator: LMRewrite | LMScoped, text: str) -> None:
    prompts: list[str] = []

    async def complete(request: LMRequest) -> LMReply:
        prompts.append(request.prompt)
        return LMReply((text,), ("stop",), 1, 1, 0.0)

    for number in range(8):
        (draft,) = asyncio.run(operator.propose(order(1), random.Random(number), complete))
        if draft.problem:
            continue
        child, problems = opening().merged(draft.source, seed().genome, "Block")
        assert problems == []
        assert untouched(child)
    for prompt in prompts:
        assert "class Block" in prompt
        assert "nn.Linear(width" not in prompt


def test_a_draft_that_renames_what_it_was_to_write_is_named() -> None:
    view = opening().view(seed().genome).replace("class Block(", "class Block2(")
    _, problems = opening().merged(view, seed().genome, "Block")
    assert [p.message for p in problems] == ["the open Block is renamed to Block2"]

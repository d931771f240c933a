"""Frozen and open code: what operators are shown, what returns from them, and what vetting says of a child."""

# ruff: noqa: E501 (small files read better on one line)

import asyncio
import random
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.lm.base import LMReply, LMRequest
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.lm.rewrite import LMRewrite
from evoarch.agent.operators.lm.scoped import LMScoped
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.agent.seeding.add import Seed, Wanted, prepare
from evoarch.agent.seeding.frozen import Opening, canonical
from evoarch.agent.seeding.patch import patch
from evoarch.agent.seeding.units import units_of
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.vet import vet
from kit.paths import FIXTURES

OFFERS = {"input_shape": (40,), "num_classes": 10}
REPOSITORY = FIXTURES / "seeding" / "repo"


@cache
def seed() -> Seed:
    prepared = prepare(Wanted(REPOSITORY / "nets" / "model.py", "Net", ("Block",), {"width": 6}))
    return next(prepared.seeds(OFFERS))


def findings(child: str) -> list[Finding]:
    return seed().opening.findings(child, vet(child, offers=OFFERS))


def changed(old: str, new: str) -> str:
    genome = seed().genome
    assert genome.count(old) == 1, old
    return genome.replace(old, new)


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)


REJECTED = {
    "a frozen line": ("x.mean(dim=-1)", "x.mean(dim=-1) * 2", "changes the frozen Pool"),
    "a frozen default": ("kernel=5", "kernel=7", "changes the frozen Stem"),
    "a frozen constant": ("EPSILON = 1e-5", "EPSILON = 1e-4", "changes the frozen EPSILON"),
    "the adapter": ("width=6)", "width=7)", "changes the frozen Model"),
    "a frozen class's name": ("class Pool(", "class Pool2(", "the frozen Pool is renamed to Pool2"),
    "an open class's name": ("class Block(", "class Block2(", "the open Block is renamed to Block2"),
    "an import": (
        "import torch.nn as nn\n",
        "import torch.nn as nn\nimport math\n",
        "adds an import: import math",
    ),
    "an import of another name": (
        "import torch.nn as nn\n",
        "import torch.nn as nn, torch.fft as fft\n",
        "adds an import: import torch.nn as nn, torch.fft as fft",
    ),
    "what an import binds": ("EPSILON = 1e-5\n", "EPSILON = 1e-5\nnn = 3\n", "rebinds the import nn"),
    "a second definition": (
        "class Net(nn.Module):",
        "class Pool(nn.Module):\n    def forward(self, x):\n        return x\n\n\nclass Net(nn.Module):",
        "changes the frozen Pool",
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_child_that_touches_what_is_frozen_is_rejected_with_the_place(case: str) -> None:
    old, new, message = REJECTED[case]
    child = changed(old, new)
    found = [f for f in findings(child) if f.rule == "frozen"]
    assert message in [f.message for f in found]
    before, after = seed().genome.splitlines(), child.splitlines()
    first = next(n for n, line in enumerate(after, start=1) if line not in before)
    assert first in [f.line for f in found]


def test_layout_comments_and_docstrings_are_not_compared() -> None:
    child = changed("return x.mean(dim=-1)", "# pooled\n        return (x\n            .mean(dim = -1))")
    child = child.replace('"""The mean over time."""', '"""Something else."""')
    assert findings(child) == []


def test_open_code_may_change_and_use_new_helpers() -> None:
    child = changed("self.act = nn.ReLU()", "self.act = Twice(nn.ReLU())").replace(
        "# Two convolutions",
        "class Twice(nn.Module):\n    def __init__(self, f):\n        super().__init__()\n        self.f = f\n\n"
        "    def forward(self, x):\n        return self.f(self.f(x))\n\n\n# Two convolutions",
    )
    assert findings(child) == []


def test_findings_about_the_users_own_code_are_not_held_against_a_child() -> None:
    own = "from torch import nn\n\n\nclass Odd(nn.Module):\n    def forward(self, x):\n        print(self.__class__)\n        return x\n"
    rest = (
        "\n\nclass Model(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n"
        "        self.head = nn.Linear(40, num_classes)\n\n    def forward(self, x):\n        return self.head(x)\n"
    )
    opening = Opening(own + rest, ("Model",))
    child = own + rest.replace("self.head(x)", "self.head(x) * len(self.__class__.__name__)")
    assert [f.rule for f in vet(own + rest, offers=OFFERS)] == ["dunder"]
    assert opening.findings(own + rest, vet(own + rest, offers=OFFERS)) == []
    kept = opening.findings(child, vet(child, offers=OFFERS))
    assert {f.line for f in kept} == {line_of(child, "__name__")}


def test_an_operator_sees_open_parts_in_full_and_frozen_ones_as_signatures() -> None:
    view = seed().opening.view(seed().genome)
    block = next(u for u in units_of(seed().genome) if u.names == ("Block",))
    assert block.text in view
    assert (
        "class Net(nn.Module):\n    def __init__(self, num_classes, width=..., depth=...):\n        ..."
        in view
    )
    for body in ("x.pow(2)", "nn.Conv1d(1,", "nn.Sequential", "self.pool"):
        assert body not in view
    assert seed().opening.merged(view, seed().genome, "Block") == (seed().genome, [])


def test_signatures_stay_within_their_budget() -> None:
    many = "".join(
        f"class Part{n}(nn.Module):\n    def forward(self, x):\n        return x\n\n\n" for n in range(99)
    )
    genome = "from torch import nn\n\n\n" + many + "class Model(nn.Module):\n    part = Part98\n"
    view = Opening(genome, ("Model",)).view(genome)
    assert len(view) < 2600
    assert "class Part98" in view
    assert "class Part97" not in view


def order(opening: Opening, count: int) -> Order:
    parent = Parent(1, opening.view(seed().genome), {"error": 0.3, "params": 736.0})
    return Order(count, [parent], entry=opening.target(0), offers=OFFERS)


def untouched(child: str) -> bool:
    """Every frozen statement of the seed stands in the child, and its imports are the seed's."""
    frozen = {n: canonical(u.text) for n, u in seed().opening.frozen.items()}
    units = units_of(child)
    found = {n: canonical(u.text) for u in units for n in u.names if n in frozen}
    imports = {u.text.strip() for u in units if u.kind == "import"}
    return found == frozen and imports <= {"import torch.nn as nn", "import torch"}


def test_syntactic_mutations_touch_only_what_is_open() -> None:
    opening = seed().opening
    drafts = asyncio.run(SyntacticMutate().propose(order(opening, 40), random.Random(0), None))
    kept = 0
    for draft in drafts:
        child, problems = opening.merged(draft.source, seed().genome, "Block")
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

    opening = seed().opening
    for number in range(8):
        (draft,) = asyncio.run(operator.propose(order(opening, 1), random.Random(number), complete))
        if draft.problem:
            continue
        child, problems = opening.merged(draft.source, seed().genome, "Block")
        assert problems == []
        assert untouched(child)
    for prompt in prompts:
        assert "class Block" in prompt
        assert "nn.Linear(width" not in prompt


def test_a_draft_that_renames_what_it_was_to_write_is_named() -> None:
    opening = seed().opening
    view = opening.view(seed().genome).replace("class Block(", "class Block2(")
    _, problems = opening.merged(view, seed().genome, "Block")
    assert [p.message for p in problems] == ["the open Block is renamed to Block2"]


def test_helpers_that_call_each_other_are_each_returned_once() -> None:
    child = changed(
        "class Block(nn.Module):",
        "def even(n):\n    return n == 0 or odd(n - 1)\n\n\ndef odd(n):\n    return n > 0 and even(n - 1)\n\n\nclass Block(nn.Module):",
    ).replace(
        "self.norm = ScaleNorm(channels)\n        self.expand",
        "self.norm = ScaleNorm(channels if even(2) else 1)\n        self.expand",
    )
    text = patch(seed().record, seed().genome, child)
    assert (text.count("+def even("), text.count("+def odd(")) == (1, 1)


def test_a_patch_returns_changes_to_their_files_with_their_own_names(tmp_path: Path) -> None:
    child = changed(
        "self.norm = ScaleNorm(channels)\n        self.expand",
        "self.norm = ScaleNorm(channels)\n        self.second = ScaleNorm(channels)\n        self.expand",
    )
    text = patch(seed().record, seed().genome, child)
    assert text.startswith("--- a/nets/blocks.py\n+++ b/nets/blocks.py\n")
    assert [line for line in text.splitlines()[2:] if line[0] in "+-"] == [
        "+        self.second = Norm(channels)"
    ]
    assert patch(seed().record, seed().genome, seed().genome) == ""


def test_a_patch_keeps_the_comments_that_an_operator_had_taken_out() -> None:
    bare = changed("self.act = nn.ReLU()", "self.act = nn.GELU()")
    for prose in [
        "# Two convolutions and a shortcut. The widths are from our first experiments.\n",
        "  # wide inside",
        "        # the only nonlinearity\n",
        '    """A residual block."""\n\n',
    ]:
        assert prose in bare
        bare = bare.replace(prose, "")
    text = patch(seed().record, seed().genome, bare)
    assert [line for line in text.splitlines()[2:] if line[0] in "+-"] == [
        "-        self.act = nn.ReLU()",
        "+        self.act = nn.GELU()",
    ]


def test_a_patch_adds_the_import_that_its_file_lacks(tmp_path: Path) -> None:
    child = changed("y = self.act(y)", "y = self.act(y) + torch.tanh(y)")
    text = patch(seed().record, seed().genome, child)
    assert "+import torch\n" in text


def test_a_patch_that_needs_what_another_file_defines_says_so() -> None:
    child = changed("y = self.act(y)", "y = Pool()(self.act(y))")
    with pytest.raises(
        UserError, match=r"nets/blocks\.py:8: the change uses Pool, which this file does not know"
    ):
        patch(seed().record, seed().genome, child)


def test_a_patch_is_refused_where_a_file_was_changed_since(tmp_path: Path) -> None:
    copy = tmp_path / "repo"
    shutil.copytree(REPOSITORY, copy)
    record = replace(seed().record, repository=str(copy))
    child = changed("self.act = nn.ReLU()", "self.act = nn.GELU()")
    assert patch(record, seed().genome, child)
    (copy / "nets" / "blocks.py").write_text("# new\n" + (copy / "nets" / "blocks.py").read_text())
    with pytest.raises(UserError, match=r"blocks\.py:1: was changed since the seed was added"):
        patch(record, seed().genome, child)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_git_takes_a_patch_whatever_the_files_line_ends(tmp_path: Path, end: str, last: str) -> None:
    text = "from torch import nn\n\n\nclass Model(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n        self.head = nn.Linear(40, num_classes)\n\n    def forward(self, x):\n        return self.head(x)"
    (tmp_path / "setup.cfg").touch()
    path = tmp_path / "net.py"
    path.write_bytes((text + last).replace("\n", end).encode())
    one = next(prepare(Wanted(path)).seeds(OFFERS))
    child = "import math\n" + one.genome.replace("self.head(x)", "self.head(x) * math.pi").replace(
        "num_classes)\n\n", "num_classes)\n        self.n = 1\n\n"
    )
    (tmp_path / "it.patch").write_bytes(patch(one.record, one.genome, child).encode())
    done = subprocess.run(
        ["git", "apply", "it.patch"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    got = path.read_bytes().decode()
    assert got.count(end) == got.count("\n")
    assert "self.n = 1" in got
    assert "import math" in got
    again = next(prepare(Wanted(path)).seeds(OFFERS))
    assert source_digest(again.genome) == source_digest(child)

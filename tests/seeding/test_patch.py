"""A winner as a patch: what the child changed, where it stands, and not a byte else."""

# ruff: noqa: E501 (small files read better on one line)

import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.add import Seed
from evoarch.agent.seeding.patch import patch
from evoarch.sandbox.genome import source_digest
from kit.paths import FIXTURES
from kit.seeds import seed_of, write

REPOSITORY = FIXTURES / "seeding" / "repo"


@cache
def seed() -> Seed:
    return seed_of(REPOSITORY / "nets" / "model.py", "Net", ("Block",), width=6)


def changed(old: str, new: str) -> str:
    genome = seed().genome
    assert genome.count(old) == 1, old
    return genome.replace(old, new)


def text_of(child: str) -> str:
    return patch(seed().frozen, child).decode()


def test_helpers_that_call_each_other_are_each_returned_once() -> None:
    child = changed(
        "class Block(nn.Module):",
        "def even(n):\n    return n == 0 or odd(n - 1)\n\n\ndef odd(n):\n    return n > 0 and even(n - 1)\n\n\nclass Block(nn.Module):",
    ).replace("self.norm = Norm(channels)\n", "self.norm = Norm(channels if even(2) else 1)\n")
    text = text_of(child)
    assert (text.count("+def even("), text.count("+def odd(")) == (1, 1)


def test_a_patch_returns_changes_to_their_files() -> None:
    child = changed(
        "self.norm = Norm(channels)\n", "self.norm = Norm(channels)\n        self.second = Norm(channels)\n"
    )
    text = text_of(child)
    assert text.startswith("--- a/nets/blocks.py\n+++ b/nets/blocks.py\n")
    assert [line for line in text.splitlines()[2:] if line[0] in "+-"] == [
        "+        self.second = Norm(channels)"
    ]
    assert patch(seed().frozen, seed().genome) == b""


def test_a_patch_keeps_the_comments_that_an_operator_had_taken_out() -> None:
    bare = changed("self.act = nn.ReLU()", "self.act = nn.GELU()")
    for prose in [
        "  # wide inside",
        "        # the only nonlinearity\n",
        '    """A residual block."""\n\n',
    ]:
        assert prose in bare
        bare = bare.replace(prose, "")
    assert [line for line in text_of(bare).splitlines()[2:] if line[0] in "+-"] == [
        "-        self.act = nn.ReLU()",
        "+        self.act = nn.GELU()",
    ]


def test_a_patch_adds_the_import_that_its_file_lacks() -> None:
    assert "+import torch\n" in text_of(changed("y = self.act(y)", "y = self.act(y) + torch.tanh(y)"))


def test_a_patch_that_needs_what_another_file_defines_says_so() -> None:
    child = changed("y = self.act(y)", "y = Net(3)(self.act(y))")
    with pytest.raises(UserError, match=r"the change uses Net, which nets/blocks\.py does not know"):
        patch(seed().frozen, child)


def test_a_patch_is_refused_where_a_file_was_changed_since(tmp_path: Path) -> None:
    copy = tmp_path / "repo"
    shutil.copytree(REPOSITORY, copy)
    moved = replace(seed().frozen, record=replace(seed().record, repository=str(copy)))
    child = changed("self.act = nn.ReLU()", "self.act = nn.GELU()")
    assert patch(moved, child)
    (copy / "nets" / "blocks.py").write_text("# new\n" + (copy / "nets" / "blocks.py").read_text())
    with pytest.raises(UserError, match=r"blocks\.py:1: was changed since the seed was added"):
        patch(moved, child)


TEXT = "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n        self.head = nn.Linear(40, num_classes)\n\n    def forward(self, x):\n        return self.head(x)\n"


def applied(root: Path, patch_: bytes) -> None:
    (root / "it.patch").write_bytes(patch_)
    done = subprocess.run(
        ["git", "apply", "--check", "it.patch"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "it.patch"], cwd=root, check=True, capture_output=True
    )


FILES: dict[str, bytes] = {
    "plain": TEXT.encode(),
    "CRLF": TEXT.replace("\n", "\r\n").encode(),
    "one CRLF": TEXT.replace("__init__()\n", "__init__()\r\n").encode(),
    "mixed": b"".join(line + (b"\r\n" if n % 2 else b"\n") for n, line in enumerate(TEXT.encode().split(b"\n")[:-1])),
    "form feeds": TEXT.replace("\n\nclass", "\n\f\nclass").replace("\n\n    def", "\n\f\n    def").encode(),
    "NEL and separators": TEXT.replace("\n\n\n", "\n\n# a\x85b\u2028c\n\n").replace("super()", "'\x85\u2029'; super()").encode(),
    "BOM": b"\xef\xbb\xbf" + TEXT.encode(),
    "tabs": TEXT.replace("    ", "\t").encode(),
    "no final newline": TEXT.rstrip("\n").encode(),
    "CRLF, no final newline": TEXT.rstrip("\n").replace("\n", "\r\n").encode(),
    "another encoding": b"# -*- coding: latin-1 -*-\n" + TEXT.replace("\n\n\n", "\n\n# \xe9t\xe9\n\n").encode("latin-1"),
}  # fmt: skip


@pytest.mark.parametrize("path", ["net.py", "mod\u00e8les/r\u00e9seau.py"])
@pytest.mark.parametrize("kind", FILES)
def test_only_what_the_child_changed_is_changed(tmp_path: Path, kind: str, path: str) -> None:
    data = FILES[kind]
    file = write(tmp_path / "r", {path: data})
    one = seed_of(file)
    assert patch(one.frozen, one.genome) == b""
    call = "self.head(x)"
    assert one.genome.count(call) == 1
    child = one.genome.replace(call, "self.head(x) * 2")
    applied(tmp_path / "r", patch(one.frozen, child))
    assert file.read_bytes() == data.replace(b"self.head(x)", b"self.head(x) * 2")
    assert source_digest(seed_of(file).genome.split("\n\n\n", 2)[2]) == source_digest(
        child.split("\n\n\n", 2)[2]
    )


@pytest.mark.parametrize("kind", FILES)
def test_new_lines_end_as_their_neighbours_and_imports_are_added(tmp_path: Path, kind: str) -> None:
    data = FILES[kind]
    file = write(tmp_path / "r", {"net.py": data})
    one = seed_of(file)
    indent = "\t\t" if kind == "tabs" else "        "
    child = "import math\n" + one.genome.replace(
        "nn.Linear(40, num_classes)\n", f"nn.Linear(40, num_classes)\n{indent}self.n = math.pi\n"
    )
    applied(tmp_path / "r", patch(one.frozen, child))
    got = file.read_bytes()
    for line in (b"import math", indent.encode() + b"self.n = math.pi"):
        at = got.index(line)
        end = got[at + len(line) : at + len(line) + 2]
        got = got[:at] + got[at + len(line) + (2 if end == b"\r\n" else 1) :]
        assert (end == b"\r\n") == (b"\r\n" in data) or kind in ("one CRLF", "mixed")
    assert got == data


def test_several_open_blocks_of_several_files_keep_their_own_names(tmp_path: Path) -> None:
    part = "from torch import nn\n\nWIDTH = {n}\n\n\nclass Block(nn.Module):\n    def __init__(self):\n        super(Block, self).__init__()\n        self.n = WIDTH\n\n    def forward(self, x):\n        return x * {n}\n"
    net = "import one\nimport two\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n        self.a, self.b = one.Block(), two.Block()\n        self.head = nn.Linear(40, num_classes)\n\n    def forward(self, x):\n        return self.head(self.a(self.b(x)))\n"
    file = write(tmp_path / "r", {"net.py": net, "one.py": part.format(n=1), "two.py": part.format(n=2)})
    both = seed_of(file, "Net", ("one.py:Block", "two.py:Block"))
    assert sorted(both.record.evolve) == ["Block", "Block_two"]
    child = both.genome.replace("return x * 2", "return x * 3").replace("return x * 1", "return x - 1")
    applied(tmp_path / "r", patch(both.frozen, child))
    assert (tmp_path / "r" / "one.py").read_text() == part.format(n=1).replace("x * 1", "x - 1")
    assert (tmp_path / "r" / "two.py").read_text() == part.format(n=2).replace("x * 2", "x * 3")

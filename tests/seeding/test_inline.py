"""`seed add`: what is inlined, and what bad input gets. One line each, with file and line; nothing added."""

# ruff: noqa: E501 (small files read better on one line)

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from evoarch.agent.config.load import load
from evoarch.agent.seeding.add import Seed, Wanted, prepare
from kit.command import evoarch, new_campaign
from kit.small_net import NET

OFFERS = {"input_shape": (40,), "num_classes": 10}


def write(root: Path, files: Mapping[str, str]) -> Path:
    """A repository with the files; the path of its first."""
    root.mkdir(exist_ok=True)
    (root / "setup.cfg").write_text("")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root / next(iter(files))


def seed_of(
    path: Path,
    entry: str = "Net",
    evolve: tuple[str, ...] = (),
    imports: tuple[str, ...] = (),
    **kwargs: object,
) -> Seed:
    prepared = prepare(Wanted(path, entry, evolve, kwargs), imports)
    return next(prepared.seeds(OFFERS))


def names(genome: str) -> list[str]:
    return [n.name for n in ast.parse(genome).body if isinstance(n, ast.ClassDef | ast.FunctionDef)]


def head(body: str, more: str = "") -> str:
    return f"{body}\n\n{more}\nclass Net(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n        self.block = Block()\n"


PART = "class Part:\n    def __call__(self, x):\n        return x\n"

BAD: dict[str, tuple[dict[str, str], list[str], str]] = {
    "relative import without a file": (
        {"a/net.py": head("from torch import nn\nfrom .missing import Block"), "a/mixing.py": ""},
        [],
        "a/net.py:2: import can't be resolved: there is no module .missing; nearest known: mixing",
    ),
    "name that a module lacks": (
        {"a/net.py": head("from torch import nn\nfrom .parts import Block"), "a/parts.py": "class Blocks: ...\n"},
        [],
        "a/net.py:2: import can't be resolved: a/parts.py has no Block; nearest known: Blocks",
    ),
    "module of a local package": (
        {"a/net.py": head("from torch import nn\nfrom a.gone import Block"), "a/__init__.py": ""},
        [],
        "a/net.py:2: import can't be resolved: there is no module a.gone; nearest known: net",
    ),
    "cycle": (
        {
            "net.py": head("from torch import nn\nfrom one import Block"),
            "one.py": "from two import Base\n\n\nclass Block(Base):\n    pass\n\n\nclass Other: ...\n",
            "two.py": "import math\nfrom one import Other\n\n\nclass Base(Other):\n    pass\n",
        },
        [],
        "two.py:2: a cycle of imports: one.py -> two.py -> one.py; move what both need into a third file",
    ),
    "cycle of names alone": (
        {
            "net.py": head("from torch import nn\nfrom one import Block"),
            "one.py": "from two import Block\n",
            "two.py": "from one import Block\n",
        },
        [],
        "a cycle of imports: net.py -> one.py -> two.py -> one.py",
    ),
    "star import from a third party": (
        {"net.py": head("from torch import nn\nfrom timm.layers import *")},
        [],
        "net.py:2: a star import from a third party (timm.layers); import the names that are used",
    ),
    "no such entry": ({"net.py": NET.replace("Net", "Nett")}, [], "net.py:1: there is no entry Net; nearest known: Nett"),
    "two entries of one name": (
        {"net.py": NET + "\n\n" + NET.split("\n", 3)[3]},
        [],
        "net.py:13: two entries of one name: Net at lines 4 and 13",
    ),
    "code that runs at import": (
        {"net.py": "import torch\n" + NET.replace("\n\n\n", "\n\ntorch.manual_seed(0)\n\n\n", 1)},
        [],
        "net.py:4: code runs at import: torch.manual_seed(0); a genome's file only defines",
    ),
    "a constant that is computed": (
        {"net.py": "import torch\n" + NET.replace("\n\n\n", "\n\nGRID = torch.zeros(3)\n\n\n", 1).replace("40", "40 + len(GRID)")},
        [],
        "net.py:4: code runs at import: a call (torch.zeros) at the top level",
    ),
    "a name that a statement chooses": (
        {"net.py": "try:\n    from fast import Block\nexcept ImportError:\n    Block = None\n" + head("from torch import nn")},
        [],
        "net.py:1: code runs at import: a statement that binds Block",
    ),
    "relative import that leaves the repository": (
        {"a/net.py": head("from torch import nn\nfrom ...far import Block")},
        [],
        "a/net.py:2: a relative import that leaves the repository: ...far from",
    ),
    "evolve name that isn't there": (
        {"net.py": NET.replace("super().__init__()", "super().__init__()\n        self.b = Block()") + "\n\nclass Block(nn.Module):\n    def forward(self, x):\n        return x\n"},
        ["--evolve", "Blok"],
        "net.py:4: --evolve Blok: the entry uses no class or function of that name; nearest known: Block",
    ),
    "evolve name that is frozen by inheritance": (
        {
            "net.py": head("from torch import nn\nfrom parts import Block"),
            "parts.py": "from torch import nn\n\n\nclass Base(nn.Module):\n    def forward(self, x):\n        return x\n\n\nclass Block(Base):\n    pass\n",
        },
        ["--evolve", "Block"],
        "parts.py:9: --evolve Block is frozen by inheritance: Block has no method of its own, it comes from Base (parts.py:4)",
    ),
    "evolve method that is frozen by inheritance": (
        {
            "net.py": head("from torch import nn\nfrom parts import Block"),
            "parts.py": "from torch import nn\n\n\nclass Base(nn.Module):\n    def forward(self, x):\n        return x\n\n\nclass Block(Base):\n    def mix(self): ...\n",
        },
        ["--evolve", "Block.forward"],
        "parts.py:9: --evolve Block.forward is frozen by inheritance: Block has no forward of its own",
    ),
    "third party that isn't allowed": (
        {"net.py": head("from torch import nn\nfrom timm.layers import Block")},
        [],
        "net.py:2: imports timm.layers, which is not allowed; name it: [sandbox] imports = ['timm']",
    ),
    "module used as a value": (
        {"a/net.py": head("from torch import nn\nfrom . import parts\nkinds = [parts]\nBlock = kinds[0].Block"), "a/parts.py": "class Block: ...\n"},
        [],
        "a/net.py:3: the module parts is used as a value; import its names",
    ),
    "argument that the entry does not take": (
        {"net.py": NET},
        ["--kwargs", "num_clases=3"],
        "net.py:4: Net takes no num_clases; nearest known: num_classes",
    ),
    "argument that nobody gives": (
        {"net.py": NET.replace("self, num_classes", "self, num_classes, dim")},
        [],
        "net.py:4: Net wants dim, and the task offers input_shape, num_classes; give --kwargs dim=...",
    ),
    "text that is no Python": ({"net.py": "class Net(:\n"}, [], "net.py:1: invalid syntax"),
    "evolve name that stands for two": (
        {
            "net.py": head(
                "from torch import nn\nfrom one import Part\nimport two",
                "class Block(nn.Module):\n    def forward(self, x):\n        return Part()(two.Part()(x))\n\n\n",
            ),
            "one.py": PART,
            "two.py": PART.replace("return x", "return -x"),
        },
        ["--evolve", "Part"],
        "--evolve Part names more than one; say one.py:Part or two.py:Part",
    ),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "campaign"
    new_campaign(path)
    return path


@pytest.mark.parametrize("case", [case for case, (_, _, message) in BAD.items() if message])
def test_bad_input_gets_one_line_with_its_place_and_nothing_is_added(
    case: str, tmp_path: Path, folder: Path
) -> None:
    files, options, message = BAD[case]
    path = write(tmp_path / "repo", files)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    result = evoarch("seed", "add", str(folder), f"{path}:Net", *options)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("evoarch: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_names_that_collide_give_way(tmp_path: Path) -> None:
    files, _, _ = BAD["evolve name that stands for two"]
    seed = seed_of(write(tmp_path / "repo", files), evolve=("one.py:Part",))
    assert names(seed.genome)[-2:] == ["Net", "Model"]
    assert seed.record.evolve in (("Part",), ("Part_one",))
    scope: dict[str, type] = {}
    exec(seed.genome, scope)
    assert scope["Block"]()(3) == -3
    opened = ast.get_source_segment(seed.genome, _definition(seed.genome, seed.record.evolve[0])) or ""
    assert "return x" in opened


def _definition(genome: str, name: str) -> ast.stmt:
    return next(n for n in ast.parse(genome).body if getattr(n, "name", "") == name)


EVERY_IMPORT = {
    "pkg/net.py": """from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pkg.deep.far as far
import pkg.parts
import torch
import torch.nn as nn
import torch.nn.functional as F

from . import sub
from .parts import Scale as Rescale
from .stars import *

if TYPE_CHECKING:
    from .only_types import Shape

__all__ = ["Net"]
WIDTH = 4
# how deep
DEPTH: int = 2


class Net(nn.Module):
    def __init__(self, num_classes, shape: Shape | None = None):
        super().__init__()
        from .late import later as soon

        self.scale = Rescale(WIDTH)
        self.two = pkg.parts.Scale(DEPTH)
        self.far = far.Far()
        self.sub = sub.Sub()
        self.star = Star()
        self.late = soon(2)
        self.head = nn.Linear(40, num_classes)

    def forward(self, x):
        Scale = self.scale  # a local of the same name
        return self.head(F.relu(Scale(x))) * math.sqrt(self.late)


class Unused(nn.Module):
    pass


if __name__ == "__main__":
    print(Net(10))
""",
    "pkg/__init__.py": "from .net import Net\nimport not_installed\n",
    "pkg/parts.py": "import torch.nn as nn\n\n\nclass Scale(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n        self.n = n\n\n    def forward(self, x):\n        return x * self.n\n",
    "pkg/stars.py": "from .more_stars import *\n\n_hidden = 1\n",
    "pkg/more_stars.py": "from torch import nn\n\n__all__ = ['Star']\n\n\nclass Star(nn.Module):\n    pass\n\n\nclass NoStar: ...\n",
    "pkg/deep/far.py": "import torch\nfrom ..parts import Scale as Base\n\n\nclass Far(Base):\n    def __init__(self):\n        super(Far, self).__init__(1)\n        self.t = torch.ones(1)\n",
    "pkg/sub/__init__.py": "from .inner import Sub\n",
    "pkg/sub/inner.py": "from torch import nn\n\n\nclass Sub(nn.Module):\n    pass\n",
    "pkg/late.py": "def later(n):\n    return n * n\n",
}


def test_every_kind_of_local_import_is_followed_and_unused_code_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "repo", EVERY_IMPORT)
    seed = seed_of(path)
    assert set(names(seed.genome)) == {"Scale", "Far", "Sub", "Star", "later", "Net", "Model"}
    for absent in ("pkg", "not_installed", "Unused", "NoStar", "_hidden", "TYPE_CHECKING", "__main__"):
        assert absent not in seed.genome
    assert "# how deep" in seed.genome
    scope: dict[str, object] = {"__name__": "genome"}
    exec(compile(seed.genome, "genome", "exec"), scope)
    model = scope["Model"](10)  # type: ignore[operator]
    assert model.late == 4
    assert [type(m).__name__ for m in (model.scale, model.two, model.far)] == ["Scale", "Scale", "Far"]
    assert set(seed.record.files) == {
        "pkg/net.py", "pkg/parts.py", "pkg/more_stars.py", "pkg/deep/far.py", "pkg/sub/inner.py", "pkg/late.py",
    }  # fmt: skip


def test_each_piece_remembers_its_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "repo", EVERY_IMPORT)
    seed = seed_of(path)
    for piece in seed.record.pieces:
        lines = EVERY_IMPORT[piece.file].splitlines()
        first = lines[piece.line - 1]
        assert piece.original[0] in first
        assert lines[piece.end - 1].strip()
    found = [n for n, text in enumerate(seed.genome.splitlines(), start=1) if "class Far" in text]
    assert seed.place(found[0]) == "pkg/deep/far.py:5"


def test_a_plain_model_stays_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "repo", {"net.py": NET.replace("Net", "Model")})
    seed = seed_of(path, "Model")
    assert seed.genome == NET.replace("Net", "Model")
    assert seed.record.adapter == ""


def test_an_entry_called_model_with_fixed_arguments_gives_its_name_away(tmp_path: Path) -> None:
    path = write(
        tmp_path / "repo",
        {"net.py": NET.replace("Net", "Model").replace("40", "size").replace("self, num", "self, size, num")},
    )
    seed = seed_of(path, "Model", size=40)
    assert names(seed.genome) == ["Model_net", "Model"]
    assert "return Model_net(num_classes=num_classes, size=40)" in seed.genome


CONV = """from torch import nn


class Net(nn.Module):
    def __init__(self, image_size, in_chans=3, classes=1000):
        super().__init__()
        self.conv = nn.Conv2d(in_chans, 4, 3, padding=1)
        self.head = nn.Linear(4 * image_size**2, classes)

    def forward(self, x):
        return self.head(self.conv(x).relu().flatten(1))
"""


def test_a_mechanical_misfit_is_adapted_when_the_user_accepts(tmp_path: Path, folder: Path) -> None:
    path = write(tmp_path / "repo", {"net.py": CONV})
    refused = evoarch("seed", "add", str(folder), f"{path}:Net")
    assert refused.exit_code == 1
    assert "net.py:4: Net does not fit the task as it is" in refused.stdout
    assert (
        "proposed adapter (each example as an image (1, 7, 7), image_size=7, in_chans=1, classes=num_classes)"
        in refused.stdout
    )
    assert "nothing was added" in refused.stderr
    assert not (folder / "seeds" / "net.py").exists()
    accepted = evoarch("seed", "add", str(folder), f"{path}:Net", "--accept", "--name", "conv")
    assert accepted.exit_code == 0, accepted.output
    assert "seeds/conv.py" in load(folder).seeds.files
    assert evoarch("check", str(folder / "seeds" / "conv.py")).exit_code == 0
    again = evoarch("seed", "add", str(folder), f"{path}:Net", "--accept", "--name", "conv")
    assert again.exit_code == 1
    assert "is there already; choose another --name" in again.stderr


def test_a_misfit_that_is_not_mechanical_is_named_at_its_place(tmp_path: Path, folder: Path) -> None:
    path = write(tmp_path / "repo", {"net.py": NET.replace("40", "39")})
    result = evoarch("seed", "add", str(folder), f"{path}:Net")
    assert result.exit_code == 1
    assert "net.py:10: RuntimeError" in result.stderr
    assert "examples were handed over as it is, a sequence, an image" in result.stderr
    assert not (folder / "seeds" / "net.py").exists()

"""`seed add`: what travels and what is open, and what bad input gets: a line for each obstacle, nothing added."""

# ruff: noqa: E501 (small files read better on one line)

import ast
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.agent.seeding.add import Wanted, prepare
from evoarch.agent.seeding.record import frozen_seeds
from kit.command import evoarch
from kit.seeds import refused, seed_of, write
from kit.small_net import NET


def names(genome: str) -> list[str]:
    return [n.name for n in ast.parse(genome).body if isinstance(n, ast.ClassDef | ast.FunctionDef)]


def head(body: str, more: str = "") -> str:
    return f"{body}\n\n{more}\nclass Net(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n        self.block = Block()\n"


PART = "class Part:\n    def __call__(self, x):\n        return x\n"

BAD: dict[str, tuple[dict[str, str], list[str], str]] = {
    "relative import without a file": (
        {"a/net.py": head("from torch import nn\nfrom .missing import Block"), "a/mixing.py": ""},
        [],
        "a/net.py:2: import can't be resolved: there is no module a.missing; nearest known: mixing",
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
    "no such entry": ({"net.py": NET.replace("Net", "Nett")}, [], "net.py:1: there is no entry Net; nearest known: Nett"),
    "two entries of one name": (
        {"net.py": NET + "\n\n" + NET.split("\n", 3)[3]},
        [],
        "net.py:13: two entries of one name: Net at lines 4 and 13",
    ),
    "relative import that leaves the repository": (
        {"a/net.py": head("from torch import nn\nfrom ...far import Block")},
        [],
        "a/net.py:2: a relative import that leaves the repository: ...far",
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
    "third party that isn't installed": (
        {"net.py": head("from torch import nn\nfrom notinstalled.layers import Block")},
        [],
        "net.py:2: imports notinstalled, which is not installed beside torch",
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
    "two modules of one name": (
        {"net.py": head("from torch import nn\nfrom part import Block"), "part.py": PART, "src/part.py": PART},
        [],
        "src/part.py:1: two modules of one name: part is part.py and src/part.py",
    ),
    "a module of a name that Python has": (
        {"net.py": head("from torch import nn\nfrom random import Block"), "random.py": PART},
        [],
        "random.py:1: a module of the name random, which Python or torch has; rename the file",
    ),
    "a module that is compiled": (
        {"a/net.py": head("from torch import nn\nfrom ._fast import Block"), "a/__init__.py": "", "a/_fast.cpython-311-x86_64-linux-gnu.so": ""},
        [],
        "a/net.py:2: a._fast is compiled in C, and only Python files travel",
    ),
    "evolve name that stands for two": (
        {
            "net.py": head(
                "from torch import nn\nimport one\nimport two",
                "class Block(nn.Module):\n    def forward(self, x):\n        return one.Part()(two.Part()(x))\n\n\n",
            ),
            "one.py": PART,
            "two.py": PART.replace("return x", "return -x"),
        },
        ["--evolve", "Part"],
        "--evolve Part names more than one; say one.py:Part or two.py:Part",
    ),
    "a data file elsewhere": ({"net.py": NET}, ["--data", "/etc/hostname"], "--data /etc/hostname: expected a file below"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_with_its_place_and_nothing_is_added(
    case: str, tmp_path: Path, folder: Path
) -> None:
    files, options, message = BAD[case]
    said = refused(folder, write(tmp_path / "repo", files), *options)
    assert message in said
    assert said.count("\n") == 1


def test_all_obstacles_are_said_at_once(tmp_path: Path, folder: Path) -> None:
    files = {
        "a/net.py": head(
            "from torch import nn\nfrom .missing import Block\nfrom .parts import Gone\nimport notinstalled"
        ),
        "a/parts.py": "",
    }
    said = refused(folder, write(tmp_path / "repo", files), "--kwargs", "dept=3", "--evolve", "Nobody")
    for part in (
        "a/net.py:2: ",
        "a/net.py:3: ",
        "a/net.py:4: imports notinstalled",
        "takes no dept",
        "--evolve Nobody",
    ):
        assert part in said
    assert said.count("\n") == 5


REAL = """import logging
import warnings
from collections import namedtuple
try:
    import notinstalled
except ImportError:
    notinstalled = None

import torch
import torch.fx
from torch import nn

from . import parts
from .registry import *
from .cycle import Other

_logger = logging.getLogger(__name__)
warnings.filterwarnings("once", message="of no importance")
Config = namedtuple("Config", "width")
Config.__new__.__defaults__ = (4,)
GRID = torch.zeros(3)
for _name in ("a", "b"):
    KINDS[_name] = parts.Part


@torch.fx.wrap
def double(x):
    return x * 2


@register
class Block(nn.Module):
    def __init__(self, width: int = 40):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.part = KINDS["a"]()

    def forward(self, x):
        _logger.debug("forward")
        return double(self.part(self.linear(x)))


@register
class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.block = KINDS["Block"](40 + len(GRID) - 3)
        self.head = nn.Linear(40, num_classes)

    def forward(self, x):
        return self.head(self.block(x))
"""
WILD = {
    "a/net.py": REAL,
    "a/__init__.py": "from .net import Net\n",
    "a/parts.py": "class Part:\n    def __call__(self, x):\n        return x\n",
    "a/registry.py": "KINDS = {}\n\n\ndef register(kind):\n    KINDS[kind.__name__] = kind\n    return kind\n",
    "a/cycle.py": "from . import net\n\n\nclass Other:\n    home = net\n",
}


def test_what_real_packages_do_at_import_is_no_obstacle(tmp_path: Path, folder: Path) -> None:
    path = write(tmp_path / "repo", WILD)
    added = evoarch("seed", "add", str(folder), f"{path}:Net", "--evolve", "Block", "--name", "wild")
    assert added.exit_code == 0, added.output
    assert (
        "proof: its patch is empty; parameters (2,050) and float64 outputs are the original's" in added.stdout
    )
    (seed,) = frozen_seeds(folder, ["seeds/wild.py"])
    assert {place: (tmp_path / "repo" / place).read_bytes() for place in seed.contents} == dict(seed.contents)
    assert names(seed.genome) == ["Block", "Model"]
    assert evoarch("check", str(folder / "seeds" / "wild.py")).exit_code == 0
    again = evoarch("seed", "add", str(folder), f"{path}:Net", "--evolve", "Block", "--name", "wild")
    assert again.exit_code == 1
    assert "is there already; choose another --name" in again.stderr


def test_only_what_is_imported_travels(tmp_path: Path) -> None:
    files = {f"a/unused{n}.py": "raise RuntimeError\n" for n in range(10_000)}
    path = write(tmp_path / "repo", {**WILD, **files})
    assert set(seed_of(path).record.modules) == {"a", "a.net", "a.parts", "a.registry", "a.cycle"}


def test_without_a_name_what_the_entry_uses_of_its_file_is_open(tmp_path: Path) -> None:
    path = write(tmp_path / "repo", {"net.py": NET + "\n\nclass Unused(nn.Module):\n    pass\n"})
    seed = seed_of(path)
    assert seed.record.evolve == ("Net",)
    assert not seed.record.named


def test_an_entry_that_fits_no_genome_opens_what_it_uses(tmp_path: Path) -> None:
    large = "\n".join(f"    def unused{n}(self):\n        return {n}\n" for n in range(2000))
    text = NET.replace("from torch import nn", "from torch import nn\nfrom parts import Part").replace(
        "self.head(x)", "Part()(self.head(x))"
    )
    seed = seed_of(write(tmp_path / "repo", {"net.py": f"{text}\n{large}", "parts.py": PART}))
    assert seed.record.evolve == ("Part",)
    alone = write(tmp_path / "alone", {"net.py": f"{NET}\n{large}"})
    with pytest.raises(
        UserError, match=r"net\.py:4: Net uses no class or function of its repository that fits"
    ):
        seed_of(alone)


def test_a_plain_model_needs_no_adapter(tmp_path: Path) -> None:
    seed = seed_of(write(tmp_path / "repo", {"net.py": NET.replace("Net", "Model")}), "Model")
    assert names(seed.genome) == ["Model"]
    assert seed.record.adapter == ""


def test_an_entry_called_model_with_fixed_arguments_gives_its_name_away(tmp_path: Path) -> None:
    path = write(
        tmp_path / "repo",
        {"net.py": NET.replace("Net", "Model").replace("40", "size").replace("self, num", "self, size, num")},
    )
    seed = seed_of(path, "Model", size=40)
    assert names(seed.genome) == ["Model_net", "Model"]
    assert "return _Entry(num_classes=num_classes, size=40)" in seed.genome


def test_names_that_collide_give_way(tmp_path: Path) -> None:
    files, _, _ = BAD["evolve name that stands for two"]
    seed = seed_of(write(tmp_path / "repo", files), "Net", ("one.py:Part", "two.py:Part"))
    assert seed.record.evolve == ("Part", "Part_two")


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
    first = evoarch("seed", "add", str(folder), f"{path}:Net")
    assert first.exit_code == 1
    assert "net.py:4: Net does not fit the task as it is" in first.stdout
    assert (
        "proposed adapter (each example as an image (1, 7, 7), image_size=7, in_chans=1, classes=num_classes)"
        in first.stdout
    )
    assert "nothing was added" in first.stderr
    assert not (folder / "seeds" / "net.py").exists()
    tried = evoarch("seed", "add", str(folder), f"{path}:Net", "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert "would add seeds/net.py" in tried.stdout
    assert not (folder / "seeds" / "net.py").exists()
    accepted = evoarch("seed", "add", str(folder), f"{path}:Net", "--accept", "--name", "conv")
    assert accepted.exit_code == 0, accepted.output
    assert "seeds/conv.py" in load(folder).seeds.files


def test_a_misfit_that_is_not_mechanical_is_named_at_its_place(tmp_path: Path, folder: Path) -> None:
    said = refused(folder, write(tmp_path / "repo", {"net.py": NET.replace("40", "39")}))
    assert "net.py:10: RuntimeError" in said
    assert "examples were handed over as it is, a sequence, an image" in said


def test_third_parties_are_asked_for_at_once(tmp_path: Path, folder: Path) -> None:
    path = write(
        tmp_path / "repo", {"net.py": "import yaml\nimport tqdm\nimport einops\nimport json\n" + NET}
    )
    said = refused(folder, path)
    assert "--allow-imports" in said
    added = evoarch("seed", "add", str(folder), f"{path}:Net", "--allow-imports")
    assert added.exit_code == 0, added.output
    assert "frozen code imports: tqdm, yaml" in added.stdout


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        prepare(Wanted(tmp_path / "no.py"))

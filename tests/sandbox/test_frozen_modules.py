"""Frozen modules behind the walls: run once, put together with what is open, and never changed by a child."""

# ruff: noqa: E501 (small files read better on one line)

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterator

import numpy as np
import pytest

from evoarch.sandbox.frozen import FrozenImportError, FrozenModule, FrozenModules, merged
from evoarch.sandbox.frozen_loader import FrozenFinder
from evoarch.sandbox.job import FrozenTexts, Job, Program
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import ChildOutcome, Finished, Raised
from evoarch.sandbox.runner import ZygoteRunner, start

INSIDE = """
import torch

def warmup():
    torch.ones(2).sum()

def call(genome, arrays, options, announce):
    announce("build")
    return {"found": torch.tensor(float(genome.value()))}, {}
"""
FILES = {
    "pack": ("pack/__init__.py", "from .version import NUMBER\nfrom .open import *\nfrom .early import early\nfrom . import listed\n"),
    "pack.listed": ("pack/listed.py", "import os\nHERE = os.listdir(os.path.dirname(__file__))\n"),
    "pack.version": ("pack/version.py", "NUMBER = 7\n"),
    "pack.early": ("pack/early.py", "import pack\nfrom pack import NUMBER\nRUNS = [0]\nRUNS[0] += 1\n\n\ndef early():\n    return RUNS[0] + NUMBER + pack.opened()\n\n\nclass Kept:\n    SIZE = 4\n    MADE = 0\n\n    def method(self):\n        return 1\n\n\nCOUNT = 0\n\n\ndef count():\n    global COUNT, LAST\n    COUNT += 1\n    LAST = COUNT\n    Kept.MADE += 1\n    return COUNT\n"),
    "pack.open": ("pack/open.py", "from .early import Kept\n\n\ndef opened():\n    return 100\n\n\nclass Late(Kept):\n    pass\n"),
}  # fmt: skip
SET = FrozenModules(
    {
        name: FrozenModule(path, text.encode(), path.endswith("__init__.py"))
        for name, (path, text) in FILES.items()
    },
    ("pack.open",),
    frozenset(["pack.open"]),
)
QUICK = Limits(wall_clock=60.0, cpu_seconds=20.0, memory=512 << 20, output=1 << 20)


class Walls:
    """A runner with the loop that it lives on."""

    def __init__(self, loop: asyncio.Runner, runner: ZygoteRunner) -> None:
        self.loop, self.runner = loop, runner

    def run(self, source: str, frozen: FrozenTexts | None = None) -> ChildOutcome:
        job = Job("call", textwrap.dedent(source), limits=QUICK, frozen=frozen or FrozenTexts({}, {}))
        return self.loop.run(self.runner.run(job))

    def value(self, source: str, frozen: FrozenTexts | None = None) -> float:
        found = self.run(source, frozen)
        assert isinstance(found, Finished), found
        return float(np.asarray(found.arrays["found"]))


@pytest.fixture(scope="module")
def walls() -> Iterator[Walls]:
    with asyncio.Runner() as loop:
        runner = loop.run(start(Program({"inside": INSIDE}, "inside"), unsafe=True, frozen=SET))
        yield Walls(loop, runner)
        loop.run(runner.close())


PLAIN = "from pack.open import opened\nfrom pack.early import early\n\ndef value():\n    return opened() + early()\n"


def test_modules_run_once_and_open_ones_in_each_child(walls: Walls) -> None:
    assert [walls.value(PLAIN) for _ in range(2)] == [100 + 1 + 7 + 100] * 2


def test_open_definitions_stand_in_their_place_for_all_modules(walls: Walls) -> None:
    text = FILES["pack.open"][1].replace("100", "200")
    assert walls.value(PLAIN, FrozenTexts({"pack.open": text}, {})) == 200 + 1 + 7 + 200
    assert walls.value(PLAIN) == 208


def test_a_failure_in_open_code_has_the_genomes_line(walls: Walls) -> None:
    text = FILES["pack.open"][1].replace("return 100", "raise ValueError('no')")
    found = walls.run(PLAIN, FrozenTexts({"pack.open": text}, {"pack/open.py": [(5, 42)]}))
    assert isinstance(found, Raised)
    assert (found.kind, found.line, found.message) == ("ValueError", 42, "no")


CHANGES = {
    "by name": "import sys\nimport pack\n\ndef value():\n    sys.modules['pack.early'].early = len\n    return 1\n",
    "by attribute": "from pack.early import Kept\n\ndef value():\n    Kept.method = len\n    return 1\n",
    "by code": "from pack.early import early\n\ndef value():\n    early.__code__ = (lambda: 1).__code__\n    return 1\n",
    "by the table of modules": "import sys, types\n\ndef value():\n    sys.modules['pack.early'] = types.ModuleType('pack.early')\n    return 1\n",
    "by import hook": "import sys\nfrom pack import open\n\nclass Hook:\n    def find_spec(self, *a):\n        return None\n\ndef value():\n    sys.meta_path.insert(0, Hook())\n    return 1\n",
    "a constant by another name": "from pack import version\n\ndef value():\n    for one in [version]:\n        one.NUMBER = 8\n    return 1\n",
    "a method that a class inherits": "from pack.early import Kept\n\ndef value():\n    for one in [Kept]:\n        one.__call__ = len\n    return 1\n",
    "a constant of a class": "from pack.early import Kept\n\ndef value():\n    for one in [Kept]:\n        one.SIZE = 8\n    return 1\n",
    "a name that hides a builtin": "import sys\nimport pack\n\ndef value():\n    sys.modules['pack.early'].len = max\n    return 1\n",
    "by defaults": "from pack.early import early\n\ndef value():\n    early.__defaults__ = (3,)\n    return 1\n",
    "what finds paths": "import sys\nfrom pack import open\n\ndef value():\n    sys.path_hooks.insert(0, len)\n    return 1\n",
    "the import itself": "import builtins\nfrom pack import open\n\ndef value():\n    real = builtins.__import__\n    builtins.__import__ = lambda *a, **k: real(*a, **k)\n    return 1\n",
    "a class that depends on what is open": "from pack.open import Late\n\ndef value():\n    Late.method = len\n    import pack.open\n    pack.open.opened = len\n    return 1\n",
    "what its namespace holds": "import sys\nimport pack\n\ndef value():\n    vars(sys.modules['pack.early'])['Kept'] = int\n    return 1\n",
}  # fmt: skip


def test_what_frozen_code_rebinds_by_itself_may_change(walls: Walls) -> None:
    text = "from pack.early import Kept, count\n\ndef value():\n    count()\n    return count() + Kept.MADE + {}\n"
    assert walls.value(text.format("Kept.SIZE")) == 2 + 2 + 4


def test_a_folder_lists_the_frozen_files_that_travel(walls: Walls) -> None:
    text = (
        "from pack.listed import HERE\n\ndef value():\n    return HERE.index('version.py') + 10 * len(HERE)\n"
    )
    assert walls.value(text) == 4 + 50


@pytest.mark.parametrize("how", CHANGES)
def test_a_child_that_changes_a_frozen_module_fails(walls: Walls, how: str) -> None:
    found = walls.run(CHANGES[how])
    assert isinstance(found, Raised), found
    assert found.kind == "ChangedError"
    assert walls.value(PLAIN) == 208


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("open('/etc/hostname')", r"a/net\.py:1: code at import wants a file, the network or a process"),
        ("import missing_here", r"a/net\.py:1: ModuleNotFoundError: No module named 'missing_here'"),
        ("raise ValueError('bad')", r"a/net\.py:1: ValueError: bad"),
        ("def f(:", r"a/net\.py:1: SyntaxError"),
    ],
)
def test_code_that_can_not_be_imported_is_named_with_its_place(line: str, message: str) -> None:
    modules = {"net": FrozenModule("a/net.py", line.encode())}
    program = Program({"inside": INSIDE}, "inside")
    with pytest.raises(FrozenImportError, match=message) as caught:
        asyncio.run(start(program, unsafe=True, frozen=FrozenModules(modules, ("net",))))
    assert caught.value.missing == ("missing_here" if "missing_here" in line else "")


def test_a_name_that_a_package_lacks_may_be_a_module_that_did_not_travel() -> None:
    modules = {
        "pack": FrozenModule("pack/__init__.py", b"", package=True),
        "net": FrozenModule("net.py", b"import pack\npack.quirks.apply()\n"),
    }
    with pytest.raises(FrozenImportError, match=r"net\.py:2: AttributeError") as caught:
        asyncio.run(
            start(Program({"inside": INSIDE}, "inside"), unsafe=True, frozen=FrozenModules(modules, ("net",)))
        )
    assert caught.value.missing == "pack.quirks"


def test_what_an_installed_package_lacks_is_what_is_missing() -> None:
    finder = FrozenFinder(SET.as_json())
    finder.failed = {"theirs.core": "No module named 'undeclared'"}
    said = finder.describe(ModuleNotFoundError("No module named 'theirs'", name="theirs"))
    assert said["missing"] == "undeclared"
    assert said["message"].endswith("; theirs.core: No module named 'undeclared'")


def test_two_modules_of_one_name_that_differ_are_refused() -> None:
    other = FrozenModules({"pack": FrozenModule("pack/__init__.py", b"", package=True)})
    assert merged([SET, SET]) == SET
    with pytest.raises(ValueError, match=r"two modules of one name: pack \(pack/__init__\.py"):
        merged([SET, other])

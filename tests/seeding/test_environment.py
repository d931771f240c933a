"""Children in the user's own environment: its interpreter, its packages, warmed beforehand."""

import asyncio
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.measuring import SandboxTable
from evoarch.agent.evaluation.walls import choose_level, open_walls
from evoarch.evaluators.registry import measuring
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.environment import InterpreterError, environment_of, own
from evoarch.sandbox.frozen import FrozenModule, FrozenModules
from evoarch.sandbox.level import detect
from evoarch.sandbox.outcome import ChildOutcome, Raised
from evoarch.sandbox.vet import vet

GENOME = """import theirs
from theirs.late import Layer
from torch import nn


class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layer = Layer(40, num_classes)

    def forward(self, x):
        return self.layer(x) * theirs.SCALE
"""

PACKAGE = """SCALE = 2.0


def __getattr__(name):
    if name != "Layer":
        raise AttributeError(name)
    from theirs.late import Layer

    return Layer
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment with a package of its own, which sees this one's torch."""
    root = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    (site,) = root.glob("lib/python*/site-packages")
    (site / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (site / "theirs").mkdir()
    (site / "theirs" / "__init__.py").write_text(PACKAGE)
    (site / "theirs" / "late.py").write_text("from torch.nn import Linear as Layer\n")
    info = site / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "RECORD").write_text("theirs/__init__.py,,\ntheirs/late.py,,\n")
    return str(root / "bin" / "python")


async def dry_run(table: SandboxTable) -> DryRunPassed | ChildOutcome:
    task = load_task("mnist1d")
    runner = await open_walls(choose_level(detect(), "landlock", unsafe=False), task, table)
    try:
        return await measuring(task, task.recipes["fast"], runner).dry_run(GENOME)
    finally:
        await runner.close()


def test_children_run_with_the_packages_of_the_named_interpreter(python: str) -> None:
    table = SandboxTable(imports=("theirs",), python=python, preload=("theirs.late",))
    assert vet(GENOME, offers={"num_classes": 10}, imports=table.imports) == []
    assert isinstance(asyncio.run(dry_run(table)), DryRunPassed)


def test_what_is_not_warmed_a_child_can_not_open(python: str) -> None:
    result = asyncio.run(dry_run(SandboxTable(imports=("theirs",), python=python)))
    assert isinstance(result, Raised)
    assert result.line == 2


def test_what_a_package_imports_when_it_is_asked_for_is_there_for_frozen_code(python: str) -> None:
    modules = {"own": FrozenModule("own.py", b"from theirs import Layer\n")}
    frozen = FrozenModules(modules, ("own",), imports=("theirs", "theirs.Layer"))
    level = choose_level(detect(), "landlock", unsafe=False)

    async def opened() -> None:
        runner = await open_walls(level, load_task("mnist1d"), SandboxTable(python=python), (), frozen)
        await runner.close()

    asyncio.run(opened())


def test_a_package_that_only_the_other_environment_has_is_named() -> None:
    with pytest.raises(UserError, match=r"sandbox\.imports: .*theirs.*; expected an installed distribution"):
        asyncio.run(dry_run(SandboxTable(imports=("theirs",))))


def test_an_interpreter_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UserError, match=r"sandbox\.python: expected an interpreter at /no/python") as caught:
        asyncio.run(dry_run(SandboxTable(python="/no/python")))
    assert "\n" not in str(caught.value)


def test_an_interpreter_that_is_too_old_is_named(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text(
        '#!/bin/sh\necho \'{"executable": "/x", "base": "/", "version": [3, 9], "site": ["/x"]}\'\n'
    )
    fake.chmod(0o755)
    with pytest.raises(InterpreterError, match=r"expected Python 3\.11 or newer at .*, got 3\.9"):
        environment_of(str(fake))


def test_modules_lead_to_the_distributions_that_provide_them(python: str) -> None:
    assert own().providers(["random", "yaml", "torch.amp"]) == ("PyYAML", "torch")
    assert environment_of(python).providers(["theirs.late", "einops"]) == ("their-package", "einops")

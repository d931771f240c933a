"""docs/architecture.md names what is there, and the rooms as the import contract orders them."""

from __future__ import annotations

import re
import tomllib

import pytest

from kit.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([^`\s]+)`", PAGE)))
PATHS = [
    n
    for n in NAMED
    if re.fullmatch(r"(agent|archive|evaluators|prompts|sandbox|docs|tests|src)/[\w./*-]*", n)
]
FILES = [n for n in NAMED if re.fullmatch(r"[\w*]+\.py", n)]


@pytest.mark.parametrize("path", PATHS)
def test_each_path_is_there(path: str) -> None:
    assert list(ROOT.glob(path.rstrip("/"))), path


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_in_some_room(name: str) -> None:
    rooms = ("agent", "archive", "evaluators", "prompts", "sandbox", "benchmarks", "src")
    assert any(list((ROOT / room).rglob(name)) for room in rooms), name


def test_the_rooms_of_agent_stand_in_the_order_that_is_enforced() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (layers,) = [c["layers"] for c in contracts if c.get("containers") == ["evoarch.agent"]]
    table = PAGE.split("### Inside `agent/`")[1].split("## ")[0]
    rows = [
        {
            name.removesuffix(".py").strip("/")
            for name in re.findall(r"`agent/([\w.]+/?)`", line.split("|")[1])
        }
        for line in table.splitlines()
        if line.startswith("| `agent/")
    ]
    assert rows == [{room.strip() for room in layer.split("|")} for layer in layers]


def test_each_room_of_agent_is_in_the_table() -> None:
    rooms = {p.name for p in (ROOT / "agent").iterdir() if (p / "__init__.py").exists()}
    assert rooms <= set(re.findall(r"`agent/(\w+)/`", PAGE))

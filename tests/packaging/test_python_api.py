"""The public functions: the page about them is run as it stands; they work where a loop runs already."""

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import evoarch
from evoarch.agent import api
from kit.paths import ROOT

PAGE = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FUNCTIONS = (
    "init",
    "run",
    "status",
    "candidates",
    "evaluate",
    "confirm",
    "compare",
    "export",
    "figures",
    "diff",
)


@pytest.mark.slow
def test_the_code_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, "docs/python-api.md", "exec"), names)
    said = capsys.readouterr().out
    assert names["ending"].complete
    assert names["found"].evaluations == 4
    assert "parameters" in said
    assert "class Model" in (tmp_path / "best.py").read_text()
    assert isinstance(names["result"].outcome, evoarch.Scored)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_command_has_a_function_with_types_and_a_line_in_the_page(name: str) -> None:
    function = getattr(evoarch, name)
    assert inspect.getdoc(function)
    assert "return" in function.__annotations__
    assert f"`{name}(" in PAGE


def test_a_function_is_called_where_a_loop_runs() -> None:
    async def found() -> int:
        async def work() -> int:
            await asyncio.sleep(0)
            return 3

        async def fails() -> None:
            raise evoarch.UserError("no such thing")

        with pytest.raises(evoarch.UserError, match="no such thing"):
            api._waited(fails())
        return api._waited(work())

    assert asyncio.run(found()) == 3


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(evoarch.UserError, match="nearest"):
        evoarch.init(tmp_path / "c", profile="evoprmpting")
    with pytest.raises(evoarch.ArchiveError):
        evoarch.candidates(tmp_path)
    evoarch.init(tmp_path / "d", evaluations=3)
    assert evoarch.status(tmp_path / "d").state == "new"

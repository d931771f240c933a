"""The tools, as the protocol's own client sees them."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.mcp.server import server
from evoarch.agent.mcp.told_apart import seeds_needed
from evoarch.agent.statistics.noise import Noise
from kit.command import SCRIPT, small_campaign
from kit.paths import ROOT

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")

TOOLS = {"tasks", "status", "candidates", "show", "differ", "init", "estimate", "run", "stop", "confirm"}


async def called(client: Any, tool: str, **arguments: object) -> tuple[dict[str, Any], bool]:
    """What a tool answered, and whether that is an error."""
    found: Any = await client.call_tool(tool, arguments)
    return json.loads(found.content[0].text), bool(found.is_error)


def talking(root: Path, allow: Sequence[str] = ()) -> Any:
    words = [word for each in allow for word in ("--allow", each)]
    env = {"EVOARCH_TRUST": "1", "OMP_NUM_THREADS": "1"}
    return mcp.StdioServerParameters(command=SCRIPT, args=["mcp", "--root", str(root), *words], env=env)


def test_who_may_only_read_is_refused_the_rest_in_a_form_for_programs(tmp_path: Path) -> None:
    async def work() -> None:
        made, _ = server(tmp_path, ())
        async with mcp.Client(made) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            for tool, needs in (("run", "run"), ("init", "run"), ("estimate", "run"), ("stop", "run")):
                answer, wrong = await called(client, tool, folder="demo")
                assert wrong
                assert answer["schema"] == "refusal/1"
                assert answer["needs"] == f"evoarch mcp --allow {needs}"
            answer, wrong = await called(client, "confirm", folder="demo", candidate=1)
            assert wrong
            assert "opens no sealed test" in answer["refused"]
            answer, wrong = await called(client, "status", folder="../elsewhere")
            assert wrong
            assert "outside of" in answer["refused"]
            answer, wrong = await called(client, "differ", folder="demo", first=1, second=2)
            assert "no such" in answer["refused"] or "archive" in answer["refused"]
        assert list(tmp_path.iterdir()) == []

    asyncio.run(work())


def test_seeds_that_tell_two_errors_apart() -> None:
    noise = Noise(examples=1000, dispersion=0.01)
    few, many = seeds_needed(noise, 0.1, 0.2), seeds_needed(noise, 0.1, 0.15)
    assert few is not None
    assert many is not None
    assert 1 <= few < many
    assert seeds_needed(noise, 0.1, 0.101) is None
    assert seeds_needed(noise, 0.1, 0.1) is None
    # At that number the interval of the difference leaves out zero, with one seed less it does not.
    for seeds, apart in ((many, True), (many - 1, False)):
        variance = (0.1 * 0.9 + 0.15 * 0.85) * (noise.dispersion / seeds + 1 / noise.examples)
        assert (1.96 * variance**0.5 < 0.05) is apart


@pytest.mark.slow
def test_an_agent_runs_a_campaign_and_is_refused_its_sealed_test(tmp_path: Path) -> None:
    small_campaign(tmp_path / "demo", "--evaluations", "10")

    async def work() -> None:
        async with mcp.Client(talking(tmp_path, ["run"])) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            answer, wrong = await called(client, "run", folder="demo")
            assert (answer["started"], wrong) == ("demo", False)
            answer, wrong = await called(client, "run", folder="demo")
            assert (answer["refused"], wrong) == ("demo runs already", True)
            while (answer := (await called(client, "status", folder="demo"))[0])["state"] != "complete":
                assert answer["schema"] == "status/1"
            assert answer["evaluations"] == 10
            rows = (await called(client, "candidates", folder="demo", where="state:scored"))[0]["rows"]
            assert len(rows) >= 2
            shown, _ = await called(client, "show", folder="demo", candidate=rows[0]["id"])
            assert "class Model" in shown["source"]
            told, _ = await called(client, "differ", folder="demo", first=rows[0]["id"], second=rows[1]["id"])
            assert told["differ"] or "within the noise" in told["refused"]
            answer, wrong = await called(client, "confirm", folder="demo", candidate=rows[0]["id"])
            assert wrong
            assert answer["needs"] == "evoarch mcp --allow confirm"

    asyncio.run(asyncio.wait_for(work(), 900))
    assert not list((tmp_path / "demo").glob("confirm*"))


def test_the_skill_names_tools_and_commands_that_there_are() -> None:
    text = (ROOT / "agent" / "mcp" / "SKILL.md").read_text(encoding="utf-8")
    head = text.split("---")[1]
    assert "name: evoarch" in head
    assert "description: " in head
    for words in ("--dry-run", "within the noise", "evoarch confirm", "sealed", "evoarch mcp --allow run"):
        assert words in text
    assert sys.executable not in text

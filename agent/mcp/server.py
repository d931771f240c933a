"""evoarch's commands as tools of the Model Context Protocol (modelcontextprotocol.io), over standard input.

The protocol's package is an extra: only `evoarch mcp` imports this file.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

from evoarch.agent.mcp.commands import Allowed, Answer, Commands
from evoarch.agent.mcp.told_apart import told_apart

Folder = Annotated[str, Field(description="The campaign's folder, relative to where the server was started.")]
Id = Annotated[int, Field(description="A candidate's id.")]


def server(root: Path, allowed: Collection[Allowed]) -> tuple[MCPServer[Any], Commands]:
    """The server with all its tools; those that are not allowed are there, and refuse."""
    commands = Commands(root, allowed)
    made: MCPServer[Any] = MCPServer("evoarch", instructions=INSTRUCTIONS)
    _reading(made, commands)
    _writing(made, commands)
    return made, commands


INSTRUCTIONS = (
    "evoarch evolves PyTorch model source code. Begin with tasks, init (a budget of 50 to 200 evaluations), "
    "estimate, run; poll status. Errors have intervals: what differ can't tell apart is within noise, "
    "and no result. Never judge by a sealed test: a person runs `evoarch confirm` once, at the end."
)


def _result(answer: Answer) -> CallToolResult:
    value = dict(answer.value)
    text = TextContent(type="text", text=json.dumps(value))
    return CallToolResult(content=[text], structured_content=value, is_error=answer.is_error)


def _reading(made: MCPServer[Any], commands: Commands) -> None:
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)

    @made.tool(annotations=reads)
    async def tasks() -> CallToolResult:
        """What can be searched on: tasks with their recipes and baselines."""
        return _result(await commands.read("tasks", None))

    @made.tool(annotations=reads)
    async def status(folder: Folder) -> CallToolResult:
        """Where a campaign stands: state, counts, front with intervals, failures, costs (status/1)."""
        return _result(await commands.read("status", folder))

    @made.tool(annotations=reads)
    async def candidates(
        folder: Folder,
        where: Annotated[str, Field(description="A filter, such as: error<0.1 op:lm* front:yes")] = "",
        limit: Annotated[int, Field(ge=1, le=1000)] = 50,
    ) -> CallToolResult:
        """Candidates by id, a row each (list/1)."""
        return _result(
            await commands.read("list", folder, f"--limit={limit}", after=("--", where) if where else ())
        )

    @made.tool(annotations=reads)
    async def show(folder: Folder, candidate: Id) -> CallToolResult:
        """One candidate: parents, evaluations, whether it is better, source (show/1)."""
        return _result(await commands.read("show", folder, after=(str(candidate),)))

    @made.tool(annotations=reads)
    async def differ(folder: Folder, first: Id, second: Id) -> CallToolResult:
        """Whether the errors of two candidates can be told apart; if not, how many training seeds of each it
        would take.
        """
        path = commands.inside(folder)
        if path is None:
            return _result(commands.outside(folder))
        value = told_apart(path, first, second)
        return _result(Answer(value, is_error=value["schema"] == "refusal/1"))


def _writing(made: MCPServer[Any], commands: Commands) -> None:
    writes = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)

    @made.tool(annotations=writes)
    async def init(
        folder: Folder,
        task: str = "mnist1d",
        evaluations: Annotated[int, Field(ge=1, description="The budget: candidates that are trained.")] = 80,
        lm: Literal["embedded", "openai", "transformers", "none"] = "none",
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> CallToolResult:
        """Writes a new campaign's folder: campaign.toml, commented, and its baselines."""
        words = [f"--task={task}", f"--evaluations={evaluations}", f"--lm={lm}", f"--seed={seed}"]
        return _result(commands.refused("run") or await commands.write("init", folder, *words))

    @made.tool(annotations=writes)
    async def estimate(folder: Folder) -> CallToolResult:
        """What a run would cost: one child of each operator is made in a copy (dry-run/1). Before run."""
        return _result(commands.refused("run") or await commands.read("run", folder, "--dry-run"))

    @made.tool(annotations=writes)
    async def run(folder: Folder) -> CallToolResult:
        """Starts a campaign, or goes on with it, until its budget is spent. Returns at once: poll status."""
        return _result(commands.refused("run") or await commands.begin(folder))

    @made.tool(annotations=writes)
    async def stop(folder: Folder) -> CallToolResult:
        """Ends a run that this server started, when what is under way is done; run goes on from there."""
        return _result(commands.refused("run") or await commands.stop(folder))

    @made.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=True))
    async def confirm(folder: Folder, candidate: Id) -> CallToolResult:
        """Opens the sealed test of one candidate, once: a person decides that, never a search (confirm/1)."""
        refused = commands.refused("confirm")
        return _result(
            refused or await commands.read("confirm", folder, f"--candidate={candidate}", "--top=0")
        )


async def serve(root: Path, allowed: Collection[Allowed]) -> None:
    """Serves until standard input ends; what it runs ends then, resumable."""
    made, commands = server(root, allowed)
    try:
        await made.run_stdio_async()
    finally:
        await commands.end()

"""evoarch's commands as tools of the Model Context Protocol (modelcontextprotocol.io), over standard input.

A tool runs its command with `--json` in a process of its own and hands on what that prints (docs/json.md), so
that a tool and a person read the same. What was not allowed is refused in a form that a program can read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

from evoarch.agent.base import pdeathsig
from evoarch.agent.mcp.told_apart import told_apart

Allowed = Literal["run", "confirm"]

SECONDS = 600.0
"""How long a command that reads may take."""

LOG = "mcp-run.json"
"""In a campaign's folder: what `evoarch run --json` printed at its end."""

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)

Folder = Annotated[str, Field(description="The campaign's folder, relative to where the server was started.")]
Id = Annotated[int, Field(description="A candidate's id.")]

_CODE = "from evoarch.agent.cli import main; main()"


def refusal(why: str, needs: str = "") -> CallToolResult:
    """What was not done, `why`, and what a person has to do before it can be ("": nothing)."""
    return _result({"schema": "refusal/1", "refused": why, "needs": needs}, is_error=True)


def _result(value: dict[str, Any], *, is_error: bool = False) -> CallToolResult:
    text = TextContent(type="text", text=json.dumps(value))
    return CallToolResult(content=[text], structured_content=value, is_error=is_error)


class Commands:
    """Runs evoarch's commands for tools. `root`: every campaign is in it; `allowed`: what may be done besides
    reading.
    """

    def __init__(self, root: Path, allowed: Collection[Allowed]) -> None:
        self.root, self.allowed = root.resolve(), allowed
        self._running: dict[Path, asyncio.subprocess.Process] = {}

    def refused(self, what: Allowed) -> CallToolResult | None:
        """The refusal, where `what` was not allowed."""
        if what in self.allowed:
            return None
        words = {
            "run": "this server may read only: it begins and runs no campaign",
            "confirm": "this server opens no sealed test: that is a person's decision, once per candidate",
        }
        return refusal(words[what], f"evoarch mcp --allow {what}")

    def inside(self, folder: str) -> Path | None:
        """The folder's path; None where it is outside of the root."""
        path = (self.root / folder).resolve()
        return path if path.is_relative_to(self.root) else None

    async def read(
        self, command: str, folder: str | None, *words: str, after: Sequence[str] = ()
    ) -> CallToolResult:
        """What the command prints. `after`: words behind the folder."""
        place = []
        if folder is not None:
            path = self.inside(folder)
            if path is None:
                return self._outside(folder)
            place = [str(path)]
        process = await self._start(command, "--json", *words, *place, *after, out=asyncio.subprocess.PIPE)
        try:
            out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        except TimeoutError:
            process.kill()
            return refusal(f"evoarch {command} took longer than {SECONDS:g} s")
        try:
            return _result(json.loads(out), is_error=process.returncode != 0)
        except json.JSONDecodeError:
            return refusal(f"evoarch {command} ended with code {process.returncode} and printed no JSON")

    def _outside(self, folder: str) -> CallToolResult:
        return refusal(f"{folder!r} is outside of {self.root}", "evoarch mcp --root DIR")

    async def write(self, command: str, folder: str, *words: str) -> CallToolResult:
        """Runs a command that prints lines, not JSON."""
        path = self.inside(folder)
        if path is None:
            return self._outside(folder)
        process = await self._start(command, str(path), *words, out=asyncio.subprocess.PIPE, both=True)
        out, _ = await process.communicate()
        text = out.decode(errors="replace")
        return refusal(text.strip()) if process.returncode else _result({"printed": text})

    async def begin(self, folder: str) -> CallToolResult:
        """Starts `evoarch run`; it goes on beside the server, and ends with it, resumable."""
        path = self.inside(folder)
        if path is None:
            return self._outside(folder)
        running = self._running.get(path)
        if running is not None and running.returncode is None:
            return refusal(f"{folder} runs already")
        if not (path / "campaign.toml").is_file():
            return refusal(f"{folder}: there is no campaign.toml", "the tool init")
        with (path / LOG).open("wb") as log:
            self._running[path] = await self._start("run", str(path), "--json", out=log.fileno())
        return _result({"started": folder, "next": "the tool status tells how it goes"})

    async def stop(self, folder: str) -> CallToolResult:
        """Ends what `begin` started, when what is under way is done."""
        path = self.inside(folder)
        running = self._running.get(path) if path else None
        if running is None or running.returncode is not None:
            return refusal(f"this server does not run {folder}")
        running.terminate()
        await running.wait()
        return _result({"stopped": folder})

    async def end(self) -> None:
        """Ends what still runs."""
        for process in self._running.values():
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def _start(self, *words: str, out: int, both: bool = False) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", pdeathsig.__file__, str(os.getpid())),
            *(sys.executable, "-P", "-c", _CODE, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT if both else asyncio.subprocess.DEVNULL,
            cwd=self.root,
        )


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


def _reading(made: MCPServer[Any], commands: Commands) -> None:
    @made.tool(annotations=READS)
    async def tasks() -> CallToolResult:
        """What can be searched on: tasks with their recipes and baselines."""
        return await commands.read("tasks", None)

    @made.tool(annotations=READS)
    async def status(folder: Folder) -> CallToolResult:
        """Where a campaign stands: state, counts, front with intervals, failures, costs (status/1)."""
        return await commands.read("status", folder)

    @made.tool(annotations=READS)
    async def candidates(
        folder: Folder,
        where: Annotated[str, Field(description="A filter, such as: error<0.1 op:lm* front:yes")] = "",
        limit: Annotated[int, Field(ge=1, le=1000)] = 50,
    ) -> CallToolResult:
        """Candidates by id, a row each (list/1)."""
        return await commands.read("list", folder, f"--limit={limit}", after=("--", where) if where else ())

    @made.tool(annotations=READS)
    async def show(folder: Folder, candidate: Id) -> CallToolResult:
        """One candidate: parents, evaluations, whether it is better, source (show/1)."""
        return await commands.read("show", folder, after=(str(candidate),))

    @made.tool(annotations=READS)
    async def differ(folder: Folder, first: Id, second: Id) -> CallToolResult:
        """Whether the errors of two candidates can be told apart; if not, how many training seeds of each it
        would take.
        """
        path = commands.inside(folder)
        return refusal(f"{folder!r} is outside") if path is None else _result(told_apart(path, first, second))


def _writing(made: MCPServer[Any], commands: Commands) -> None:
    @made.tool(annotations=WRITES)
    async def init(
        folder: Folder,
        task: str = "mnist1d",
        evaluations: Annotated[int, Field(ge=1, description="The budget: candidates that are trained.")] = 80,
        lm: Literal["embedded", "openai", "transformers", "none"] = "none",
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> CallToolResult:
        """Writes a new campaign's folder: campaign.toml, commented, and its baselines."""
        words = [f"--task={task}", f"--evaluations={evaluations}", f"--lm={lm}", f"--seed={seed}"]
        return commands.refused("run") or await commands.write("init", folder, *words)

    @made.tool(annotations=WRITES)
    async def estimate(folder: Folder) -> CallToolResult:
        """What a run would cost: one child of each operator is made in a copy (dry-run/1). Before run."""
        return commands.refused("run") or await commands.read("run", folder, "--dry-run")

    @made.tool(annotations=WRITES)
    async def run(folder: Folder) -> CallToolResult:
        """Starts a campaign, or goes on with it, until its budget is spent. Returns at once: poll status."""
        return commands.refused("run") or await commands.begin(folder)

    @made.tool(annotations=WRITES)
    async def stop(folder: Folder) -> CallToolResult:
        """Ends a run that this server started, when what is under way is done; run goes on from there."""
        return commands.refused("run") or await commands.stop(folder)

    @made.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=True))
    async def confirm(folder: Folder, candidate: Id) -> CallToolResult:
        """Opens the sealed test of one candidate, once: a person decides that, never a search (confirm/1)."""
        return commands.refused("confirm") or await commands.read(
            "confirm", folder, f"--candidate={candidate}", "--top=0"
        )


async def serve(root: Path, allowed: Collection[Allowed]) -> None:
    """Serves until standard input ends; what it runs ends then, resumable."""
    made, commands = server(root, allowed)
    try:
        await made.run_stdio_async()
    finally:
        await commands.end()

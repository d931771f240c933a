"""evoarch's commands as a program calls them: each in its own process, answered by what it prints as JSON.

So a tool and a person read the same. What was not allowed is refused in a form that a program can read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evoarch.agent.base import pdeathsig

Allowed = Literal["run", "confirm"]

SECONDS = 600.0
"""How long a command that reads may take."""

LOG = "mcp-run.json"
"""In a campaign's folder: what `evoarch run --json` printed at its end."""

_CODE = "from evoarch.agent.cli import main; main()"


@dataclass(frozen=True)
class Answer:
    """What a tool answers: a JSON object, and whether it is an error."""

    value: Mapping[str, Any]
    is_error: bool = False


def refusal(why: str, needs: str = "") -> Answer:
    """What was not done, `why`, and what a person has to do before it can be ("": nothing)."""
    return Answer({"schema": "refusal/1", "refused": why, "needs": needs}, is_error=True)


class Commands:
    """Runs evoarch's commands for tools. `root`: every campaign is in it; `allowed`: what may be done besides
    reading.
    """

    def __init__(self, root: Path, allowed: Collection[Allowed]) -> None:
        self.root, self.allowed = root.resolve(), allowed
        self._running: dict[Path, asyncio.subprocess.Process] = {}

    def refused(self, what: Allowed) -> Answer | None:
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

    async def read(self, command: str, folder: str | None, *words: str, after: Sequence[str] = ()) -> Answer:
        """What the command prints. `after`: words behind the folder."""
        place = []
        if folder is not None:
            path = self.inside(folder)
            if path is None:
                return self.outside(folder)
            place = [str(path)]
        process = await self._start(command, "--json", *words, *place, *after, out=asyncio.subprocess.PIPE)
        try:
            out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        except TimeoutError:
            process.kill()
            return refusal(f"evoarch {command} took longer than {SECONDS:g} s")
        try:
            return Answer(json.loads(out), is_error=process.returncode != 0)
        except json.JSONDecodeError:
            return refusal(f"evoarch {command} ended with code {process.returncode} and printed no JSON")

    def outside(self, folder: str) -> Answer:
        """The refusal of a folder outside of the root."""
        return refusal(f"{folder!r} is outside of {self.root}", "evoarch mcp --root DIR")

    async def write(self, command: str, folder: str, *words: str) -> Answer:
        """Runs a command that prints lines, not JSON."""
        path = self.inside(folder)
        if path is None:
            return self.outside(folder)
        process = await self._start(command, str(path), *words, out=asyncio.subprocess.PIPE, both=True)
        out, _ = await process.communicate()
        text = out.decode(errors="replace")
        return refusal(text.strip()) if process.returncode else Answer({"printed": text})

    async def begin(self, folder: str) -> Answer:
        """Starts `evoarch run`; it goes on beside the server, and ends with it, resumable."""
        path = self.inside(folder)
        if path is None:
            return self.outside(folder)
        running = self._running.get(path)
        if running is not None and running.returncode is None:
            return refusal(f"{folder} runs already")
        if not (path / "campaign.toml").is_file():
            return refusal(f"{folder}: there is no campaign.toml", "the tool init")
        with (path / LOG).open("wb") as log:
            self._running[path] = await self._start("run", str(path), "--json", out=log.fileno())
        return Answer({"started": folder, "next": "the tool status tells how it goes"})

    async def stop(self, folder: str) -> Answer:
        """Ends what `begin` started, when what is under way is done."""
        path = self.inside(folder)
        running = self._running.get(path) if path else None
        if running is None or running.returncode is not None:
            return refusal(f"this server does not run {folder}")
        running.terminate()
        await running.wait()
        return Answer({"stopped": folder})

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

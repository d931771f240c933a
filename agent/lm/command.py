"""Any program as a language model: the prompt on its standard input, the reply on its standard output."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

from agent.lm import tether
from agent.lm.seam import Complete, LMError, LMReply, LMRequest
from agent.lm.settings import LMSettings

MOST_BYTES = 4 << 20
"""Of one reply. A program that writes more is ended."""

CHARACTERS_A_TOKEN = 3
"""For the estimate of tokens: a program does not say what it counted. Code's upper bound."""


class CommandLM:
    """Runs `settings.command` once a sample, without a shell, in a process group of its own that is killed at
    the timeout, when nobody waits for it any longer, and with this process.

    `{seed}`, `{temperature}` and `{max_tokens}` in the arguments stand for a request's; the samples of one
    request have seeds that follow each other. The reply is cut at the first stop string.
    """

    def __init__(self, settings: LMSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.chat = settings.chat
        self._slots = asyncio.Semaphore(settings.concurrency)

    async def check(self, complete: Complete | None = None) -> None:
        """Whether the program is there; it is not run."""
        program = self.settings.command[0]
        if shutil.which(program) is None:
            raise LMError(f"{self.name}: no program {program!r} here; set [[lm]] command")

    async def complete(self, request: LMRequest) -> LMReply:
        """One run a sample. Samples that came are kept where others failed; LMError where all did."""
        await self.check()
        if request.soft_prompt:
            raise LMError(f"{self.name}: a program takes no soft prompt; use a local backend")
        began = time.monotonic()
        prompt = request.prompt or "\n\n".join(message["content"] for message in request.messages)
        seeds = range(request.seed, request.seed + request.n)
        runs = [asyncio.create_task(self._sample(request, prompt, seed)) for seed in seeds]
        try:
            results = await asyncio.gather(*runs, return_exceptions=True)
        finally:
            for task in runs:
                task.cancel()
        texts = [result for result in results if isinstance(result, str)]
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors and not texts:
            raise errors[0]
        tokens = (
            -(-len(prompt) // CHARACTERS_A_TOKEN) * len(texts),
            -(-sum(map(len, texts)) // CHARACTERS_A_TOKEN),
        )
        price = tokens[0] * self.settings.price_prompt + tokens[1] * self.settings.price_completion
        detail = {"usage": "estimated", **({"problem": str(errors[0])} if errors else {})}
        cut = tuple(_cut(text, request.stop) for text in texts)
        seconds = time.monotonic() - began
        return LMReply(cut, ("stop",) * len(cut), *tokens, seconds, price / 1e6, detail)

    async def close(self) -> None:
        """Holds nothing: each run ends with the call that asked for it."""

    async def _sample(self, request: LMRequest, prompt: str, seed: int) -> str:
        values = {
            "{seed}": str(seed),
            "{temperature}": str(request.temperature),
            "{max_tokens}": str(min(request.max_tokens, self.settings.max_tokens)),
        }
        async with self._slots:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", tether.__file__, str(os.getpid())),
                *(_filled(argument, values) for argument in self.settings.command),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(self.settings.timeout):
                    text, said = await _talk(process, prompt.encode("utf-8", "backslashreplace"))
                    code = await process.wait()
            except TimeoutError:
                raise LMError(
                    f"{self.name}: no reply within {self.settings.timeout:g} s; set [[lm]] timeout higher",
                    retriable=True,
                ) from None
            finally:
                await _end(process)
        if len(text) > MOST_BYTES:
            raise LMError(f"{self.name}: expected a reply of at most {MOST_BYTES} bytes", retriable=True)
        if code != 0:
            lines = said.decode(errors="replace").strip().split("\n")
            raise LMError(f"{self.name}: ended with code {code}: {lines[-1][:300]}", retriable=True)
        return text.decode("utf-8", "backslashreplace")


async def _talk(process: Process, prompt: bytes) -> tuple[bytes, bytes]:
    """What it wrote to standard output, and the end of its errors; at too much of the first it is killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None

    async def ask(stdin: asyncio.StreamWriter) -> None:
        # A program may answer without reading everything.
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(prompt)
            await stdin.drain()
            stdin.close()
            await stdin.wait_closed()

    _, text, said = await asyncio.gather(ask(process.stdin), _most(process), _last(process.stderr))
    return text, said


async def _most(process: Process) -> bytes:
    assert process.stdout is not None
    text = bytearray()
    while part := await process.stdout.read(1 << 16):
        text += part[: MOST_BYTES + 1 - len(text)]
        if len(text) > MOST_BYTES:
            _kill(process)
    return bytes(text)


async def _last(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while part := await stream.read(1 << 16):
        kept = (kept + part)[-4096:]
    return kept


def _kill(process: Process) -> None:
    """All of its process group, itself included."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _end(process: Process) -> None:
    """Kills what is left. The pipes close only once they are read to their end."""
    _kill(process)
    await process.communicate()


def _filled(argument: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        argument = argument.replace(name, value)
    return argument


def _cut(text: str, stops: Sequence[str]) -> str:
    at = min((place for place in (text.find(stop) for stop in stops) if place >= 0), default=len(text))
    return text[:at]

"""Any program as a language model: the prompt on its standard input, the reply on its standard output."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from evoarch.agent.base import pdeathsig
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest, one_by_one

MOST_BYTES = 4 << 20
"""Of one reply. A program that writes more is ended."""

CHARACTERS_A_TOKEN = 3
"""For the estimate of tokens: a program does not say what it counted. Code's upper bound."""


class CommandLM:
    """Runs `settings.command` once a sample, without a shell, in a process group of its own that is killed at
    the timeout and when nobody waits for it any longer. Where this process is killed, the program itself ends
    with it; what it started sees its parent gone.

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
        return await one_by_one(self._complete, request)

    async def _complete(self, request: LMRequest) -> LMReply:
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
        command = [_filled(argument, values) for argument in self.settings.command]
        async with self._slots:
            said = await self._run(command, prompt.encode("utf-8", "backslashreplace"))
        text, code = bytes(said.text), said.code
        if len(text) > MOST_BYTES:
            raise LMError(f"{self.name}: expected a reply of at most {MOST_BYTES} bytes", retriable=True)
        if code != 0:
            lines = said.errors.decode(errors="replace").strip().split("\n")
            raise LMError(f"{self.name}: ended with code {code}: {lines[-1][:300]}", retriable=True)
        return text.decode("utf-8", "backslashreplace")

    async def _run(self, command: Sequence[str], prompt: bytes) -> _Said:
        """One run to its end. Raises LMError where it can't be started, or takes longer than `timeout`."""
        try:
            transport, said = await asyncio.get_running_loop().subprocess_exec(
                lambda: _Said(prompt),
                *(sys.executable, "-I", pdeathsig.__file__, str(os.getpid()), *command),
                start_new_session=True,
            )
        except OSError as error:
            raise LMError(
                f"{self.name}: can't start {command[0]!r} ({error.strerror})", retriable=True, unanswered=0
            ) from None
        try:
            async with asyncio.timeout(self.settings.timeout):
                await said.over.wait()
        except TimeoutError:
            raise LMError(
                f"{self.name}: no reply within {self.settings.timeout:g} s; set [[lm]] timeout higher",
                retriable=True,
            ) from None
        finally:
            await _end(transport, said)
        return said


class _Said(asyncio.SubprocessProtocol):
    """What a program wrote to standard output, and the end of its errors; at too much output it is killed.

    `over` once it has ended and its pipes are closed, which is later where another holds them.
    """

    def __init__(self, prompt: bytes) -> None:
        self._prompt = prompt
        self._transport: asyncio.SubprocessTransport | None = None
        self.text = bytearray()
        self.errors = b""
        self.over = asyncio.Event()

    @property
    def code(self) -> int | None:
        return self._transport.get_returncode() if self._transport else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        # A program may answer without reading everything: that its end of the pipe is closed is no error.
        stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        stdin.write(self._prompt)
        stdin.write_eof()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.errors = (self.errors + data)[-4096:]
            return
        self.text += data[: MOST_BYTES + 1 - len(self.text)]
        if len(self.text) > MOST_BYTES and self._transport is not None:
            _kill(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


def _kill(transport: asyncio.SubprocessTransport) -> None:
    """All of its process group, itself included."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(transport.get_pid(), signal.SIGKILL)


async def _end(transport: asyncio.SubprocessTransport, said: _Said) -> None:
    """Kills what is left. Who left its process group may hold the pipes for long: they are closed unread."""
    _kill(transport)
    stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
    if stdin.get_write_buffer_size():  # else it is closed already
        stdin.abort()
    for fd in (1, 2):
        cast(asyncio.ReadTransport, transport.get_pipe_transport(fd)).close()
    try:
        await said.over.wait()
    finally:
        transport.close()


def _filled(argument: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        argument = argument.replace(name, value)
    return argument


def _cut(text: str, stops: Sequence[str]) -> str:
    at = min((place for place in (text.find(stop) for stop in stops) if place >= 0), default=len(text))
    return text[:at]

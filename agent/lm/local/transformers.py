"""A local model in a process of its own, so that the campaign's loop never waits for arithmetic."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from evoarch.agent.base.package import ROOT
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest
from evoarch.agent.lm.local.soft_prompts import path_of

LINE_LIMIT = 64 << 20
"""Bytes of the longest line from the worker: 64 samples of 4096 tokens stay far below."""

PASSED = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
"""Of the environment, what the worker gets: no key of another model."""


class TransformersLM:
    """A folder saved by transformers, or a GGUF file. Starts its process at the first call.

    `soft_prompts`: the folder with those that requests may name by their digest.
    One request at a time; the n samples of a request are one batch. Belongs to one event loop.
    """

    def __init__(self, settings: LMSettings, soft_prompts: Path | None = None) -> None:
        if settings.path is None:
            raise LMError("expected [[lm]] path, a model folder or a GGUF file, got none")
        self.settings, self._soft_prompts = settings, soft_prompts
        self.path = settings.path
        self.name = settings.name
        self.chat = settings.chat
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._errors: Any = None
        self._number = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id while it runs."""
        return self._process.pid if self._process is not None else None

    async def check(self, complete: Complete | None = None) -> None:
        """Loads the model."""
        async with self._turn:
            await self._start()

    async def complete(self, request: LMRequest) -> LMReply:
        """As LM.complete; one request at a time."""
        soft_prompt = self._soft_prompt(request.soft_prompt)
        async with self._turn:
            process = await self._start()
            began = time.monotonic()
            self._number += 1
            asked = {
                "id": self._number,
                "prompt": request.prompt,
                "messages": [dict(each) for each in request.messages],
                "n": request.n,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "seed": request.seed,
                "max_tokens": min(request.max_tokens, self.settings.max_tokens),
                "stop": list(request.stop),
                "soft_prompt": soft_prompt,
                "ends": list(request.ends),
            }
            answer = await self._ask(process, asked)
        seconds = time.monotonic() - began
        if answer.get("kind") == "TooLongError":
            return LMReply((), (), 0, 0, seconds, detail={"problem": answer["error"]})
        if "error" in answer:
            raise LMError(f"{self.name}: {answer['error']}")
        tokens = (answer["prompt_tokens"], answer["completion_tokens"])
        price = tokens[0] * self.settings.price_prompt + tokens[1] * self.settings.price_completion
        return LMReply(
            tuple(answer["texts"]),
            tuple(answer["finish_reasons"]),
            *tokens,
            seconds,
            price / 1e6,
            {"cpu_seconds": answer["cpu_seconds"]},
        )

    def _soft_prompt(self, digest: str) -> str:
        """The file of that digest, "" for none."""
        if not digest:
            return ""
        if self._soft_prompts is None:
            raise LMError(f"{self.name}: soft prompt {digest[:12]}: this model was given no folder of them")
        path = path_of(self._soft_prompts, digest).resolve()
        if not path.is_file():
            raise LMError(f"{self.name}: expected the soft prompt {path}, which is not there")
        return str(path)

    async def close(self) -> None:
        """End the worker process."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            # Read to the end: the pipe's transport closes only then.
            await process.communicate()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    async def _start(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self.close()
        if not self.path.exists():
            raise LMError(f"{self.name}: no model at {self.path}: set [[lm]] path to a folder or a GGUF file")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        threads = str(self.settings.threads)
        environment = {name: value for name, value in os.environ.items() if name in PASSED}
        environment |= {"OMP_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-P",
                "-m",
                "evoarch.agent.lm.local.worker",
                str(self.path),
                threads,
                str(os.getpid()),
            ),
            self.settings.device,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            limit=LINE_LIMIT,
        )
        hello = await self._line(self._process)
        if "error" in hello:
            await self.close()
            raise LMError(f"{self.name}: can't load {self.path}: {hello['error']}")
        return self._process

    async def _ask(self, process: asyncio.subprocess.Process, asked: dict[str, Any]) -> dict[str, Any]:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            await process.stdin.drain()
        except OSError:
            raise await self._gone() from None
        while True:
            answer = await self._line(process)
            if answer.get("id") == asked["id"]:  # another's was for a call that was cancelled
                return answer

    async def _line(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise await self._gone()
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _gone(self) -> LMError:
        """The worker died: the next call starts another."""
        said = ""
        if self._errors is not None:
            self._errors.seek(0)
            said = self._errors.read()[-300:].decode(errors="replace").strip().split("\n")[-1]
        code = await self._process.wait() if self._process is not None else None
        await self.close()
        return LMError(f"{self.name}: the model's process ended with code {code} ({said})", retriable=True)

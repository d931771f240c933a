"""Training a soft prompt for a local model, in a process of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from evoarch.agent.base.package import ROOT
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.load import Config
from evoarch.agent.config.rounds import TuningTable
from evoarch.agent.lm.base import LMError
from evoarch.agent.lm.local.embedded import prepare
from evoarch.agent.lm.local.soft_prompts import FOLDER
from evoarch.agent.lm.local.transformers import LINE_LIMIT
from evoarch.agent.tuning.data import TuningData

PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
"""Of the environment, what the process gets."""


class LocalTuner:
    """Soft prompts for the model of `settings`, kept in `folder`/soft_prompts."""

    def __init__(self, settings: LMSettings, table: TuningTable, folder: Path, seed: int) -> None:
        self._settings, self._table = settings, table
        self._folder, self._seed = folder / FOLDER, seed

    async def tune(self, data: TuningData, *, after: str, number: int) -> Tuned:
        """Ends its process however it is left. Raises LMError."""
        model = self._settings.path
        if self._settings.backend == "embedded":
            model = await asyncio.to_thread(prepare)
        assert model is not None
        began = time.monotonic()
        order = {
            "model": str(model),
            "table": self._table.model_dump(),
            "folder": str(self._folder.resolve()),
            "training": [(each.prompt, each.completion) for each in data.training],
            "held_out": [(each.prompt, each.completion) for each in data.held_out],
            "after": after,
            "number": number,
            "seed": self._seed + number,
        }
        digest = hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()
        done = await self._run({**order, "digest": digest})
        (self._folder / f"round-{number}.checkpoint").unlink(missing_ok=True)
        return Tuned(
            digest=done["digest"],
            losses=done["losses"],
            before=done["before"],
            after=done["after"],
            seconds=time.monotonic() - began,
            cpu_seconds=done["cpu_seconds"],
        )

    async def _run(self, order: dict[str, object]) -> dict[str, Any]:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
        with tempfile.TemporaryFile() as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "evoarch.agent.tuning.worker", str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=environment,
                limit=LINE_LIMIT,
            )
            try:
                out, _ = await process.communicate(json.dumps(order).encode())
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.communicate()
            last = json.loads(out.decode().strip().split("\n")[-1] or "{}")
            if "done" in last:
                return dict(last["done"])
            errors.seek(0)
            said = errors.read()[-300:].decode(errors="replace").strip().split("\n")[-1]
        why = last.get("error") or f"its process ended with code {process.returncode} ({said})"
        raise LMError(f"tuning {self._settings.name or self._settings.backend}: {why}")


def build_tuner(config: Config, folder: Path) -> Tuner | None:
    """The tuner that a campaign in rounds has, if it has one."""
    if config.rounds is None or not config.tuning.enabled:
        return None
    name = next(each.lm for each in config.operators if each.name == "lm.rewrite")
    settings = next(each for each in config.lm if each.name == name)
    return LocalTuner(settings, config.tuning, folder, config.campaign.seed)


@dataclass(frozen=True)
class Tuned:
    """A soft prompt that is saved under `digest`. `losses`: the training loss of each epoch; `before` and
    `after`: nats a token on what was held out, with the soft prompt it began from (or none) and with this
    one, None where nothing was held out. `seconds` of wall clock, `cpu_seconds` of the training process; of
    a training that was cut off, since it went on.
    """

    digest: str
    losses: Sequence[float]
    before: float | None
    after: float | None
    seconds: float
    cpu_seconds: float

    def as_json(self) -> dict[str, object]:
        """All fields as JSON has them."""
        return asdict(self)


class Tuner(Protocol):
    """Trains soft prompts. Raises LMError."""

    async def tune(self, data: TuningData, *, after: str, number: int) -> Tuned:
        """Goes on from the soft prompt `after` ("": from none). `number` names the round: a training that
        was cut off is gone on with under the same number.
        """
        ...

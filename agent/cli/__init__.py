"""The command line: one file per noun. Only this package prints or exits."""

from __future__ import annotations

import sys

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli import (
    campaigns,
    candidates,
    compare,
    confirm,
    export,
    machine,
    models,
    report,
    review,
    seed,
    tuning,
)
from evoarch.archive.errors import ArchiveError
from evoarch.evaluators.task import TaskError


class Commands(click.Group):
    """A group whose expected errors are one line on stderr and an exit code, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"evoarch: {error}", err=True)
            sys.exit(error.code)
        except TaskError as error:
            click.echo(f"evoarch: {error}", err=True)
            sys.exit(2)
        except ArchiveError as error:
            click.echo(f"evoarch: {error}", err=True)
            sys.exit(1)
        except BrokenPipeError:
            sys.exit(0)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="evoarch")
def main() -> None:
    """Evolve neural architectures as PyTorch source code.

    \b
    Example:
      evoarch init demo --task mnist1d
      evoarch run demo
      evoarch status demo
    """


for command in (
    campaigns.init,
    campaigns.run,
    campaigns.status,
    candidates.list_,
    candidates.show,
    candidates.diff,
    candidates.lineage,
    export.export,
    compare.compare,
    confirm.confirm,
    review.review,
    report.report,
    models.check,
    models.evaluate,
    seed.seed,
    tuning.tuning,
    machine.tasks,
    machine.doctor,
):
    main.add_command(command)

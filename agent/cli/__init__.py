"""The command line: one file per noun. Only this package prints or exits.

A command's file is imported when the command is called or its help is shown. At its top it imports click and
light modules alone, so that help and shell completion cost little; what the command works with is imported in
its body.
"""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.formatting import printable
from evoarch.agent.cli.common import INTERRUPTED, PRINTED, print_json
from evoarch.archive.errors import ArchiveError
from evoarch.evaluators.errors import TaskError

COMMANDS: Mapping[str, str] = {
    "check": "models",
    "compare": "compare",
    "config": "config",
    "confirm": "confirm",
    "diff": "candidates",
    "doctor": "machine",
    "evaluate": "models",
    "explain": "explain",
    "export": "export",
    "init": "campaigns",
    "lineage": "candidates",
    "list": "candidates",
    "lm": "lm",
    "mcp": "mcp",
    "report": "report",
    "review": "review",
    "run": "campaigns",
    "scale": "scale",
    "schema": "config",
    "seed": "seed",
    "show": "candidates",
    "space": "space",
    "status": "campaigns",
    "tasks": "machine",
    "track": "track",
    "tuning": "tuning",
    "zoo": "zoo",
}
"""Each command and the module of this package that has it."""


class Commands(click.Group):
    """The commands of `COMMANDS`, each imported when it is asked for.

    An expected error is one line on stderr and an exit code, without a traceback.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the alphabet."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`, imported now; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        found = importlib.import_module(f"{__name__}.{COMMANDS[cmd_name]}")
        # `list` is a built-in type: its function has another name.
        command: click.Command = getattr(found, cmd_name if cmd_name != "list" else "list_")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; notes whether the command is asked for JSON, which its errors are then too."""
        ctx.meta[_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command that the arguments name. Exits with the code of an expected error."""
        words = [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except (UserError, TaskError, ArchiveError) as error:
            code = error.code if isinstance(error, UserError) else 2 if isinstance(error, TaskError) else 1
            click.echo(f"evoarch: {printable(str(error))}", err=True)
            _also(ctx, str(error), code)
            sys.exit(code)
        except click.ClickException as error:
            _also(ctx, error.format_message(), error.exit_code)
            raise
        except KeyboardInterrupt:
            click.echo("evoarch: stopped", err=True)
            sys.exit(INTERRUPTED + signal.SIGINT)
        except BrokenPipeError:
            sys.exit(0)
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception:  # nothing is hidden: what no damaged archive explains is raised on
            if not (problem := _damage_in(words)):
                raise
            click.echo(f"evoarch: {printable(problem)}", err=True)
            _also(ctx, problem, 1)
            sys.exit(1)


def _damage_in(words: Sequence[str]) -> str:
    """What is wrong with the archive of a folder that a command line names; "" where nothing is."""
    from evoarch.archive.damage import damage
    from evoarch.archive.schema import FILE

    for path in [Path(word) / FILE for word in words if not word.startswith("-")]:
        with contextlib.suppress(OSError, ValueError):
            if path.is_file():
                try:
                    if problem := damage(path):
                        return problem
                except ArchiveError as error:
                    return str(error)
    return ""


_JSON = "evoarch.json"
"""Of a context: whether the command was asked for JSON."""


def _also(ctx: click.Context, message: str, code: int) -> None:
    """An error as JSON on standard output, for a script that asked for JSON and has got none yet."""
    if ctx.meta.get(_JSON) and PRINTED not in ctx.meta:
        print_json("error", {"error": message, "code": code})


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

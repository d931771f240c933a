"""What a command loads before it does anything: help loads no library of the product, reading no torch."""

import pkgutil
from importlib import import_module

import click
import pytest
from benchmarks.startup import campaign, commands, measured

from evoarch.agent import cli
from evoarch.agent.cli import COMMANDS, main

NEVER = {
    "torch",
    "openai",
    "transformers",
    "sklearn",
    "scipy.stats",
    "pandas",
    "libcst",
    "sqlite_utils",
    "ray",
}
"""No command that reads loads one of these."""

NOT_FOR_HELP = NEVER | {"numpy", "scipy", "pydantic", "rich", "jinja2", "tomlkit"}


def commands_in(module: str) -> dict[str, str]:
    """The commands that a module of the command line defines, by name, without those of its groups."""
    found = [each for each in vars(import_module(module)).values() if isinstance(each, click.Command)]
    nested = [below for each in found if isinstance(each, click.Group) for below in each.commands.values()]
    return {each.name or "": module.rpartition(".")[2] for each in found if each not in nested}


def test_every_command_is_in_the_table_and_only_those() -> None:
    there: dict[str, str] = {}
    for module in pkgutil.iter_modules(cli.__path__):
        there |= commands_in(f"{cli.__name__}.{module.name}")
    assert there == dict(COMMANDS)
    context = click.Context(main)
    assert main.list_commands(context) == sorted(there)
    for name in there:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(), name
    assert main.get_command(context, "no-such-command") is None


def paths(command: click.Command, *names: str) -> list[list[str]]:
    """The arguments that show the help of `command` and of each below it."""
    if not isinstance(command, click.Group):
        return [[*names, "--help"]]
    context = click.Context(command)
    below = [
        path
        for name in command.list_commands(context)
        if (found := command.get_command(context, name))
        for path in paths(found, *names, name)
    ]
    return [[*names, "--help"], *below]


def test_help_of_every_command_loads_no_library_of_the_product() -> None:
    asked = paths(main)
    assert len(asked) > len(COMMANDS)
    code = f"""
import contextlib
from evoarch.agent.cli import main
for path in {asked!r}:
    with contextlib.suppress(SystemExit):
        main(path)
"""
    found = measured(code, [], {})
    assert found.output.count("Usage:") == len(asked)
    assert not NOT_FOR_HELP & found.modules


def test_completion_in_the_shell_loads_no_library_of_the_product() -> None:
    title = "shell completion"
    found = measured(*commands("demo")[title])
    assert "plain,status" in found.output
    assert not NOT_FOR_HELP & found.modules


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(campaign(tmp_path_factory.mktemp("startup")))


@pytest.mark.parametrize("title", ["status", "list", "show", "diff", "lineage", "tasks", "zoo", "zoo show"])
def test_a_command_that_reads_loads_what_it_shows_with(demo: str, title: str) -> None:
    found = measured(*commands(demo)[title])
    assert found.output
    assert not NEVER & found.modules

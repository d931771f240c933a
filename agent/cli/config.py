"""campaign.toml: its schema for editors, and what is in force in a campaign."""

from __future__ import annotations

from pathlib import Path

import click

from evoarch.agent.base.errors import files_told
from evoarch.agent.cli.common import folder_argument, json_option, print_json, tell


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it there.")
def schema(output: Path | None) -> None:
    """Print the JSON schema of campaign.toml, for editors. `init` writes it beside a new campaign.toml.

    \b
    Example:
      evoarch schema -o demo/campaign.schema.json
    """
    from evoarch.agent.config.schema import schema_text

    text = schema_text()
    if output is None:
        click.echo(text, nl=False)
        return
    with files_told(output):
        output.write_text(text, encoding="utf-8")
    click.echo(f"wrote {output}")


@click.command()
@folder_argument
@click.option("--explain", "key", metavar="KEY", help="One key, `table.key`: its meaning, default and unit.")
@json_option
def config(folder: Path, key: str | None, as_json: bool) -> None:
    """Show what a campaign says beside the defaults, and where each setting was said; or one key.

    \b
    Example:
      evoarch config demo
      evoarch config demo --explain evaluation.repeats
    """
    from evoarch.agent.cli.output import console, table
    from evoarch.agent.config.in_force import in_force
    from evoarch.agent.config.recorded import settings_of, shown
    from evoarch.agent.config.reference import explained

    settings = settings_of(folder)
    tell(settings.notes)
    found = in_force(settings)
    if key is None:
        rows = [each for each in found if each.place != "default"]
        if as_json:
            print_json("config", [each.as_json() for each in rows])
        else:
            cells = [(each.key, shown(each.value), each.place) for each in rows]
            console().print(table("", ("key", "value", "from"), cells))
        return
    meant = explained(key)
    rows = [each for each in found if each.plain == meant.name]
    if as_json:
        about = {"default": meant.default_text, "unit": meant.unit, "allowed": meant.allowed}
        rows_json = [each.as_json() for each in rows]
        print_json("config-key", {"key": meant.name, "meaning": meant.meaning, **about, "rows": rows_json})
        return
    unit = f" ({meant.unit})" if meant.unit else ""
    click.echo(f"{meant.name}{unit}: {meant.meaning}")
    click.echo(f"may be: {meant.allowed.replace('`', '')}; default: {meant.default_text}")
    for each in rows:
        click.echo(f"in force: {each.key} = {shown(each.value)} (from {each.place})")
    if not rows:
        click.echo(f"in force: none, this campaign has no [{meant.name.rpartition('.')[0]}]")

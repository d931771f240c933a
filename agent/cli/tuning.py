"""tuning: what a campaign's soft prompts are trained on, as a file for other models."""

from __future__ import annotations

from pathlib import Path

import click

from evoarch.agent.base.endings import refuse_other_ending
from evoarch.agent.base.errors import files_told
from evoarch.agent.cli.common import folder_argument
from evoarch.agent.cli.trust import agree, trust_option


@click.group()
def tuning() -> None:
    """The data that models learn from in a campaign.

    \b
    Example:
      evoarch tuning export demo -o demo.jsonl
    """


@tuning.command()
@folder_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", required=True
)
@trust_option
@click.option("--chat", is_flag=True, help="Messages, in place of prompt and completion.")
@click.option("--all", "everyone", is_flag=True, help="Every child that was kept, trained on or not.")
def export(folder: Path, output: Path, trust: bool, chat: bool, everyone: bool) -> None:
    """Write a campaign's tuning data as JSON Lines, as services for fine-tuning take it.

    Each line is a child under its own metrics: in rounds those that were kept and did not become parents.
    What is held out, whole lineages, goes into a second file, FILE with `.held-out` before its ending.

    \b
    Example:
      evoarch tuning export demo -o demo.jsonl --chat
    """
    from evoarch.agent.cli.output import reading
    from evoarch.agent.config.trust import code_of
    from evoarch.agent.tuning.export import exported_data, json_lines
    from evoarch.evaluators.tasks import load_task

    refuse_other_ending("-o", output, (".jsonl", ".ndjson", ".json"), "JSON Lines")
    store, config = reading(folder)
    agree(folder, code_of(config, folder), trust=trust)
    offers = load_task(config.campaign.task, folder).offers
    data = exported_data(store, config, offers, everyone=everyone)
    aside = output.with_name(f"{output.stem}.held-out{output.suffix}")
    for path, examples in ((output, data.training), (aside, data.held_out)):
        with files_told(path):
            path.write_text(json_lines(examples, chat=chat), encoding="utf-8")
        click.echo(f"wrote {path}: {len(examples)} examples")

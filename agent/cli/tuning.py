"""tuning: what a campaign's soft prompts are trained on, as a file for other models."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import folder_argument


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
@click.option("--chat", is_flag=True, help="Messages, in place of prompt and completion.")
@click.option("--all", "everyone", is_flag=True, help="Every child that was kept, trained on or not.")
def export(folder: Path, output: Path, chat: bool, everyone: bool) -> None:
    """Write a campaign's tuning data as JSON Lines, as services for fine-tuning take it.

    Each line is a child under its own metrics: in rounds those that were kept and did not become parents.
    What is held out, whole lineages, goes into a second file, FILE with `.held-out` before its ending.

    \b
    Example:
      evoarch tuning export demo -o demo.jsonl --chat
    """
    from evoarch.agent.cli.output import reading
    from evoarch.agent.tuning.data import member_of, tuning_data
    from evoarch.evaluators.tasks import load_task

    store, config = reading(folder)
    learnt = [i for event in store.events(kind="round") for i in _ids(event.detail["training"])]
    if everyone or config.rounds is None:
        limit = config.rounds.threshold if config.rounds else 1.0
        bred = [c.id for c in store.scored(sources=False) if c.operator != "seed"]
        found = {identity: member_of(store, identity) for identity in bred}
        learnt = [identity for identity, each in found.items() if each and each.error <= limit]
    if not learnt:
        raise UserError(f"{folder}: expected children to train on, the archive has none yet", code=1)
    data = tuning_data(store, learnt, config, load_task(config.campaign.task, folder).offers)
    aside = output.with_name(f"{output.stem}.held-out{output.suffix}")
    for path, examples in ((output, data.training), (aside, data.held_out)):
        lines = [_line(each.prompt, each.completion, chat=chat) for each in examples]
        try:
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}", code=1) from None
        click.echo(f"wrote {path}: {len(lines)} examples")


def _line(prompt: str, completion: str, *, chat: bool) -> str:
    if not chat:
        return json.dumps({"prompt": prompt, "completion": completion})
    ask = f"Complete this PyTorch model file. Answer with the rest of the file alone.\n\n{prompt}"
    messages = [{"role": "user", "content": ask}, {"role": "assistant", "content": completion}]
    return json.dumps({"messages": messages})


def _ids(value: object) -> list[int]:
    return [int(each) for each in value] if isinstance(value, list | tuple) else []

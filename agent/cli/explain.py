"""explain: which edits of a candidate's descent earned its gain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evoarch.agent.cli.common import (
    folder_argument,
    id_argument,
    jobs_option,
    json_option,
    print_json,
    tell,
    unsafe_option,
)
from evoarch.agent.cli.trust import agree, trust_option

if TYPE_CHECKING:
    from evoarch.agent.studies.ablation import Explanation, Variant


@click.command()
@folder_argument
@id_argument
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=2), help="Trainings of each.")
@click.option(
    "--retune",
    default=0,
    show_default=True,
    type=click.IntRange(min=0, max=1000),
    metavar="N",
    help="Try N other settings of each model's numbers first, one training each.",
)
@click.option("--recipe", default="", help="How to train.  [default: as the campaign does]")
@jobs_option
@click.option("--dry-run", is_flag=True, help="Say what would be trained, and how long; train nothing.")
@unsafe_option
@trust_option
@json_option
def explain(
    folder: Path,
    identity: int,
    seeds: int,
    retune: int,
    recipe: str,
    jobs: int | None,
    dry_run: bool,
    unsafe: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Train candidate ID without each edit of its descent, and say which edits carried its gain.

    Each edit that its lineage made and that is still in it is taken out alone, shapes are mended, and what is
    left is trained with --seeds new seeds, as are the candidate and its seed. Errors are of the validation
    split. Intervals hold for all edits together. Killed, the same command goes on; with more --seeds it
    trains those that are missing.

    \b
    Examples:
      evoarch explain demo 41 --dry-run
      evoarch explain demo 41 --seeds 5
      evoarch explain demo 41 --retune 10 --json
    """
    from evoarch.agent.cli.interrupt import until_stopped
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.config.trust import code_of
    from evoarch.agent.studies import ablation
    from evoarch.agent.studies.pictures import effects, write

    settings = settings_of(folder)
    tell(settings.notes)
    agree(folder, code_of(settings.config, folder), trust=trust)
    study = ablation.Study(seeds, retune, recipe, jobs, unsafe)
    found = until_stopped(ablation.explain(folder, identity, study, _say, train=not dry_run))
    picture = None if dry_run else write(folder, f"explain-{identity}", effects(found))
    if as_json:
        print_json("explain", _json(found, picture))
        return
    _print(found)
    if picture:
        click.echo(f"picture: {picture}")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _json(found: Explanation, picture: Path | None) -> dict[str, object]:
    seconds = None if found.seconds is None else found.todo * found.seconds
    return {
        "id": found.identity,
        "candidate": _row(found.winner),
        "seed": _row(found.seed),
        "edits": [_row(each) for each in found.edits],
        "todo": found.todo,
        "todo_cpu_s": seconds,
        "cpu_s": found.spent,
        "picture": picture,
    }


def _row(each: Variant) -> dict[str, object]:
    edit, effect = each.edit, each.effect
    return {
        "name": each.name,
        "step": edit.child if edit else None,
        "operator": each.operator,
        "edit": str(edit) if edit else "",
        "params": each.params or None,
        "mended": list(each.mended),
        "error": each.error,
        "errors": [training.error for training in each.trainings],
        "effect": effect and effect.mean,
        "interval": effect and [effect.low, effect.high],
        "verdict": each.verdict,
        "source": each.source,
    }


def _print(found: Explanation) -> None:
    from evoarch.agent.cli.output import console, table

    columns = ["", "step", "without this edit", "params", "seeds", "error", "error more, in points"]
    columns.append("the edit")
    rows: list[list[object]] = []
    for number, each in enumerate((found.winner, found.seed, *found.edits), -1):
        effect = ""
        if each.effect:
            effect = "{:+.2f} [{:+.2f}, {:+.2f}]".format(
                *(100 * value for value in (each.effect.mean, each.effect.low, each.effect.high))
            )
        rows.append(
            [
                str(number) if number > 0 else "",
                f"#{each.edit.child}" if each.edit else "",
                str(each.edit or each.name),
                each.params or None,
                len(each.trainings),
                None if each.error is None else f"{each.error:.2%}",
                effect,
                each.verdict if each.edit else "",
            ]
        )
    title = f"candidate {found.identity} without each edit of its descent"
    console().print(table(title, columns, rows, ("seeds", "step", "params")))
    if found.todo:
        took = f", about {found.todo * found.seconds:,.0f} CPU seconds" if found.seconds else ""
        click.echo(f"to be trained: {found.todo} times{took}")
    else:
        click.echo(
            f"Intervals at 95% for all edits together, over training seeds and examples; "
            f"{found.spent:,.0f} CPU seconds."
        )

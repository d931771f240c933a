"""space: random settings of a candidate's family, as a distribution of errors."""

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
    from evoarch.agent.studies.populations import Population, Spaces


@click.command()
@folder_argument
@id_argument
@click.option(
    "--samples", default=30, show_default=True, type=click.IntRange(2, 10_000), help="Models of each."
)
@click.option(
    "--against", default="", metavar="ID2", help="Compare with this candidate's family; or: random."
)
@click.option(
    "--bounds", multiple=True, metavar="NAME=LOW:HIGH", help="Draw a knob from here; again for more."
)
@click.option("--recipe", default="", help="How to train.  [default: as the campaign does]")
@jobs_option
@click.option("--dry-run", is_flag=True, help="Build the models and say how long it would take; train none.")
@unsafe_option
@trust_option
@json_option
def space(
    folder: Path,
    identity: int,
    samples: int,
    against: str,
    bounds: tuple[str, ...],
    recipe: str,
    jobs: int | None,
    dry_run: bool,
    unsafe: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Train random settings of the numbers of candidate ID, and show how its whole family does.

    The numbers are lifted out of its source, drawn anew, and each model that builds is trained once. Shown
    are the quantiles of the errors, a picture of their distribution, and narrower bounds where the best
    values lie in a part of a range. With --against two populations are compared at equal sizes. Killed, the
    same command goes on; with more --samples it trains those that are missing.

    \b
    Examples:
      evoarch space demo 41 --dry-run
      evoarch space demo 41 --samples 30 --against random
      evoarch space demo 41 --bounds width0=8:24 --against 41
    """
    from evoarch.agent.cli.interrupt import until_stopped
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.config.trust import code_of
    from evoarch.agent.studies.pictures import distributions, write
    from evoarch.agent.studies.populations import SpaceStudy, explore

    settings = settings_of(folder)
    tell(settings.notes)
    agree(folder, code_of(settings.config, folder), trust=trust)
    study = SpaceStudy(identity, samples, bounds, against, recipe, jobs, unsafe)
    found = until_stopped(explore(folder, study, _say, train=not dry_run))
    picture = None if dry_run else write(folder, f"space-{identity}", distributions(found))
    if as_json:
        print_json("space", _json(found, identity, picture))
        return
    _print(found)
    if picture:
        click.echo(f"picture: {picture}")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _json(found: Spaces, identity: int, picture: Path | None) -> dict[str, object]:
    over = found.comparison
    return {
        "id": identity,
        "populations": [_population(each) for each in found.populations],
        "difference": over and over.mean,
        "interval": over and [over.low, over.high],
        "p": over and over.p,
        "todo": found.todo,
        "todo_cpu_s": None if found.seconds is None else found.todo * found.seconds,
        "cpu_s": found.spent,
        "picture": picture,
    }


def _population(each: Population) -> dict[str, object]:
    proposed = each.proposals()
    knobs = each.family.knobs if each.family else ()
    return {
        "name": each.name,
        "family": each.family.digest if each.family else None,
        "tried": each.tried,
        "built": len(each.models),
        "mended": sum(model.mended for model in each.models),
        "models": [
            {
                "error": model.training.error if model.training else None,
                "params": model.params,
                "values": dict(model.values),
                "source": model.source,
            }
            for model in each.models
        ],
        "knobs": [
            {
                "name": knob.name,
                "value": knob.value,
                "bounds": None if knob.kind == "activation" else list(each.range_of(knob)),
                "proposed": list(proposed[knob.name]) if knob.name in proposed else None,
            }
            for knob in knobs
        ],
    }


def _print(found: Spaces) -> None:
    import numpy as np

    from evoarch.agent.cli.output import console, table

    columns = ["models", "draws", "built", "params", "error: best", "quarter", "median", "three quarters"]
    rows: list[list[object]] = []
    for each in found.populations:
        sizes = [model.params for model in each.models]
        marks = (
            [f"{q:.2%}" for q in np.quantile(each.errors, [0, 0.25, 0.5, 0.75])] if each.errors else [""] * 4
        )
        rows.append([each.name, each.tried, len(each.models), f"{min(sizes):,} to {max(sizes):,}", *marks])
    console().print(table("", columns, rows, ("draws", "three quarters", "quarter")))
    for each in found.populations:
        _print_knobs(each)
    _print_comparison(found)
    if found.todo:
        took = f", about {found.todo * found.seconds:,.0f} CPU seconds" if found.seconds else ""
        click.echo(f"to be trained: {found.todo} models{took}")
    else:
        click.echo(f"{found.spent:,.0f} CPU seconds of training")


def _print_knobs(each: Population) -> None:
    if each.family is None:
        return
    proposed = each.proposals()
    words = []
    for knob in each.family.knobs:
        if knob.kind != "activation":
            low, high = each.range_of(knob)
            narrower = (
                "; narrower: {:.3g} to {:.3g}".format(*proposed[knob.name]) if knob.name in proposed else ""
            )
            words.append(f"{knob.name} = {knob.value}, {low:.3g} to {high:.3g}{narrower}")
    click.echo(f"{each.name}:")
    for line in words:
        click.echo(f"  {line}")
    if proposed:
        options = " ".join(f"--bounds {name}={low:.3g}:{high:.3g}" for name, (low, high) in proposed.items())
        click.echo(f"  next, on fresh draws: {options}")


def _print_comparison(found: Spaces) -> None:
    if len(found.populations) < 2 or found.todo:
        return
    names = [each.name for each in found.populations]
    over = found.comparison
    if over is None:
        click.echo("not compared: the two share no class of size")
        return
    word = "no difference shown" if over.p >= 0.05 else "lower" if over.mean < 0 else "higher"
    mean, low, high = (100 * value for value in (over.mean, over.low, over.high))
    click.echo(
        f"{names[0]} against {names[1]}: mean error at equal size {mean:+.2f} points "
        f"[{low:+.2f}, {high:+.2f}], p = {over.p:.2g}: {word} "
        f"({over.counts[0]} and {over.counts[1]} models in {over.classes} classes of size)"
    )

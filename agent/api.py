"""The functions of the public Python API, what the commands do with values; found at the top of the package.

Those that are no coroutines may be called anywhere, in a notebook too. What a command imports late is
imported late here.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from evoarch.agent.lm.base import LM
from evoarch.agent.operators.base import Operator
from evoarch.agent.search.components import Ending
from evoarch.agent.search.own_parts import GivenParts
from evoarch.agent.search.session import open_session
from evoarch.agent.tracking.launch import tracked
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store
from evoarch.archive.store import open_archive as _open_archive
from evoarch.evaluators.metrics.base import Metric

if TYPE_CHECKING:
    from evoarch.agent.analysis.status import Status
    from evoarch.agent.compare.comparison import Comparison
    from evoarch.agent.confirm.run import Confirmed
    from evoarch.agent.evaluation.one_file import FileResult
    from evoarch.agent.report.notebook import Differences, Figure

T = TypeVar("T")


@dataclass(frozen=True)
class NewFiles:
    """What `init` wrote. `paths`: campaign.toml first, then the seeds. `sizes`: in words, of seeds that were
    fitted, by stem. `notes`: what is to know of the data and the profile, a sentence each.
    """

    paths: tuple[Path, ...]
    schema: Path
    sizes: Mapping[str, str]
    data_notes: tuple[str, ...]
    profile_notes: tuple[str, ...]


def init(
    folder: str | Path,
    task: str = "mnist1d",
    *,
    name: str = "",
    seed: int = 0,
    evaluations: int | None = None,
    lm: str = "none",
    profile: str = "",
    seeds: Sequence[str] = (),
    size: str = "20k",
    size_is_flops: bool = False,
) -> NewFiles:
    """Writes the folder of a new campaign: campaign.toml, its schema and the first generation.

    `seeds`: families of the zoo, baselines or files, in the place of the task's baselines; families get
    `size` parameters, or FLOPs. Raises UserError or TaskError, one line each.
    """
    from evoarch.agent.config.data_fingerprint import fingerprint
    from evoarch.agent.config.load import load
    from evoarch.agent.config.profiles import profile as profile_of
    from evoarch.agent.config.trust import code_of, remember
    from evoarch.agent.search.named_seeds import budget_of, named_seeds
    from evoarch.agent.search.new_campaign import write_campaign
    from evoarch.evaluators.tasks import load_task, moved

    folder = Path(folder)
    budget = budget_of(size, "--flops" if size_is_flops else "--params")
    chosen = (profile, profile_of(profile)) if profile else None
    loaded = load_task(task)
    # A task of one's own is looked at now, its data included, not when a run has begun.
    fingerprint(task, loaded, seed)
    first = named_seeds(seeds, loaded, budget, flops=size_is_flops) if seeds else None
    written = write_campaign(
        folder,
        loaded,
        task_name=moved(task, Path(), folder),
        name=name or folder.resolve().name,
        seed=seed,
        evaluations=evaluations,
        lm=lm,
        profile=chosen,
        seeds=first.sources if first else None,
    )
    if code := code_of(load(folder), folder):
        remember(folder, code)  # it was named here, and has run just now
    sizes = first.sizes if first else {}
    return NewFiles(written.paths, written.schema, sizes, tuple(getattr(loaded, "notes", ())), written.notes)


async def run_campaign(
    folder: str | Path,
    overrides: Sequence[str] = (),
    *,
    unsafe: bool = False,
    operators: Sequence[Operator] = (),
    lms: Mapping[str, LM] | None = None,
    metrics: Sequence[Metric] = (),
) -> Ending:
    """Starts the campaign in `folder` or goes on with it, until its budget is spent.

    `overrides` are `table.key=value`, and stay for later runs. Parts of your own may be handed over as
    objects, which campaign.toml names like any others: an operator by its `name` in an [[operators]] table,
    a metric by its `name` in evaluation.metrics, a language model by its key in `lms`: the `name` of an
    [[lm]] table with backend = "given". Raises UserError or TaskError (configuration, your parts) or
    ArchiveError (a second run, a newer archive), each one clear line.
    """
    given = GivenParts(operators, dict(lms or {}), metrics)
    async with open_session(Path(folder), overrides, unsafe=unsafe, given=given) as session:
        with tracked(Path(folder), session.config.track):
            return await session.campaign.run()


def open_archive(folder: str | Path) -> Store:
    """The archive of a campaign, read-only; works while a run writes to it."""
    return _open_archive(Path(folder), write=False)


def run(folder: str | Path, overrides: Sequence[str] = (), *, unsafe: bool = False) -> Ending:
    """As `run_campaign`, for who does not wait in a loop of their own."""
    return _waited(run_campaign(folder, overrides, unsafe=unsafe))


def status(folder: str | Path) -> Status:
    """Where a campaign stands: `evoarch status`; works while it runs. Raises UserError, ArchiveError."""
    from evoarch.agent.analysis.overview import not_begun
    from evoarch.agent.analysis.status import read_status
    from evoarch.agent.config.recorded import settings_of
    from evoarch.archive.schema import FILE

    config = settings_of(Path(folder)).config
    if not (Path(folder) / FILE).exists():
        return not_begun(Path(folder), config).status
    with open_archive(folder) as store:
        return read_status(store, config)


def candidates(
    folder: str | Path, where: str = "", *, sort: str = "id", descending: bool = False, limit: int = -1
) -> list[Candidate]:
    """Candidates that the filter `where` chooses (docs/review.md), all where it is "": `evoarch list`.

    `sort`: "id", "generation" or a metric. `limit`: at most so many; -1: all. Raises UserError.
    """
    from evoarch.agent.analysis.filtering import chosen_by, order_of
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.statistics.front import elites

    with open_archive(folder) as store:
        front = frozenset(elite.id for elite in elites(store, settings_of(Path(folder)).config))
        chosen = chosen_by(store, where, "", "", "", front)
        order = order_of(store, sort)
        return store.browse.page(chosen, order_by=order, descending=descending, limit=limit)


def figures(folder: str | Path) -> Mapping[str, Figure]:
    """Every figure of a campaign's report by name, the front, history and lineage; a notebook draws them.

    Raises UserError and ArchiveError.
    """
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.report.notebook import drawn

    with open_archive(folder) as store:
        return drawn(store, settings_of(Path(folder)).config)


def diff(folder: str | Path, left: int, right: int) -> Differences:
    """What changed from candidate `left` to `right`, by statement: `evoarch diff`. Raises ArchiveError."""
    from evoarch.agent.report.notebook import differences

    with open_archive(folder) as store:
        return differences(store.candidate(left), store.candidate(right))


def evaluate(
    file: str | Path,
    task: str = "mnist1d",
    *,
    recipe: str = "fast",
    seed: int = 0,
    imports: Sequence[str] = (),
    campaign: str | Path | None = None,
    unsafe: bool = False,
) -> FileResult:
    """One model file through the whole pipeline: `evoarch evaluate`. With `campaign`, as that one measures,
    and task, recipe, seed and imports are its own. Raises UserError or TaskError.
    """
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.evaluation.bench import on_this_machine
    from evoarch.agent.evaluation.one_file import evaluate_file, plain_settings

    if campaign is None:
        config, home = plain_settings(task, recipe, seed, imports), Path()
    else:
        config, home = on_this_machine(settings_of(Path(campaign)).config), Path(campaign)
    enforce = config.sandbox.vet == "enforce"
    return _waited(evaluate_file(Path(file), config, home, enforce=enforce, unsafe=unsafe))


def confirm(
    folder: str | Path,
    *,
    top: int = 3,
    ids: Sequence[int] = (),
    seeds: int = 10,
    recipe: str | None = None,
    jobs: int | None = None,
    unsafe: bool = False,
) -> list[Confirmed]:
    """Trains elites and baselines anew and opens the sealed test of each, once, which the archive notes for
    ever: `evoarch confirm`. Raises UserError, TaskError, ArchiveError.
    """
    from evoarch.agent.confirm.session import Choice, confirm_campaign, confirmation_recipe

    name, choice = confirmation_recipe(Path(folder), recipe), Choice(top, tuple(ids))
    work = confirm_campaign(
        Path(folder), choice, name, seeds=seeds, jobs=jobs, force=False, unsafe=unsafe, say=_silent
    )
    return _waited(work)


def compare(
    folder: str | Path, arms: Mapping[str, int], *, evaluations: int = 0, jobs: int | None = None
) -> Comparison:
    """Runs each of `arms`, so often, at one budget, and says which differ: `evoarch compare`.

    `evaluations`: the budget of a run; 0: the campaign's. Called again it goes on. Raises UserError.
    """
    from evoarch.agent.compare.finished import compare_finished
    from evoarch.agent.compare.runs import carry_out, plan

    runs = plan(Path(folder), arms, evaluations)
    _waited(carry_out(runs, jobs or len(os.sched_getaffinity(0)), _silent))
    return compare_finished(Path(folder), arms, runs)


def export(
    folder: str | Path,
    candidate: int,
    path: str | Path,
    form: Literal["python", "onnx", "torch-export", "state"] = "python",
    *,
    unsafe: bool = False,
) -> Path:
    """Writes a candidate's model file, or its trained model for other tools: `evoarch export`. The path.

    Raises UserError and ArchiveError, OSError where the file can't be written.
    """
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.deploy.export import refuse_missing
    from evoarch.agent.deploy.file import deploy_candidate
    from evoarch.agent.report.export import model_file

    config = settings_of(Path(folder)).config
    with open_archive(folder) as store:
        chosen = store.candidate(candidate)
        if form == "python":
            data = model_file(store, config, chosen, "").encode()
        else:
            refuse_missing(form)
            data = _waited(deploy_candidate(store, config, chosen, form, unsafe=unsafe)).made.data
    Path(path).write_bytes(data)
    return Path(path)


def _silent(line: str) -> None:
    """Takes what a command would print."""


def _waited(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. In a notebook, where a loop runs already, it has a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    found: list[T] = []
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            found.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - raised on below, in the thread that asked
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]

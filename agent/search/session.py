"""A session puts a campaign's parts together: archive under lock, walls, language models, operators."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from evoarch.agent.analysis.status import SAME_SEED
from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import EventOrder
from evoarch.agent.base.versions import versions
from evoarch.agent.config.data_fingerprint import fingerprint, moved_settings, refuse_changed, retell
from evoarch.agent.config.load import FILE, Config
from evoarch.agent.config.measuring import RecipeTable
from evoarch.agent.config.recorded import Settings, settings_for_run, settings_of_replay
from evoarch.agent.deploy.latency import ExportedTiming, open_timing, refuse_missing
from evoarch.agent.evaluation.bench import BenchPlan, open_bench, plan_bench, refuse_untimed
from evoarch.agent.evaluation.constraints import reference_of, wanted
from evoarch.agent.evaluation.vetting import findings_of, read_source
from evoarch.agent.lm.base import LM, LMError
from evoarch.agent.lm.budget import LMBudget
from evoarch.agent.lm.calls import check
from evoarch.agent.lm.local.soft_prompts import FOLDER
from evoarch.agent.lm.registry import build_lm, refuse_unnamed
from evoarch.agent.operators.base import Operator
from evoarch.agent.operators.registry import build_operators, try_out
from evoarch.agent.operators.syntactic import vocabulary
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.campaign_files import copy_file, copy_files, open_templates
from evoarch.agent.search.components import Components
from evoarch.agent.search.own_parts import NO_PARTS, GivenParts, open_metrics, with_own_names
from evoarch.agent.search.replay import recorded_order, replayed
from evoarch.agent.search.selection import own_method
from evoarch.agent.search.task_card import task_card
from evoarch.agent.seeding.lineage import check_unchanged
from evoarch.agent.seeding.record import FrozenSeed, records
from evoarch.agent.seeding.splice import opening_of
from evoarch.agent.statistics.objectives import deciding
from evoarch.agent.tuning.tuner import build_tuner
from evoarch.archive.filesystem import wal_problem
from evoarch.archive.lock import RunLock
from evoarch.archive.schema import FILE as DATABASE
from evoarch.archive.store import Store, create, open_archive
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.latency import Timing
from evoarch.evaluators.registry import Measuring
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Recipe, Task
from evoarch.prompts.contexts import NO_CARD, TaskCard
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.limits import Level


@dataclass(frozen=True)
class Session:
    """An open campaign, ready to run."""

    store: Store
    config: Config
    campaign: Campaign
    parts: Components
    level: Level


@asynccontextmanager
async def open_session(
    folder: Path,
    overrides: Sequence[str] = (),
    *,
    replay: Path | None = None,
    unsafe: bool = False,
    settings: Settings | None = None,
    files: Path | None = None,
    given: GivenParts = NO_PARTS,
) -> AsyncIterator[Session]:
    """Checks everything that can be checked before anything is spent, then opens the campaign for one run.

    `settings`: what `settings_to_run` gave for the same arguments, if they were asked for before. `files`: of
    a copied campaign, the folder where what the copy lacks is (a trainer's program). `given`: parts that were
    handed over as objects. Raises UserError or ArchiveError with one clear line.
    """
    settings = settings or settings_to_run(folder, overrides, replay=replay)
    if replay is not None:
        copy_campaign(replay, folder, settings.config)
        settings = moved_settings(settings, replay, folder)
    config = settings.config
    if replay is None and wanted(config, "latency"):
        refuse_missing(config)
    templates = open_templates(folder, config)
    plan = plan_bench(config, folder, files=files or replay)
    task = plan.task
    operators = build_operators(config, templates, folder, given.operators)
    choose = own_method(config.selection, folder)
    plan = replace(plan, metrics=open_metrics(config, task, folder, given.metrics))
    refuse_unnamed(given.lms, config.lm)
    sources = _seed_sources(folder, settings)
    seeds = {seed.record.name: seed for seed in plan.seeds}
    _vet_seeds(sources, config, task, seeds)
    if problem := wal_problem(folder):
        raise UserError(problem)
    await try_out(zip(operators, config.operators, strict=True), list(sources.values()), task.offers)
    data = fingerprint(config.campaign.task, task, config.campaign.seed)
    plan = replace(plan, fresh_seed=_fresh_seed(folder, replay))
    async with AsyncExitStack() as stack:
        stack.enter_context(RunLock(folder))
        lms = _build_lms(stack, config, folder, replay, given)
        bench = await stack.enter_async_context(open_bench(plan, runs=folder, unsafe=unsafe))
        timing: Timing | None = None
        if key := wanted(config, "latency"):
            refuse_untimed(key, bench)
            if replay is None:
                timing = await stack.enter_async_context(open_timing(bench, unsafe=unsafe))
        if sources and isinstance(timing, ExportedTiming):
            await timing.refuse_reference(*_reference(config, sources))
        if not (folder / DATABASE).exists():
            await _dry_run_seeds(sources, bench.evaluator)
        store = _open_store(stack, folder, plan, settings, data)
        _add_seeds(store, sources)
        await _check_lms(store, config, lms, operators)
        run = {"level": str(bench.level), "versions": versions(), "data": data, **settings.as_json()}
        drawn = {"prompts": templates.digests(), "vocabulary": vocabulary.VERSION}
        store.event("session", detail={**run, **drawn})
        parts = Components(
            bench.evaluator,
            task.offers,
            operators,
            lms,
            bench.workers,
            seeds,
            0 if bench.pool else config.evaluation.workers or bench.width,
            None if replay else build_tuner(config, folder),
            bench.pool,
            choose,
            task.ceiling if config.constraints.error is None else config.constraints.error,
            _card(config, task, bench.plan.recipe) if lms and config.prompts.card else NO_CARD,
            timing,
        )
        config = with_own_names(config, operators)
        event_order: EventOrder | None = recorded_order(replay) if replay else None
        yield Session(store, config, Campaign(store, config, parts, event_order), parts, bench.level)


def _seed_sources(folder: Path, settings: Settings) -> dict[str, str]:
    """The campaign's seed files as they were added. Raises UserError where a new campaign has none, or one
    was changed.
    """
    files = settings.config.seeds.files
    sources = {file: read_source(folder / file) for file in files}
    if not sources and not (folder / DATABASE).exists():
        place = settings.place("seeds.files")
        raise UserError(f"{place}: seeds.files: expected at least one model file, got none")
    check_unchanged(records(folder, files), sources)
    return sources


def _reference(config: Config, sources: Mapping[str, str]) -> tuple[str, str]:
    """Name and source of the seed whose latency is 1."""
    by_name = {Path(file).stem: source for file, source in sources.items()}
    name = reference_of(config)
    return (name, by_name[name]) if name in by_name else next(iter(by_name.items()))


def _card(config: Config, task: Task, recipe: Recipe) -> TaskCard:
    return task_card(
        task,
        recipe,
        deciding(config.selection),
        limits=config.constraints,
        imports=config.sandbox.imports,
        seed=config.campaign.seed,
    )


def _open_store(stack: AsyncExitStack, folder: Path, plan: BenchPlan, settings: Settings, data: str) -> Store:
    """The campaign's archive, open for writing until `stack` ends; a new one where there is none.

    `data`: the fingerprint of the task's data. Raises UserError where what is there was measured otherwise.
    """
    config = plan.config
    if not (folder / DATABASE).exists():
        facts = {} if plan.fresh_seed is None else {FRESH_SEED: plan.fresh_seed}
        return stack.enter_context(
            create(folder, name=config.campaign.name, seed=config.campaign.seed, facts=facts)
        )
    store = stack.enter_context(open_archive(folder, write=True))
    _refuse_other_measure(store, config, settings)
    refuse_changed(store, config.campaign.task, data)
    return store


FRESH_SEED = "fresh_seed"
"""The fact of an archive that draws its fresh examples: random, so that no published file holds them."""


def _fresh_seed(folder: Path, replay: Path | None) -> int | None:
    """The campaign's, or the one it replays; drawn for a new campaign. None for one that is older."""
    known = folder if (folder / DATABASE).exists() else replay
    if known is None:
        return secrets.randbits(29)
    with open_archive(known, write=False) as store:
        found = store.facts().get(FRESH_SEED)
    return found if isinstance(found, int) else None


def _build_lms(
    stack: AsyncExitStack, config: Config, folder: Path, replay: Path | None, given: GivenParts
) -> dict[str, LM]:
    lms: dict[str, LM] = {}
    for settings in config.lm:
        if not any(table.lm == settings.name for table in config.operators):
            continue
        lm = replayed(replay, settings) if replay else build_lm(settings, folder / FOLDER, folder, given.lms)
        stack.push_async_callback(lm.close)
        lms[settings.name] = lm
    return lms


async def _check_lms(
    store: Store, config: Config, lms: Mapping[str, LM], operators: Sequence[Operator]
) -> None:
    """Says what would stop the run later while nothing is spent but these calls. Raises UserError."""
    lm_budget = LMBudget(store, config.budget, {lm.name: lm for lm in config.lm})
    for name, lm in lms.items():
        asking = [o.samples for o, t in zip(operators, config.operators, strict=True) if t.lm == name]
        try:
            await check(store, lm, lm_budget, config.rounds.samples if config.rounds else max(asking))
        except LMError as error:
            raise UserError(f"[[lm]] {name}: {error}") from None


def settings_to_run(folder: Path, overrides: Sequence[str] = (), *, replay: Path | None = None) -> Settings:
    """What a run in `folder` is made under; of a replay, as its source says it. Raises UserError."""
    return settings_of_replay(replay, overrides) if replay else settings_for_run(folder, overrides)


def copy_campaign(source: Path, folder: Path, config: Config) -> None:
    """A replay, or a dry run, is in a folder of its own, which begins as a copy of the other's files: those
    that `config` names.
    """
    if (folder / DATABASE).exists():
        raise UserError(f"{folder}: has an archive already; a replay wants a new folder")
    copy_files(source, folder, config)
    copy_file(source / FILE, folder / FILE)
    retell(folder / FILE, source)


_MEASURE = (
    ("campaign", "task"),
    ("campaign", "seed"),
    ("seeds", "grown"),
    ("evaluation", "recipe"),
    ("evaluation", "rungs"),
    ("evaluation", "inherit"),
    ("evaluation", "recipe_search"),
    ("evaluation", "autocast"),
    ("evaluation", "metrics"),
    ("trainer", "command"),
    *(("recipe", key) for key in RecipeTable.model_fields),
)
_DEFAULTS: Mapping[str, object] = {
    "grown": False,
    "rungs": [],
    "inherit": False,
    "recipe_search": False,
    "autocast": "off",
    "metrics": [],
    "command": [],
    **RecipeTable().model_dump(mode="json"),
}


def _refuse_other_measure(store: Store, config: Config, settings: Settings) -> None:
    """Scores of another task, split or recipe can't stand beside those that are there. Raises UserError."""
    began = store.last_event_detail("session").get("config")
    if not isinstance(began, Mapping) or store.last_event("settled") is None:
        return
    now = config.model_dump(mode="json")
    for table, key in _MEASURE:
        # A key that the record lacks was added later, and had its default.
        was = began.get(table, {}).get(key, _DEFAULTS.get(key))
        if now[table][key] != was:
            raise UserError(
                f"{settings.place(f'{table}.{key}')}: {table}.{key}: expected {was!r}, as this campaign was "
                f"measured so far, got {now[table][key]!r}; `evoarch init` begins another one"
            )


def _vet_seeds(
    sources: Mapping[str, str], config: Config, task: Task, seeds: Mapping[str, FrozenSeed]
) -> None:
    found: dict[str, list[str]] = {}
    enforced = config.model_copy(update={"sandbox": config.sandbox.model_copy(update={"vet": "enforce"})})
    for file, source in sources.items():
        seed = seeds.get(Path(file).stem)
        findings = findings_of(source, enforced, task.offers, opening=opening_of(seed) if seed else None)
        found[file] = [str(finding) for finding in findings]
    _refuse(found)


async def _dry_run_seeds(sources: Mapping[str, str], evaluator: Measuring) -> None:
    found: dict[str, list[str]] = {}
    for file, source in sources.items():
        result = await evaluator.dry_run(source)
        found[file] = []
        if not isinstance(result, DryRunPassed):
            failed = failure_of(result)
            found[file] = [f"{getattr(result, 'line', 0)}:0 {failed.stage}: {failed.reason}"]
    _refuse(found)


def _refuse(found: Mapping[str, Sequence[str]]) -> None:
    """Raises UserError where a seed has findings; the others are named as fine."""
    if any(found.values()):
        lines = [f"{file}:{finding}" for file, findings in found.items() for finding in findings]
        lines += [f"{file}: fine" for file, findings in found.items() if not findings]
        raise UserError("a seed file does not hold\n" + "\n".join(lines), code=1)


def _add_seeds(store: Store, sources: Mapping[str, str]) -> None:
    known = {c.source_digest: c for c in store.candidates(operator="seed")}
    told = {event.detail["words"] for event in store.events(kind=SAME_SEED)}
    for file, source in sources.items():
        digest, name = source_digest(source), Path(file).stem
        first = known.get(digest)
        if first is None:
            known[digest] = store.add_seed(name, source, digest)
        elif first.name != name:
            words = f"{file} duplicate: it holds the code of #{first.id} {first.name}"
            if words not in told:
                store.event(SAME_SEED, detail={"words": words})

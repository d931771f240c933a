"""`seed add` measured on public models that nobody here wrote: are they added as they are, and unchanged?

Each model is prepared as `seed add` does: what travels, what is open, vetting. Then its frozen files are
imported behind the walls, with the open definitions in their place, and the model that the genome's adapter
makes is compared with the one that the package makes where it is installed: as many numbers in its state, the
same outputs bit for bit in float64, an empty patch.

Which models: benchmarks/seeding_cases.py. Their packages belong into an environment of their own, with this
project in it:

    python -m benchmarks.seeding_corpus RESULTS.jsonl  # goes on where it stopped
    python -m benchmarks.seeding_table                 # results/seeding.jsonl as the table of docs/seeding.md
    python -m benchmarks.seeding_corpus                # the 165 models pinned in the Makefile
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.seeding_cases import BUILDERS, Case, first, listed, tuples
from benchmarks.seeding_table import SAME

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.measuring import SandboxTable
from evoarch.agent.evaluation.walls import open_walls
from evoarch.agent.seeding.adapter import Fit, Layout
from evoarch.agent.seeding.add import Seed, Wanted, prepare, seed_findings
from evoarch.agent.seeding.runner import over
from evoarch.agent.seeding.splice import ENTRY, splice
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.inside.measure import measured
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.frozen import merged
from evoarch.sandbox.job import Job
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import ChildOutcome, Finished, Raised

TOGETHER = 12
"""Models that one zygote holds: what they import is loaded once for them."""


def fit(case: Case) -> Fit:
    """How a case's examples are handed over."""
    steps = ("x.abs().mul(8).clamp(0, 15).long()",) if case.whole else ()
    return Fit(Layout("tokens" if case.whole else "as it is", case.shape, steps))


def seed_of(case: Case, more: tuple[str, ...] = ()) -> Seed:
    """The seed, as `seed add` makes it. `more`: modules that it imports by name. Raises UserError."""
    site = next(p for p in sys.path if (Path(p) / case.file).is_file())
    prepared = prepare(Wanted(Path(site) / case.file, case.entry, (), case.kwargs, more=more))
    seed = prepared.seed({}, fit(case))
    if problems := seed_findings(seed, {}):
        raise UserError("\n".join(problems))
    made = splice(seed.frozen, seed.genome)
    if made.texts:
        raise UserError(f"the unchanged seed changes {', '.join(made.texts)}")
    return seed


def model_of(seed: Seed) -> Callable[[], torch.nn.Module]:
    """What makes the model, from where its package is installed."""
    scope: dict[str, Any] = {"torch": torch, "__name__": "genome"}
    exec("\n".join([*seed.record.program, seed.record.adapter]), scope)
    entry: Callable[[], torch.nn.Module] = scope["Model"]
    return entry


def outside(seeds: Mapping[str, Seed], shapes: Mapping[str, Sequence[int]], folder: Path) -> None:
    """In a process of its own: what each installed model computes, into `folder`."""
    for number, (key, seed) in enumerate(seeds.items()):
        try:
            sys.path.append(seed.record.repository)  # a package without __init__.py has modules of their own
            found = measured(model_of(seed), {"input_shape": shapes[key]})
            np.savez(folder / f"{number}.npz", **{k: v.numpy() for k, v in found.items()})
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its result
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename.rpartition('site-packages/')[2]}:{last.lineno}"
            (folder / f"{number}.txt").write_text(f"{where}: {type(error).__name__}: {str(error)[:200]}")


def in_child(work: Callable[[], None]) -> None:
    """Runs `work` in a fork, so that what it imports is gone afterwards."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - told, and no further
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


LIMITS = Limits(600.0, 600.0, 8 << 30, 1 << 30)
_MISSING = re.compile(r"No module named '([\w.]+)'")


async def inside(seeds: Mapping[str, Seed], cases: Mapping[str, Case]) -> dict[str, ChildOutcome | str]:
    """What each seed computes behind the walls, one zygote for all; or why it can't be imported there.

    A module that is imported by name comes along when it is missed, as `seed add` has it.
    """
    table = SandboxTable(preload=PRELOAD)
    found: dict[str, ChildOutcome | str] = {}
    frozen = [seed.frozen for seed in seeds.values()]
    try:
        runner = await open_walls(
            detect().level, load_task("digits"), table, (), merged(f.modules for f in frozen)
        )
    except UserError as error:
        if len(seeds) > 1:
            packages = {cases[key].package for key in seeds}
            parts = packages if len(packages) > 1 else seeds
            for part in parts:
                few = {k: s for k, s in seeds.items() if part in (k, cases[k].package)}
                found |= await inside(few, cases)
            return found
        ((key, seed),) = seeds.items()
        return await _with_more(key, seed, cases, str(error), getattr(error.__cause__, "missing", ""))
    missed: dict[str, str] = {}
    try:
        for key, seed in seeds.items():
            options = {"entry": ENTRY, "kwargs": {}, "offers": {"input_shape": list(cases[key].shape)}}
            job = Job("proof", seed.genome, options=options, limits=LIMITS)
            found[key] = outcome = await over(runner, [seed.frozen]).run(job)
            if isinstance(outcome, Raised) and (missing := _MISSING.search(outcome.message)):
                missed[key] = missing[1]
    finally:
        await runner.close()
    for key, name in missed.items():
        found |= await _with_more(key, seeds[key], cases, f"No module named {name!r}", name)
    return found


async def _with_more(
    key: str, seed: Seed, cases: Mapping[str, Case], said: str, missing: str
) -> dict[str, ChildOutcome | str]:
    more = known_more.setdefault(key, [])
    if not missing or missing in more or len(more) > 20:
        return {key: f"refused: {said}"}
    more.append(missing)
    try:
        again = seed_of(cases[key], tuple(more))
    except UserError as error:
        return {key: f"refused: {error}"}
    return await inside({key: again}, cases)


known_more: dict[str, list[str]] = {}
PRELOAD = ("torchvision_operators",) if importlib.util.find_spec("torchvision_operators") else ()
"""What declares torchvision's operators, where its library doesn't load."""


def compare(cases: Sequence[Case]) -> Iterator[tuple[Case, str]]:
    """What became of each case: SAME, or the cause."""
    for at in range(0, len(cases), TOGETHER):
        yield from _together(cases[at : at + TOGETHER])


def _together(cases: Sequence[Case]) -> Iterator[tuple[Case, str]]:
    seeds: dict[str, Seed] = {}
    problems: dict[str, str] = {}
    for case in cases:
        try:
            seeds[case.key] = seed_of(case)
        except UserError as error:
            problems[case.key] = f"refused: {str(error).splitlines()[0]}"
    by_key = {case.key: case for case in cases}
    shapes = {case.key: case.shape for case in cases}
    with tempfile.TemporaryDirectory() as top:
        in_child(lambda: outside(seeds, shapes, Path(top)))
        ours = asyncio.run(inside(seeds, by_key)) if seeds else {}
        for case in cases:
            number = list(seeds).index(case.key) if case.key in seeds else -1
            yield case, problems.get(case.key) or _compared(ours[case.key], Path(top) / f"{number}.npz")


def _compared(ours: ChildOutcome | str, theirs: Path) -> str:
    if not theirs.is_file():
        said = theirs.with_suffix(".txt")
        return f"original: {said.read_text() if said.is_file() else 'the process ended'}"
    if not isinstance(ours, Finished):
        return ours if isinstance(ours, str) else f"frozen: {failure_of(ours).reason}"
    with np.load(theirs) as other:
        if ours.arrays["elements"].tolist() != other["elements"].tolist():
            return "the states differ"
        if set(ours.arrays) != set(other.files):
            return "the outputs differ in number"
        same = all(np.array_equal(ours.arrays[name], other[name], equal_nan=True) for name in other.files)
    return SAME if same else "the outputs differ"


def run(results: Path, only: Sequence[str]) -> None:
    """Measures what `results` lacks: each package with a list of builders, then the few classes of others."""
    done = (
        {json.loads(line)["key"] for line in results.read_text().splitlines()} if results.is_file() else set()
    )
    for package in BUILDERS:
        if not only or package in only:
            cases = built(package)
            if not cases:
                print(f"{package}: its list can't be read", flush=True)
            _measure([case for case in cases if case.key not in done], results)
    few = [case for package, cases in listed().items() if not only or package in only for case in cases]
    _measure([case for case in few if case.key not in done], results)


def built(package: str) -> list[Case]:
    """What the builders of a package give, asked in a process of its own."""
    reader, writer = os.pipe()

    def work() -> None:
        rows = [
            [c.package, c.file, c.entry, dict(c.kwargs), list(c.shape), c.whole] for c in BUILDERS[package]()
        ]
        os.write(writer, json.dumps(rows).encode())

    in_child(work)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        rows = json.loads(stream.read() or b"[]")
    return [Case(r[0], r[1], r[2], {k: tuples(v) for k, v in r[3].items()}, tuple(r[4]), r[5]) for r in rows]


def _measure(cases: Sequence[Case], results: Path) -> None:
    begun = time.process_time()
    for case, what in compare(cases):
        row = {
            "key": case.key,
            "package": case.package,
            "version": version_of(case.package),
            "file": case.file,
            "entry": case.entry,
            "what": what,
        }
        with results.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(f"{case.package} {case.entry}: {what} ({time.process_time() - begun:.0f} s)", flush=True)


def version_of(package: str) -> str:
    """The installed version of what brings a top-level name."""
    (distribution, *_) = importlib.metadata.packages_distributions()[package]
    return importlib.metadata.version(distribution)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        importlib.import_module("torchvision_operators")  # where torchvision's library doesn't load
    if options.results:
        run(options.results, options.only)
        return
    cases = first()
    found = dict(compare(cases))
    for case, what in found.items():
        if what != SAME:
            print(f"{case.file}:{case.entry}: {what}")
    print(f"unchanged: {sum(what == SAME for what in found.values())} of {len(found)}")


if __name__ == "__main__":
    main()

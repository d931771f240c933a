"""Whether lifting is exact, and what share of random settings of a family's numbers builds.

    python -m benchmarks.lifting [--children 1000] [--draws 400] [--seed 0]

Files are the tasks' baselines, the zoo's families and children that were bred in the campaigns of results/,
drawn at random. Exact: the skeleton with its own numbers has the source digest of the file. Draws are one
setting each of so many families on MNIST-1D, those of its four baselines and of bred children: built as
written, and after at most six shape repairs, as a child of a search is. Shares have Wilson's 95% interval.
"""

from __future__ import annotations

import argparse
import asyncio
import lzma
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from evoarch.agent.config.load import load
from evoarch.agent.evaluation.bench import open_bench, plan_bench
from evoarch.agent.evaluation.scaling import formed
from evoarch.agent.operators.space.draws import drawn
from evoarch.agent.operators.space.family import Family, lifted
from evoarch.agent.statistics.intervals import wilson
from evoarch.archive.schema import FILE
from evoarch.archive.store import open_archive
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.genome import source_digest

TOP = Path(__file__).parents[1]
OFFERS = load_task("mnist1d").offers


def bred(count: int, rng: random.Random) -> list[str]:
    """`count` different sources of children of results/mnist1d*, drawn at random."""
    packed = sorted((TOP / "results").glob("mnist1d*/**/*.db.xz"))
    rng.shuffle(packed)
    found: dict[str, None] = {}
    for path in packed:
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / FILE).write_bytes(lzma.decompress(path.read_bytes()))
            with open_archive(Path(scratch), write=False) as store:
                own = [each.source for each in store.scored() if each.operator != "seed"]
        found |= dict.fromkeys(rng.sample(own, min(len(own), max(1, count // 10))))
        if len(found) >= count:
            break
    return list(found)[:count]


def exact(sources: Sequence[str]) -> int:
    """How many go back exactly."""
    return sum(source_digest(lifted(each, OFFERS).filled({})) == source_digest(each) for each in sources)


def families(sources: Sequence[str], count: int) -> list[Family]:
    """Up to `count` of different skeletons, that have a number to turn."""
    found: dict[str, Family] = {}
    for source in sources:
        if len(found) == count:
            break
        family = lifted(source, OFFERS)
        if family.knobs:
            found.setdefault(family.digest, family)
    return list(found.values())


async def built(members: Sequence[Family], rng: random.Random, say: bool) -> tuple[int, int, Counter[str]]:
    """How many of one random setting each build as written, and after repair; why the others fail."""
    as_written = after = 0
    reasons: Counter[str] = Counter()
    kept = TOP / "results" / "mnist1d"
    async with open_bench(plan_bench(load(kept), kept), runs=None) as bench:
        for number, family in enumerate(members, 1):
            source = family.filled(drawn(family, rng))
            result = await bench.evaluator.dry_run(source)
            passed = isinstance(result, DryRunPassed)
            as_written += passed
            form = passed or await formed(bench.evaluator, source, OFFERS)
            after += bool(form)
            if not form:
                reasons[" ".join(str(getattr(result, "message", result)).split())[:100]] += 1
            if say and not number % 20:
                print(f"{number}/{len(members)}: {as_written} as written, {after} repaired", file=sys.stderr)
    return as_written, after, reasons


def share(found: int, tried: int) -> str:
    """A share with its interval."""
    span = wilson(found / tried, tried)
    return f"{found} of {tried} ({found / tried:.1%} [{span.low:.1%}, {span.high:.1%}])"


def files() -> Iterator[str]:
    """The baselines of all tasks, and the zoo's families."""
    for pattern in ("evaluators/tasks/*/seeds/*.py", "evaluators/zoo/families/*.py"):
        for path in sorted(TOP.glob(pattern)):
            yield path.read_text(encoding="utf-8")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--children", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    own, children = list(files()), bred(asked.children, rng)
    print(
        f"exact: files {share(exact(own), len(own))}, bred children {share(exact(children), len(children))}"
    )
    members = [*families([*load_task("mnist1d").seeds.values()], 4), *families(children, asked.draws - 4)]
    as_written, after, reasons = asyncio.run(built(members, rng, say=True))
    print(
        f"random settings that build: as written {share(as_written, len(members))}, after shape repair "
        f"{share(after, len(members))}"
    )
    for reason, count in reasons.most_common(10):
        print(f"  {count} x {reason}")


if __name__ == "__main__":
    main()

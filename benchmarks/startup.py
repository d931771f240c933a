"""What it costs to start: modules and CPU seconds of each command, against `python -c 'import click'`.

CPU seconds are user and system time of the child process, the median of several runs. The runs of all
commands take turns, so that what else the machine does falls on each alike. `status`, `list` and the like
read the small campaign of results/.

    python benchmarks/startup.py --runs 5
"""

from __future__ import annotations

import argparse
import lzma
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).resolve().parent.parent / "results" / "mnist1d-small"

HEAVY = ("torch", "openai", "transformers", "sklearn", "scipy", "libcst", "sqlite_utils", "pydantic", "rich")
"""Modules of which the table says whether a command loads them."""

COMMAND = "from evoarch.agent.cli import main; main(prog_name='evoarch')"

# Modules are counted at the end, whether the command returns or exits.
COUNT = "import atexit, sys; atexit.register(lambda: print('\\n', *sys.modules, file=sys.stderr))\n"

Process = tuple[str, list[str], Mapping[str, str]]
"""Code for `python -c`, its arguments, and what its environment has beside this process's own."""


@dataclass(frozen=True)
class Cost:
    """Of one process: CPU seconds, what it printed, the modules that were loaded at its end."""

    seconds: float
    output: str
    modules: set[str]


def commands(demo: str) -> dict[str, Process]:
    """What is measured, by title. `demo`: the folder of a campaign that has run."""
    helps = ["init", "run", "confirm", "seed add"]
    lines = {"--version": ["--version"], "--help": ["--help"]}
    lines |= {f"{name} --help": [*name.split(), "--help"] for name in helps}
    lines |= {name: [name, demo, "20"] for name in ("show", "diff", "lineage")}
    lines |= {"status": ["status", demo], "list": ["list", demo, "--limit", "20"], "tasks": ["tasks"]}
    lines |= {"zoo": ["zoo"], "zoo show": ["zoo", "show", "starnet"]}
    completion = {"_EVOARCH_COMPLETE": "bash_complete", "COMP_WORDS": "evoarch ", "COMP_CWORD": "1"}
    found: dict[str, Process] = {title: (COMMAND, line, {}) for title, line in lines.items()}
    return found | {"shell completion": (COMMAND, [], completion)}


def campaign(folder: Path) -> Path:
    """A copy of the small campaign in `folder`, with its archive unpacked."""
    demo = folder / "demo"
    shutil.copytree(RESULTS, demo, ignore=shutil.ignore_patterns("*.xz"))
    (demo / "archive.db").write_bytes(lzma.decompress((RESULTS / "archive.db.xz").read_bytes()))
    return demo


def measured(code: str, arguments: list[str], environment: Mapping[str, str]) -> Cost:
    """Runs a process to its end. Raises RuntimeError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", COUNT + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {done.returncode}: {done.stderr[:500]}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, done.stdout, set(done.stderr.strip().rsplit("\n", 1)[-1].split()))


def main() -> None:
    """Prints one line a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        processes = {"import click": ("import click", [], {}), **commands(str(campaign(Path(folder))))}
        found = [{title: measured(*process) for title, process in processes.items()} for _ in range(runs)]
    base = median(each["import click"].seconds for each in found)
    print(f"{'command':<20}{'modules':>8}{'CPU s':>8}{'x click':>9}  heavy modules")
    for title, cost in found[0].items():
        seconds = median(each[title].seconds for each in found)
        heavy = " ".join(name for name in HEAVY if name in cost.modules)
        print(f"{title:<20}{len(cost.modules):>8}{seconds:>8.3f}{seconds / base:>9.1f}  {heavy}")


if __name__ == "__main__":
    main()

"""What it costs to start: modules and CPU seconds of each command, against `python -c 'import click'`.

CPU seconds are user and system time of the child process, the median of several runs; the runs of all
commands are interleaved, so that what else the machine does falls on each alike. `status`, `list` and the
like read the small campaign of results/.

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
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).resolve().parent.parent / "results" / "mnist1d-small"

HEAVY = ("torch", "openai", "transformers", "sklearn", "scipy", "libcst", "sqlite_utils", "pydantic", "rich")
"""Modules of which the table says whether a command loads them."""

CLICK = "import click"
COMMAND = "from evoarch.agent.cli import main; main()"

# Modules are counted at the end, whether the command returns or exits.
COUNT = "import atexit, sys; atexit.register(lambda: print('\\n', *sys.modules, file=sys.stderr)); "


def commands(demo: str) -> dict[str, list[str]]:
    """What is measured: a title and the arguments of the command."""
    quick = ["--version", "--help", "init --help", "run --help", "confirm --help", "seed add --help"]
    reading = [f"status {demo}", f"list {demo} --limit 20", f"show {demo} 20", f"diff {demo} 20", f"lineage {demo} 20"]
    return {text.replace(f" {demo}", ""): text.split() for text in [*quick, *reading, "tasks"]}


def campaign(folder: Path) -> Path:
    """A copy of the small campaign with its archive unpacked."""
    demo = folder / "demo"
    shutil.copytree(RESULTS, demo, ignore=shutil.ignore_patterns("*.xz"))
    (demo / "archive.db").write_bytes(lzma.decompress((RESULTS / "archive.db.xz").read_bytes()))
    return demo


def cost(code: str, arguments: list[str], environment: dict[str, str]) -> tuple[float, set[str]]:
    """CPU seconds of one process, and the modules that it had loaded at its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", COUNT + code, *arguments], capture_output=True, text=True, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit code {done.returncode}: {done.stderr[-500:]}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, set(done.stderr.rsplit("\n", 2)[-2].split())


def main() -> None:
    """Prints one line a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        measured = {"import click": (CLICK, [], dict(os.environ))}
        for title, arguments in commands(str(campaign(Path(folder)))).items():
            measured[title] = (COMMAND, arguments, dict(os.environ))
        completion = {"_EVOARCH_COMPLETE": "bash_complete", "COMP_WORDS": "evoarch ", "COMP_CWORD": "1"}
        script = COMMAND.replace("main()", "main(prog_name='evoarch')")
        measured["shell completion"] = (script, [], {**os.environ, **completion})
        found = [{title: cost(*what) for title, what in measured.items()} for _ in range(runs)]
    base = median(each["import click"][0] for each in found)
    print(f"{'command':<20}{'modules':>8}{'CPU s':>8}{'x click':>9}  heavy modules")
    for title in measured:
        seconds = median(each[title][0] for each in found)
        loaded = found[0][title][1]
        heavy = " ".join(name for name in HEAVY if name in loaded)
        print(f"{title:<20}{len(loaded):>8}{seconds:>8.3f}{seconds / base:>9.1f}  {heavy}")


if __name__ == "__main__":
    main()

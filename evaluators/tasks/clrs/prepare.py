"""Makes the caches of CLRS-30: `python -m evaluators.tasks.clrs.prepare [ALGORITHM ...]`.

Once per machine. It makes a virtual environment of its own beside the caches, installs numpy and dm-clrs
without the latter's dependencies (JAX and TensorFlow, 2.9 GB) from the package index, draws the benchmark's
samples there with dm-clrs' own samplers (sampling.py) and compares each file with the digest of what the
complete package draws. Nothing else is downloaded. All thirty algorithms take about five minutes and 45 MB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from evoarch.evaluators.tasks.clrs import data, sampling
from evoarch.evaluators.tasks.clrs.specs import algorithms

PACKAGE = "dm-clrs==2.0.3"
NUMPY = "numpy>=1.26,<2.5"
"""dm-clrs calls np.cross on plane vectors, which numpy has deprecated and may drop."""
SCRIPT = Path(sampling.__file__)


class Unprepared(Exception):  # noqa: N818 - it reads as what it says
    """The environment or the samples could not be made; one line says why."""


def environment(folder: Path) -> Path:
    """The interpreter of the environment in `folder`, made on first use."""
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, NUMPY], "numpy could not be installed")
        _run([*pip, "--no-deps", PACKAGE], f"{PACKAGE} could not be installed")
        done.touch()
    return python


def prepare(
    names: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
    splits: Sequence[str] = data.SPLITS,
    samples: int = 0,
) -> None:
    """Write the caches of some algorithms that are not there yet. `samples` per size, 0: the benchmark's.

    Raises Unprepared for a failed installation or draw, and for samples that differ from the benchmark's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [n for n in names if not all((folder / f"{n}.{split}.npz").exists() for split in splits)]
    if not wanted:
        say(f"all caches are there: {folder}")
        return
    say(f"environment: {folder / 'environment'}")
    python = environment(folder / "environment")
    digests = {} if samples else data.known_digests()
    for name in wanted:
        say(f"drawing {name}")
        arguments = [str(folder), name, "--splits", *splits, "--samples", str(samples)]
        _run([str(python), "-I", str(SCRIPT), *arguments], f"{name} could not be drawn")
        for split in splits:
            _verify(name, split, folder, digests)


def _verify(name: str, split: str, folder: Path, digests: dict[str, str]) -> None:
    known = digests.get(f"{name}.{split}")
    found = sampling.digest(data.read_split(name, split, folder))
    if known is not None and known != found:
        (folder / f"{name}.{split}.npz").unlink()
        raise Unprepared(f"{name}.{split}: expected samples of digest {known[:12]}, got {found[:12]}")


def _run(command: Sequence[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unprepared(f"{failure}: {last}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluators.tasks.clrs.prepare", description=__doc__)
    parser.add_argument("algorithms", nargs="*", metavar="ALGORITHM", help="default: all thirty")
    parser.add_argument("--folder", type=Path, default=None, help=f"default: {data.cache_folder()}")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.algorithms if name not in algorithms()]
    if unknown:
        parser.error(f"algorithm: expected some of {', '.join(algorithms())}; got {unknown[0]!r}")
    names = options.algorithms or list(algorithms())
    try:
        prepare(names, options.folder or data.cache_folder(), lambda line: print(line, flush=True))  # noqa: T201
    except (Unprepared, data.NotPrepared) as problem:
        print(f"error: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""From a newcomer's own files to a first model, for each kind of file: what the commands print.

    python -m benchmarks.own_data [--only NAME]... [--folder DIR]     # minutes a kind, on two cores
    python -m benchmarks.own_data --page                              # docs/tasks.md again

Files: scikit-learn's digits as images and its wine table, the standard library's own source, and made-up ones
for the rest. Transcripts are kept in results/own_data.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

TOP = Path(__file__).parents[1]
RESULTS, PAGE = TOP / "results" / "own_data.json", TOP / "docs" / "tasks.md"
sys.path.insert(0, str(TOP / "tests"))  # the made-up files are those of the tests
BEGIN = "<!-- transcripts: written by benchmarks/own_data.py -->\n"
END = "<!-- end of transcripts -->\n"
NOT_RUN = "<!-- not run: *: 20 trainings of each task; tests do the same on smaller files -->\n"
COLUMNS, WIDEST, FIRST, LAST = 110, 150, 6, 14
"""Of a transcript: the terminal, where a longer line is cut, and a command's first and last lines."""


def images(folder: Path) -> None:
    """Digits as 16 x 16 images, a folder for each."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / "photos" / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((16, 16)).save(path)


def table(folder: Path) -> None:
    """Wine by its chemistry, a row for each."""
    from sklearn.datasets import load_wine

    wine = load_wine()
    names = [*(name.replace("/", "_per_") for name in wine.feature_names), "cultivar"]
    rows = [[*map(str, row), f"c{label}"] for row, label in zip(wine.data, wine.target, strict=True)]
    (folder / "wine.csv").write_text("\n".join(",".join(row) for row in [names, *rows]) + "\n")


def text(folder: Path) -> None:
    """The standard library's modules."""
    (folder / "library").symlink_to(Path(sysconfig.get_path("stdlib")))


def labelled(folder: Path) -> None:
    """Made-up reviews."""
    from kit.own_files import labelled_texts

    labelled_texts(folder / "said.csv", 600)


def recordings(folder: Path) -> None:
    """Made-up tones and chirps."""
    from kit.own_files import tones

    tones(folder / "sounds", 80, rate=4000)


def demand(folder: Path) -> None:
    """A made-up series with gaps."""
    from kit.own_files import series

    series(folder / "load.csv", 1500)


def masked(folder: Path) -> None:
    """Made-up shapes with their masks."""
    from kit.own_files import shapes

    shapes(folder / "shapes", 240)


@dataclass(frozen=True)
class Kind:
    """`files`: what stands in the newcomer's folder, in words; `make` puts it there."""

    title: str
    files: str
    task: str
    make: Callable[[Path], None]


KINDS: Mapping[str, Kind] = {
    "flowers": Kind("Images", "`photos/` with a folder for each class", "images:photos", images),
    "wine": Kind("A table", "`wine.csv`", "table:wine.csv,target=cultivar", table),
    "writer": Kind("A text", "`library/`", "text:library,files=*.py", text),
    "moods": Kind("Texts with labels", "`said.csv`", "text-class:said.csv,target=mood", labelled),
    "tones": Kind(
        "Recordings", "`sounds/` with a folder for each class", "sequence:sounds,rate=4000", recordings
    ),
    "demand": Kind("A series", "`load.csv`", "sequence:load.csv,horizon=12,target=load", demand),
    "parts": Kind("Images with masks", "`shapes/images` and `shapes/masks`", "masks:shapes", masked),
}
"""By the name of the campaign."""


def record(name: str, folder: Path) -> list[list[str]]:
    """The commands of one kind, each with what it printed, in a folder that holds the files and no more."""
    kind = KINDS[name]
    folder.mkdir(parents=True)
    kind.make(folder)
    commands = [
        f"evoarch init {name} --task {kind.task} --lm none --evaluations 20",
        f"evoarch run {name}",
        f"evoarch list {name} front:yes --sort error --columns error,params",
        f"evoarch confirm {name} --top 1 --seeds 3",
    ]
    shown = [[command, _run(command, folder)] for command in commands]
    best = json.loads(_run(f"evoarch list {name} front:yes --sort error --limit 1 --json", folder))
    command = f"evoarch export {name} {best['rows'][0]['id']} -o model.py"
    return [*shown, [command, _run(command, folder)]]


def _run(command: str, folder: Path) -> str:
    """What a command prints. Raises CalledProcessError with it where the command fails."""
    evoarch = str(Path(sys.executable).parent / "evoarch")
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    done = subprocess.run(
        [evoarch, *command.split()[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return done.stdout or done.stderr


def page(found: Mapping[str, Mapping[str, object]]) -> str:
    """docs/tasks.md with these transcripts between its marks."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    sections = [_section(name, found[name]) for name in KINDS if name in found]
    return before + BEGIN + "\n" + "\n".join(sections) + END + rest.split(END)[1]


def _section(name: str, found: Mapping[str, object]) -> str:
    kind, commands = KINDS[name], found["commands"]
    assert isinstance(commands, list)
    lines = [f"$ {command}\n{_short(printed)}" for command, printed in commands]
    head = f"## {kind.title}\n\n{kind.make.__doc__} In the folder: {kind.files}."
    seconds = found["seconds"]
    said = f"{found['day']}, evoarch {found['version']}, {seconds} seconds on {found['cores']} cores:"
    return f"{head} {said}\n\n{NOT_RUN}\n```\n" + "\n".join(lines) + "\n```\n"


def _short(printed: str) -> str:
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    lines = [line if len(line) <= WIDEST else f"{line[:WIDEST]} ..." for line in lines]
    if len(lines) > FIRST + LAST:
        lines = [*lines[:FIRST], "...", *lines[-LAST:]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(KINDS))
    parser.add_argument("--folder", help="where the campaigns are kept  [default: a temporary folder]")
    parser.add_argument("--page", action="store_true")
    chosen = parser.parse_args()
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as top:
        for name in [] if chosen.page else chosen.only or KINDS:
            before = time.monotonic()
            commands = record(name, Path(chosen.folder or top) / name)
            found[name] = {
                "commands": commands,
                "seconds": round(time.monotonic() - before),
                "cores": len(os.sched_getaffinity(0)),
                "day": time.strftime("%-d %B %Y"),
                "version": version("evoarch"),
            }
            RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(f"{name}: {found[name]['seconds']} s", flush=True)
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()

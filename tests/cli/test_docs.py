"""Every command of README and docs is run, page by page, in order, where it stands.

A page says above a block what its reader brings, `<!-- given: demo model.py -->`, and which commands no test
can run, `<!-- not run: evoarch compare: hours -->`: how the command begins, or `*` for all, then why. To be
done in minutes, `init` gets a small budget and no language model where the page names none, and a first `run`
two seeds and one training of each; the number of a candidate is one that is there, and `scale` doubles it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evoarch.agent.config.load import load
from evoarch.archive.schema import FILE as DATABASE
from evoarch.archive.store import open_archive
from evoarch.evaluators.tasks import load_task
from kit.command import SCRIPT
from kit.own_files import labelled_texts, series, shapes, tones
from kit.pages import files_of
from kit.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"(\$ )?(evoarch|python|make|pip|pipx|git|cd) ")
GIVEN = re.compile(r"<!-- given: (.+?) -->")
NOT_RUN = re.compile(r"<!-- not run: (.+?): (.+?) -->")


@dataclass(frozen=True)
class Found:
    """A command of a page: the line it stands in, what of it is run, and why not, if it is not."""

    line: int
    text: str
    reason: str


def commands_of(text: str) -> Iterator[Found]:
    """All commands of a page, in order; of several on one line, joined by `;` or `&&`, each."""
    marks: dict[str, str] = {}
    fenced: str | None = None
    in_block = False
    joined = ""
    for number, line in enumerate(text.split("\n"), 1):
        if match := NOT_RUN.fullmatch(line):
            marks[match[1]] = match[2]
            continue
        if line.startswith("```"):
            in_block, fenced = fenced is None, None if fenced is not None else line[3:]
            marks = marks if in_block else {}
            continue
        block = fenced in ("", "console", "sh") if fenced is not None else line.startswith("    ")
        if fenced is None and not block and in_block and line.strip():
            in_block, marks = False, {}
        if not block:
            continue
        in_block = True
        whole = joined + line.strip()
        if whole.endswith("\\"):
            joined = whole[:-1]
            continue
        joined = ""
        if not COMMAND.match(whole):
            continue
        for part in re.split(r" ; | && ", re.sub(r"\s+# .*", "", whole.removeprefix("$ "))):
            reason = next((why for begin, why in marks.items() if begin == "*" or part.startswith(begin)), "")
            yield Found(number, part.strip(), reason)


def test_marks_are_of_commands_that_are_there_and_have_a_reason() -> None:
    total = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found = list(commands_of(text))
        total += len(found)
        for begin, reason in NOT_RUN.findall(text):
            assert len(reason) > 5, page
            marked = [each for each in found if each.reason == reason]
            assert any(begin == "*" or each.text.startswith(begin) for each in marked), (page.name, begin)
    assert total > 40


FILES = re.compile(r"[\w./~-]+\.(?:py|npz|csv|toml)\b|~/[\w/]+|\bseeds/\w+\.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_command_names_is_given_shown_or_made(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = {word for given in GIVEN.findall(text) for word in given.split()}
    known |= set(re.findall(r"```python\n# (\w+\.py)\n", text))
    for each in commands_of(text):
        made = re.findall(r"(?:-o|--weights) (\S+)", each.text)
        folders = re.findall(r"evoarch init (\S+)", each.text)
        known |= {*made, *folders}
        if each.reason:
            continue
        for name in FILES.findall(each.text):
            begins = {str(Path(name)), *map(str, Path(name).parents)} - {"."}
            in_clone = (ROOT / name).exists() and each.text.startswith("python")
            assert begins & known or in_clone, f"{page.name}:{each.line}: {name} is not there: {each.text}"


GIVES = {
    "photos": "images of two kinds",
    "houses.csv": "a table",
    "books": "texts",
    "said.csv": "texts with labels",
    "sounds": "recordings",
    "load.csv": "a series",
    "shapes": "images with masks",
    "data/mine.npz": "arrays",
    "model.py": "a model file",
    "winner.py": "a model file",
    "demo": "a finished campaign",
    "~/project": "a repository",
}


def give(names: list[str], place: Path, home: Path, finished: Path) -> None:
    """Puts what a page's reader brings into the folder `place`."""
    rng = np.random.default_rng(0)
    for name in names:
        assert name in GIVES, name
        if name == "demo":
            shutil.copytree(finished, place / "demo")
        elif name == "photos":
            for kind in ("cat", "dog"):
                (place / "photos" / kind).mkdir(parents=True)
                for number in range(12):
                    pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(place / "photos" / kind / f"{number}.png")
        elif name == "houses.csv":
            rows = [f"{a:.3f},{b:.3f},{3 * a + b:.3f}" for a, b in rng.normal(size=(60, 2))]
            (place / "houses.csv").write_text("\n".join(["size,age,price", *rows]) + "\n")
        elif name == "said.csv":
            labelled_texts(place / name, 60)
        elif name == "sounds":
            tones(place / name, 6)
        elif name == "load.csv":
            series(place / name, 600)
        elif name == "shapes":
            shapes(place / name, 12)
        elif name == "books":
            (place / "books").mkdir()
            words = ["the", "house", "at", "river", "was", "old", "and", "green"]
            text = " ".join(words[number] for number in rng.integers(0, len(words), 6000))
            for number in range(3):
                (place / "books" / f"{number}.txt").write_text(text, encoding="utf-8")
        elif name == "data/mine.npz":
            (place / "data").mkdir()
            labels = np.arange(400) % 10
            inputs = 3 * rng.normal(size=(10, 40))[labels] + rng.normal(size=(400, 40))
            np.savez(place / name, x_train=inputs, y_train=labels)
        elif name == "~/project":
            nets = home / "project" / "nets"
            nets.mkdir(parents=True)
            block = "class Block(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n"
            block += "        self.a = nn.Linear(40, width)\n\n"
            block += "    def forward(self, x):\n        return self.a(x).relu()\n"
            net = "class Net(nn.Module):\n    def __init__(self, num_classes, width=4):\n"
            net += "        super().__init__()\n        self.block = Block(width)\n"
            net += "        self.head = nn.Linear(width, num_classes)\n\n"
            net += "    def forward(self, x):\n        return self.head(self.block(x))\n"
            (nets / "model.py").write_text(f"from torch import nn\n\n\n{block}\n\n{net}")
            (home / "project" / "pyproject.toml").write_text("")
        else:
            (place / name).write_text(load_task("mnist1d").seeds["conv_base"])


def shortened(words: list[str], place: Path) -> list[str]:
    """The command as the test runs it in the folder `place`."""
    if words[:2] == ["evoarch", "init"]:
        words += [] if "--evaluations" in words else ["--evaluations", "2"]
        words += [] if {"--lm", "--profile"} & {*words} else ["--lm", "none"]
    elif words[:2] == ["evoarch", "run"]:
        words += [
            "--set",
            "evaluation.repeats=1",
            "--set",
            "evaluation.race=0",
            "--set",
            "budget.evaluations=2",
            "--set",  # a busy machine fails none for the time that others take
            "evaluation.wall_clock=900",
        ]
        if not (place / words[2] / DATABASE).exists():
            files = load(place / words[2]).seeds.files[:2]
            words += ["--set", f"seeds.files={list(files)}"]
    elif words[:2] == ["evoarch", "confirm"]:
        words += ["--recipe", "fast", "--seeds", "2", "--top", "0"]
    elif words[1] in ("show", "diff", "export", "lineage", "scale", "explain", "space"):
        with open_archive(place / words[2], write=False) as store:
            bred = next(str(c.id) for c in store.scored() if c.parents)
        words = [bred if word.isdigit() else "2x" if word == "10x,100x" else word for word in words]
    return [SCRIPT, *words[1:]]


def ran(command: list[str], place: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=place, env=variables, capture_output=True, text=True, timeout=600, check=False
    )


def served(command: list[str], place: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What ends at Ctrl-C alone: its page is read, then it is interrupted."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--port", "0"], cwd=place, env=variables, **pipes) as server:
        try:
            first = server.stdout.readline() if server.stdout else ""
            if address := re.search(r"http://\S+", first):
                with urllib.request.urlopen(address[0]) as page:
                    assert page.status == HTTPStatus.OK
        finally:
            server.send_signal(signal.SIGINT)
            rest, problems = server.communicate(timeout=60)
    assert address, first + rest + problems
    return subprocess.CompletedProcess(command, server.returncode, first + rest, problems)


ENVIRONMENTS: dict[str, Mapping[str, str]] = {
    "NO_COLOR": {"NO_COLOR": "1", "FORCE_COLOR": ""},
    "LC_ALL=C": {"LC_ALL": "C", "LANG": "C"},
}


def runs() -> Iterator[Any]:
    """Every page without colours in `make test-slow`; in the plainest locale each sixth page, the others
    in `make test-long`.
    """
    for place, page in enumerate(PAGES):
        for name in ENVIRONMENTS:
            mark = pytest.mark.long if place % 6 != 3 and name == "LC_ALL=C" else pytest.mark.slow
            yield pytest.param(page, name, id=f"{page.name}-{name}", marks=mark)


@pytest.mark.parametrize(("page", "environment"), list(runs()))
def test_the_commands_of_a_page_run_in_order(
    page: Path, environment: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place, home = tmp_path / "mein Projekt é", tmp_path / "home"
    place.mkdir()
    home.mkdir()
    text = page.read_text(encoding="utf-8")
    if page.parent.name == "docs":
        files_of(page.name, place)
    given = [word for words in GIVEN.findall(text) for word in words.split()]
    finished = request.getfixturevalue("finished_once") if "demo" in given else tmp_path
    give(list(dict.fromkeys(given)), place, home, finished)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    variables = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": cache, **ENVIRONMENTS[environment]}
    for each in commands_of(text):
        if each.reason:
            continue
        command = [
            word.replace("~", str(home), 1) if word[:1] == "~" else word for word in shlex.split(each.text)
        ]
        if command[0] != "evoarch":
            raise AssertionError(f"{page.name}:{each.line}: say why a test can't run it: {each.text}")
        command = shortened(command, place)
        if "seed" in command:
            command.append("--accept")
        ended = served if command[1] == "review" else ran
        done = ended(command, place, variables)
        said = f"{page.name}:{each.line}: {shlex.join(command)}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in said, said
        assert "\x1b" not in done.stdout, said
        assert done.returncode == 0, said

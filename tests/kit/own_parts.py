"""A small campaign with the parts of docs/extending.md, on a task of a user's own that is quickly loaded."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evoarch.archive.store import open_archive
from kit.pages import blocks_of, files_of
from kit.paths import ROOT

PYTHON = blocks_of("extending.md")
PAGE = (ROOT / "docs/extending.md").read_text("utf-8")
ENTRY_POINTS = dict(
    re.findall(r'entry-points\."(evoarch\.(?:operators|lms|metrics))"\]\n(\w+ = "\w+:\w+")', PAGE)
)
TASK = """import numpy as np

import evoarch


class Tiny(evoarch.DataTask):
    offers = {"input_shape": (12,), "num_classes": 6}

    def splits(self, seed):
        draw = np.random.default_rng(seed)
        y = np.arange(120) % 6
        x = draw.normal(size=(120, 12)).astype(np.float32)
        x[np.arange(120), y] += 2.0
        return evoarch.Splits(evoarch.Split(x[:60], y[:60]), evoarch.Split(x[60:], y[60:]))
"""
MODEL = """import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(12, {width})
        self.second = nn.Linear({width}, {width})
        self.head = nn.Linear({width}, 6)

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.relu(self.second(x))
        return self.head(x)
"""
CAMPAIGN = """[campaign]
name = "demo"
task = "my_tiny.py:Tiny"

[seeds]
files = ["seeds/narrow.py", "seeds/wide.py"]

[budget]
evaluations = {evaluations}

[evaluation]
recipe = "fast"
repeats = 1
workers = 1
order = "strict"
metrics = [{metric}, "macro_f1"]

[selection]
objectives = ["worst_class", "params"]

[constraints]
error = 1.0

[constraints.metrics]
macro_f1_loss = 1.0

[[lm]]
name = "guesser"
backend = {backend}
extra = {{layers = ["ReLU()", "GELU()", "Tanh()", "Dropout(0.1)", "Linear(24, 24)"]}}

[[operators]]
name = {operator}
weight = 1.0

[[operators]]
name = "lm.scoped"
lm = "guesser"
"""
BY_PATH = {
    "operator": '"my_ops.py:Widen"',
    "backend": '"my_lm.py:Guesser"',
    "metric": '"my_metrics.py:WorstClass"',
}
INSTALLED = {"operator": '"widen"', "backend": '"guesser"', "metric": '"worst_class"'}
GIVEN = {"operator": '"widen"', "backend": '"given"', "metric": '"worst_class"'}
WAYS = {"path": BY_PATH, "package": INSTALLED, "objects": GIVEN}


def campaign(folder: Path, names: dict[str, str], evaluations: int = 10) -> Path:
    """A campaign of two baselines, with parts of those names."""
    (folder / "seeds").mkdir(parents=True)
    (folder / "my_tiny.py").write_text(TASK)
    for name, width in (("narrow", 24), ("wide", 48)):
        (folder / "seeds" / f"{name}.py").write_text(MODEL.format(width=width))
    (folder / "campaign.toml").write_text(CAMPAIGN.format(evaluations=evaluations, **names))
    return folder


def write_page(folder: Path) -> Path:
    """The files of the page."""
    return files_of("extending.md", folder)


def install(site: Path) -> Path:
    """The page's parts as an installed package: its modules, and what an installer writes beside them."""
    write_page(site)
    info = site / "my_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 1.0\n")
    points = "".join(f"[{group}]\n{line.replace(chr(34), '')}\n" for group, line in ENTRY_POINTS.items())
    (info / "entry_points.txt").write_text(points)
    return site


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside the repository, which is the current one; what a test imports from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    yield tmp_path
    for name in ("my_ops", "my_lm", "my_metrics", "my_selection"):
        sys.modules.pop(name, None)


def took_part(folder: Path) -> None:
    """The operator made children of which one was scored, the model was asked, the metric was measured."""
    store = open_archive(folder, write=False)
    try:
        scored = store.scored()
        assert {"seed", "widen"} <= {each.operator for each in scored}
        assert all({"worst_class", "macro_f1_loss"} <= set(each.metrics) for each in scored)
        calls = [call for call in store.calls.all(state="settled") if call.model == "guesser"]
        assert any("worst_class" in call.prompt for call in calls), "prompts ask for the objective"
        assert any(each.operator == "lm.scoped" for each in store.candidates())
    finally:
        store.close()

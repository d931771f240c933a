"""From a newcomer's files to the first elite: init, run, confirm and export, without a line of Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.command import output_of
from kit.image_folders import image_folder
from kit.own_files import labelled_texts, series, shapes, tones
from kit.tables import written

DEAR = ("masks", "recordings", "text")
"""Kinds whose trainings take minutes together: `make test-long`."""


TASKS = {
    "images": "images:photos,size=8",
    "table": "table:houses.csv,target=price",
    "text": f"text:{Path(json.__file__).parent},files=*.py,context=16",
    "text-class": "text-class:said.csv,target=mood,context=32",
    "recordings": "sequence:sounds,rate=1000,milliseconds=200",
    "series": "sequence:load.csv,horizon=4",
    "masks": "masks:shapes",
}
FOUND = {
    "images": "data: 120 images of 3 classes",
    "table": "data: 80 rows; target price",
    "text": "a uniform guess takes 8 bits a byte",
    "text-class": "data: 120 texts of said; target mood: 2 classes",
    "recordings": "data: 60 recordings of 3 classes",
    "series": "data: 500 rows of 2 columns (load, echo)",
    "masks": "data: 60 images of 1 channels, 16 x 16 pixels; 3 classes of pixels",
}
UNSCALED = ("text", "text-class")
"""Kinds whose inputs are tokens."""


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.long if kind in DEAR else pytest.mark.slow) for kind in TASKS],
)
def test_own_files_come_to_a_confirmed_winner(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    image_folder(tmp_path / "photos", {"cat": 40, "dog": 40, "fox": 40})
    written(tmp_path)
    labelled_texts(tmp_path / "said.csv", 120)
    tones(tmp_path / "sounds", 20)
    series(tmp_path / "load.csv", 500)
    shapes(tmp_path / "shapes", 60)
    said = output_of("init", "demo", "--task", TASKS[kind], "--lm", "none", "--evaluations", "20")
    assert FOUND[kind] in said
    shorter = ("--set", "evaluation.repeats=1", "--set", "evaluation.race=0")
    assert "complete" in output_of("run", "demo", *shorter)
    assert "Front" in output_of("status", "demo")
    assert "held_out" in output_of("confirm", "demo", "--top", "1", "--seeds", "2", "--recipe", "fast")
    output_of("export", "demo", "1", "-o", "winner.py")
    header = " ".join(line.lstrip("# ") for line in Path("winner.py").read_text("utf-8").splitlines())
    assert (".scale(x) with the campaign's folder" in header) == (kind not in UNSCALED)

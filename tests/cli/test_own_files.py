"""From a newcomer's files to the first elite: init, run, confirm and export, without a line of Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.command import output_of
from kit.image_folders import image_folder
from kit.tables import written

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["images", "table", "text"])
def test_own_files_come_to_a_confirmed_winner(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    if kind == "images":
        image_folder(tmp_path / "photos", {"cat": 40, "dog": 40, "fox": 40})
        task, said = "images:photos,size=8", "data: 120 images of 3 classes"
    elif kind == "text":
        source = Path(json.__file__).parent
        task, said = f"text:{source},files=*.py,context=16", "a uniform guess takes 8 bits a byte"
    else:
        written(tmp_path)
        task, said = "table:houses.csv,target=price", "data: 80 rows; target price"
    assert said in output_of("init", "demo", "--task", task, "--lm", "none", "--evaluations", "20")
    shorter = ("--set", "evaluation.repeats=1", "--set", "evaluation.race=0")
    assert "complete" in output_of("run", "demo", *shorter)
    assert "Front" in output_of("status", "demo")
    assert "held_out" in output_of("confirm", "demo", "--top", "1", "--seeds", "2", "--recipe", "fast")
    output_of("export", "demo", "1", "-o", "winner.py")
    header = " ".join(line.lstrip("# ") for line in Path("winner.py").read_text("utf-8").splitlines())
    assert (".scale(x) with the campaign's folder" in header) == (kind != "text")

"""The notebook runs as it stands, and its figures are drawn inline."""

import json
from pathlib import Path

import pytest
from benchmarks.notebook import NOTEBOOK, executed

KEPT = json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def test_the_notebook_is_kept_with_what_it_shows() -> None:
    cells = [cell for cell in KEPT["cells"] if cell["cell_type"] == "code"]
    assert (KEPT["nbformat"], len({cell["id"] for cell in KEPT["cells"]})) == (4, len(KEPT["cells"]))
    assert all(cell["outputs"] for cell in cells)
    assert "/tmp" not in json.dumps(KEPT), "no place of the machine that ran it"


@pytest.mark.slow
def test_the_notebook_runs_and_draws_its_figures(tmp_path: Path) -> None:
    cells = {cell["id"]: cell for cell in executed(KEPT, tmp_path)["cells"]}
    for name in ("front-figure", "lineage-figure"):
        (shown,) = cells[name]["outputs"]
        assert "".join(shown["data"]["image/svg+xml"]).startswith("<svg"), name
    (table,) = cells["diff-table"]["outputs"]
    assert "<table>" in "".join(table["data"]["text/html"])
    (words,) = cells["diff-words"]["outputs"]
    assert any(line.startswith(("- ", "+ ")) for line in words["text"])
    (front,) = cells["front-words"]["outputs"]
    assert all("parameters" in line for line in front["text"])
    assert "class Model" in (tmp_path / "bred.py").read_text(encoding="utf-8")

"""Reports and exports: every figure equals what `--json` says, and a model file that stands on its own."""

from __future__ import annotations

import json
import re
import subprocess
import venv
from html.parser import HTMLParser
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from evoarch.agent.report.diff import Row, compare, statements
from evoarch.agent.statistics.intervals import examples, wilson
from evoarch.agent.statistics.paired import paired
from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import open_archive
from evoarch.archive.weights import load_weights
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.genome import source_digest
from kit.command import evoarch, output_of


class Numbers(HTMLParser):
    """Collects every number that names its path, and every point of a chart."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[tuple[str, str, str]] = []
        self.points: list[tuple[str, int, float, float]] = []
        self._open: tuple[str, str] | None = None
        self._chart = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self._chart = given.get("data-chart", self._chart)
        if tag == "data":
            self._open = (given["data-path"], given["value"])
        if "data-x" in given:
            self.points.append(
                (self._chart, int(given["data-candidate"]), float(given["data-x"]), float(given["data-y"]))
            )

    def handle_data(self, data: str) -> None:
        if self._open:
            self.values.append((*self._open, data))
            self._open = None


def at(data: object, path: str) -> object:
    for part in path.split("/"):
        data = data[int(part)] if isinstance(data, list) else data[part]  # type: ignore[index]
    return data


def test_every_figure_of_the_report_equals_what_json_says(finished: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    output_of("report", str(finished), "-o", str(target))
    said = json.loads(output_of("report", str(finished), "--json"))
    status = json.loads(output_of("status", str(finished), "--json"))
    rows = {row["id"]: row for row in json.loads(output_of("list", str(finished), "--json"))["rows"]}
    page = Numbers()
    page.feed(target.read_text(encoding="utf-8"))
    assert len(page.values) > 40
    for path, value, text in page.values:
        expected = at(said, path)
        assert value == str(expected), path
        if expected is not None:
            digits = float(text.replace(",", ""))
            assert digits == pytest.approx(
                float(str(expected)), abs=max(0.00006, abs(float(str(expected))) * 0.006)
            )
    assert status.pop("schema") == "status/1"
    assert said["overview"]["status"] == status
    shown = {identity: (x, y) for chart, identity, x, y in page.points if chart == "front"}
    assert shown == {i: (r["params"], r["error"]) for i, r in rows.items() if r["error"] is not None}
    steps = {s["candidate"]: s for s in said["overview"]["steps"]}
    over = [(i, x, y) for chart, i, x, y in page.points if chart == "hypervolume-evaluations"]
    assert over == [(i, s["evaluations"], s["hypervolume"]) for i, s in steps.items()]
    assert said["overview"]["steps"][-1]["hypervolume"] == pytest.approx(said["overview"]["hypervolume"])
    assert said["overview"]["examples"] == 500


def test_a_report_loads_nothing_and_runs_nothing(finished: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    output_of("report", str(finished), "-o", str(target))
    text = target.read_text(encoding="utf-8")
    assert len(text) < 5_000_000
    assert "<script" not in text
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']*""", text)
    assert "url(" not in text
    assert "@import" not in text
    assert "isolation" in text.lower()


def test_markdown_brings_its_figures(finished: Path, tmp_path: Path) -> None:
    output_of("report", str(finished), "--format", "md", "-o", str(tmp_path / "report.md"))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    images = re.findall(r"!\[[^]]*]\(<([^>]+)>\)", text)
    assert len(images) == 5
    for image in images:
        assert (tmp_path / image).read_text(encoding="utf-8").startswith("<svg xmlns=")
    assert "class Model" in text


def torch_only(folder: Path) -> Path:
    """A virtual environment that holds torch and what torch requires, nothing else; its interpreter."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    wanted, done = ["torch"], set()
    while wanted:
        name = wanted.pop()
        if name in done:
            continue
        done.add(name)
        found = distribution(name)
        tops = {Path(str(f)).parts[0] for f in found.files or () if ".." not in str(f)}
        for top in tops:
            source = Path(str(found.locate_file(top)))
            if not (site / top).exists():
                (site / top).symlink_to(source)
        for line in found.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    assert not (site / "numpy").exists()
    return folder / "bin" / "python"


ALONE = """
import importlib.util, json, struct, sys
import torch
spec = importlib.util.spec_from_file_location("model", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
def load(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + size])
    kinds = {"F32": torch.float32, "I64": torch.int64, "F64": torch.float64, "BOOL": torch.bool}
    body = bytearray(raw[8 + size:])
    return {name: torch.frombuffer(body, dtype=kinds[v["dtype"]], offset=v["data_offsets"][0],
                count=(v["data_offsets"][1] - v["data_offsets"][0]) // kinds[v["dtype"]].itemsize
            ).reshape(v["shape"])
            for name, v in head.items() if name != "__metadata__"}
model = module.Model()
missing = model.load_state_dict(load(sys.argv[2]), strict=False)
assert not missing.unexpected_keys, missing
model.eval()
with torch.no_grad():
    print(json.dumps(model(load(sys.argv[3])["x"]).argmax(1).tolist()))
"""


def test_an_exported_elite_runs_with_torch_alone_and_answers_as_in_the_campaign(
    finished: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import save_file

    with open_archive(finished, write=False) as store:
        elite = max(store.scored(), key=lambda c: (bool(c.parents), -c.metrics["error"]))
        (evaluation,) = store.evaluations(elite.id)
    model, weights, inputs = tmp_path / "model.py", tmp_path / "model.safetensors", tmp_path / "x.safetensors"
    output_of("export", str(finished), str(elite.id), "-o", str(model), "--weights", str(weights))
    split = load_task("mnist1d").splits(0).validation
    save_file({"x": split.inputs}, inputs)
    python = torch_only(tmp_path / "venv")
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", ALONE, str(model), str(weights), str(inputs)],
        capture_output=True,
        text=True,
        check=False,
        env={"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    correct = np.array(json.loads(done.stdout)) == split.targets
    assert np.packbits(correct).tobytes() == evaluation.correct
    text = model.read_text(encoding="utf-8")
    assert source_digest(text) == elite.source_digest
    for part in (
        f"Candidate {elite.id} ",
        "95% interval",
        "Lineage: #",
        elite.source_digest,
        "evoarch evaluate",
    ):
        assert part in text.replace("\n# ", " ")
    kept = load_weights(finished, elite.id, evaluation.rung, 0)
    assert sum(array.nbytes for array in kept.values()) <= weights.stat().st_size
    assert "fine" in output_of("check", str(model))


def test_the_layer_table_has_the_published_sizes(finished: Path) -> None:
    with open_archive(finished, write=False) as store:
        mlp = next(each for each in store.candidates(operator="seed") if each.name == "mlp")
        (evaluation,) = store.evaluations(mlp.id)
    rows = evaluation.detail["layers"]
    assert isinstance(rows, list)
    first = {"name": "linear1", "kind": "Linear", "shape": [100], "params": 4100, "flops": 2 * 40 * 100}
    assert rows[0] == first
    whole = {"name": "", "kind": "Model", "shape": [], "params": 15210, "flops": 2 * (4000 + 10_000 + 1000)}
    assert rows[-1] == whole


def test_what_has_no_score_is_not_exported(finished: Path, tmp_path: Path) -> None:
    with open_archive(finished, write=True) as store:
        (proposal,) = store.draw("random", [], 1, {"slot": 10_000, "count": 1, "table": 0})
        store.reject(proposal.candidate, "", "nothing")
    result = evoarch("export", str(finished), str(proposal.candidate), "-o", str(tmp_path / "m.py"))
    assert result.exit_code == 1
    assert "is rejected; expected a scored candidate" in result.output


def test_the_terminal_shows_what_the_page_shows(finished: Path) -> None:
    with open_archive(finished, write=False) as store:
        child = next(c for c in store.scored() if c.parents)
    shown = output_of("show", str(finished), str(child.id))
    assert f"against parent #{child.parents[0]}" in shown
    said = json.loads(output_of("show", str(finished), str(child.id), "--json"))
    assert said["comparisons"][0]["words"] in shown.replace("\n", "")
    assert "class Model" in output_of("diff", str(finished), str(child.id))
    assert f"#{child.parents[0]}" in output_of("lineage", str(finished), str(child.id))
    family = json.loads(output_of("lineage", str(finished), str(child.id), "--json"))["rows"]
    assert {row["id"] for row in family} >= {child.id, *child.parents}


# Numbers


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_the_number_of_examples_is_read_from_error_and_bits(sizes: tuple[int, int]) -> None:
    n, wrong = sizes
    bits = np.packbits(np.arange(n) >= wrong).tobytes()
    assert examples((wrong + 1) / (n + 2), bits) == n


@given(st.floats(0.0, 1.0), st.integers(1, 10_000))
def test_an_interval_holds_its_error(error: float, n: int) -> None:
    interval = wilson(error, n)
    assert 0.0 <= interval.low <= error + 1e-12
    assert error - 1e-12 <= interval.high <= 1.0


def test_wilson_is_the_published_interval() -> None:
    # Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662.
    interval = wilson(81 / 263, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


def evaluation(seed: int, right: list[bool]) -> Evaluation:
    error = (right.count(False) + 1) / (len(right) + 2)
    outcome = Scored({"error": error, "params": 1.0})
    return Evaluation(1, "full", seed, outcome, 1.0, 1.0, "search", np.packbits(right).tobytes())


def test_pairs_are_of_the_same_examples_over_all_seeds() -> None:
    ours = [evaluation(0, [True] * 9 + [False]), evaluation(1, [True] * 10)]
    theirs = [evaluation(0, [True] * 4 + [False] * 6), evaluation(7, [True] * 9 + [False])]
    found = paired(ours, theirs, dispersion=0.0, freedom=2)
    assert found is not None
    assert (found.gained, found.lost, found.seeds, found.other_seeds) == (6, 0, 2, 2)
    assert found.mean == pytest.approx(1 / 20 - 7 / 20)
    assert found.significant
    noisy = paired(ours, theirs, dispersion=0.5, freedom=2)
    assert noisy is not None
    assert not noisy.significant
    assert paired(ours, [evaluation(0, [True] * 99)], dispersion=0.0, freedom=2) is None
    assert paired(ours, [], dispersion=0.0, freedom=2) is None


# Statements


def right_text(row: Row) -> str:
    return "".join(piece.text for piece in row.right)


def test_layout_comments_and_docstrings_are_no_change() -> None:
    one = 'class A:\n    """Old."""\n    def f(self, x):\n        return g(x,\n                 1)  # why\n'
    other = "class A:\n\n    def f(self, x): return g(x, 1)\n"
    assert {row.kind for row in compare(one, other)} == {"same"}


def test_a_changed_statement_stands_beside_what_it_was() -> None:
    one = "import a\nx = f(25, 3)\ny = 2\n"
    other = "import a\nif a:\n    z = 1\nx = f(32, 3)\n"
    rows = [(row.kind, row.left_text, right_text(row)) for row in compare(one, other)]
    assert rows == [
        ("same", "import a", "import a"),
        ("added", "", "if a:"),
        ("added", "", "    z = 1"),
        ("changed", "x = f(25, 3)", "x = f(32, 3)"),
        ("removed", "y = 2", ""),
    ]
    (changed,) = [row for row in compare(one, other) if row.kind == "changed"]
    assert [p.text for p in changed.left if p.changed] == ["25"]


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_compare_and_both_sides_are_whole(one: str, other: str) -> None:
    rows = compare(one, other)
    assert [row.left_text for row in rows if row.left] == statements(one)
    assert [right_text(row) for row in rows if row.right] == statements(other)

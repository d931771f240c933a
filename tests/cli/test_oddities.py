"""Numbers too large, text that is no UTF-8, places that are none: one line and an exit code, no traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.agent.evaluation.doctor import examine
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.seeding.arguments import arguments
from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import create
from evoarch.evaluators.tasks import load_task
from kit.command import evoarch

BIG = "9" * 20
LONG = "9" * 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign of one scored seed; nothing here changes it."""
    path = tmp_path_factory.mktemp("oddities") / "campaign"
    write_campaign(path, load_task("mnist1d"), name="c", seed=0, evaluations=3, lm="none")
    with create(path, name="c", seed=0) as store:
        seed = store.add_seed("a", "x = 1\n", "a").id
        store.start(seed)
        store.settle(Evaluation(seed, "full", 0, Scored({"error": 0.3, "params": 5.0}), 1.0, 0.5, "seed"))
    (path / "file").write_text("")
    return path


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("show", "DIR", BIG), f"no candidate {BIG}"),
        (("diff", "DIR", BIG), f"no candidate {BIG}"),
        (("diff", "DIR", "1", BIG), f"no candidate {BIG}"),
        (("lineage", "DIR", BIG), f"no candidate {BIG}"),
        (("list", "DIR", "--limit", BIG), "a number that SQLite can hold"),
        (("list", "DIR", "--text", "\udcff"), "expected UTF-8 text"),
        (("init", "DIR/new", "--lm", "none", "--name", "\udcff"), "expected UTF-8 text"),
        (("run", "DIR", "--set", f"budget.evaluations={LONG}"), "budget.evaluations: "),
        (("run", "DIR", "--set", f"budget.evaluations={'[' * 5000}"), "budget.evaluations: "),
        (("run", "DIR", "--set", "operators.².weight=1"), "expected a number below"),
        (("compare", "DIR", "--arms", f"random:{LONG}"), "expected NAME or NAME:SEEDS"),
        (("compare", "DIR", "--arms", "random:²"), "expected NAME or NAME:SEEDS"),
        (("report", "DIR", "-o", "DIR/r.html", "--figures", "DIR/file"), "DIR/file: File exists"),
        (("report", "DIR", "-o", "DIR/no/r.html"), "DIR/no is no folder"),
        (("report", "DIR", "-o", "DIR/no/r.md", "--format", "md"), "DIR/no is no folder"),
    ],
)
def test_one_line_says_what_is_wrong(folder: Path, command: tuple[str, ...], said: str) -> None:
    result = evoarch(*[part.replace("DIR", str(folder)) for part in command])
    assert result.exit_code in (1, 2)
    assert said.replace("DIR", str(folder)) in result.output
    assert result.output.count("\n") == 1
    assert len(result.output) < 1000
    assert not (folder / "new").exists()
    assert not (folder / "no").exists()


def test_a_configuration_of_too_many_digits_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "campaign.toml").write_text(f"a = {LONG}\n")
    with pytest.raises(UserError, match=r"campaign\.toml: not valid TOML"):
        load(tmp_path)


def test_pictures_of_a_report_are_found_behind_a_space(folder: Path, tmp_path: Path) -> None:
    assert evoarch("report", str(folder), "-o", str(tmp_path / "my report.md")).exit_code == 0
    assert "](<my report-figures/" in (tmp_path / "my report.md").read_text()


@pytest.mark.parametrize("value", ["{1,2}", "b'x'", "...", "-" * 100_000 + "1", "1e999", "\udcff"])
def test_an_argument_that_the_record_can_not_hold_is_refused(value: str) -> None:
    with pytest.raises(UserError, match="--kwargs"):
        arguments((f"k={value}",))


def test_arguments_are_literals_or_text() -> None:
    given = ("a=3", "b=x", "c=[1, 2.5]", "d=None", "e={'k': (1, True)}")
    assert arguments(given) == {"a": 3, "b": "x", "c": [1, 2.5], "d": None, "e": {"k": (1, True)}}


MODEL = "from torch import nn\n\n\nclass Model(nn.Module):\n    def forward(self, x):\n        return x\n"


@pytest.mark.parametrize(
    ("stands", "code"), [('{"lr": 0.1, "name": "x"}', 0), ("[1]", 0), ('{"pieces": []}', 1), ("{", 1)]
)
def test_json_beside_a_model_file_counts_where_it_is_a_record(tmp_path: Path, stands: str, code: int) -> None:
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8-sig")
    (tmp_path / "model.json").write_text(stands)
    result = evoarch("check", str(tmp_path / "model.py"))
    assert result.exit_code == code
    assert ("not a record of a seed" in result.output) == bool(code)


@pytest.mark.parametrize(
    ("place", "ok"),
    [(lambda path: path, True), (lambda path: path / "a" / "b", True), (lambda path: path / "file", False),
     (lambda path: path / "file" / "c", False)],
)  # fmt: skip
def test_doctor_says_whether_an_archive_can_be_made(
    tmp_path: Path, place: Callable[[Path], Path], ok: bool
) -> None:
    (tmp_path / "file").write_text("")
    points = {point.what: point for point in examine(place(tmp_path), lambda: ())}
    assert points["archive"].ok is ok
    assert ok or "expected a folder" in points["archive"].found
    assert not points["isolation"].found.endswith(": ")


def test_doctor_of_a_file_ends_with_an_error(folder: Path) -> None:
    result = evoarch("doctor", str(folder / "file"), "--json")
    assert result.exit_code == 1
    assert not next(point for point in json.loads(result.output)["rows"] if point["what"] == "archive")["ok"]

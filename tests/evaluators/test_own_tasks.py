"""Tasks of a user's own: the example of docs/own-task.md, the contract, what is said of a broken one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import evoarch
from evoarch.agent.config.data_fingerprint import fingerprint, refuse_changed, retell, retold
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import create
from evoarch.evaluators.checks import WIDTH
from evoarch.evaluators.fit import fit_program
from evoarch.evaluators.tasks import load_task, moved
from kit.command import evoarch as run
from kit.command import new_campaign
from kit.image_folders import image_folder
from kit.pages import files_of
from kit.paths import ROOT
from kit.tables import written

PAGE = ROOT / "docs/own-task.md"


class TestThePagesExample(evoarch.TaskContract):
    @pytest.fixture
    def task(self, tmp_path_factory: pytest.TempPathFactory) -> evoarch.Task:
        folder = tmp_path_factory.getbasetemp() / "page"
        folder.mkdir(exist_ok=True)
        return load_task("my_task.py:MyTask", files_of("own-task.md", folder))


@pytest.mark.slow
class TestDigits(evoarch.TaskContract):
    @pytest.fixture
    def task(self) -> evoarch.Task:
        return load_task("digits")


@pytest.mark.slow
class TestMnist1d(evoarch.TaskContract):
    @pytest.fixture(params=["mnist1d", "mnist1d-shuffled"])
    def task(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> evoarch.Task:
        from evoarch.evaluators.tasks import mnist1d

        monkeypatch.setattr(mnist1d, "SELECTION", 200)
        monkeypatch.setattr(mnist1d, "FRESH", 300)
        return load_task(request.param)


def data_file(folder: Path, *, regression: bool, shift: float = 0.0) -> Path:
    draw = np.random.default_rng(0)
    x = draw.normal(2.0 + shift, 5.0, (300, 5)).astype(np.float32)
    y = 1e3 * np.stack([x[:, 0] - x[:, 1], np.abs(x[:, 2])], 1) if regression else (x[:, 0] > 2).astype(int)
    arrays = {"x_train": x[:200], "y_train": y[:200], "x_test": x[200:], "y_test": y[200:]}
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.slow
class TestTensors(evoarch.TaskContract):
    @pytest.fixture(params=[False, True], ids=["classes", "regression"])
    def task(self, request: pytest.FixtureRequest, tmp_path: Path) -> evoarch.Task:
        return load_task(f"tensors:{data_file(tmp_path, regression=request.param)}")


@pytest.mark.slow
class TestTable(evoarch.TaskContract):
    @pytest.fixture(params=["city", "price"])
    def task(self, request: pytest.FixtureRequest, tmp_path: Path) -> evoarch.Task:
        return load_task(f"table:{written(tmp_path)},target={request.param}")


@pytest.mark.slow
class TestText(evoarch.TaskContract):
    @pytest.fixture
    def task(self, tmp_path: Path) -> evoarch.Task:
        draw = np.random.default_rng(0)
        (tmp_path / "text.txt").write_text(" ".join(map(str, draw.integers(0, 10**9, 3000))))
        return load_task(f"text:{tmp_path}/text.txt,context=16")


@pytest.mark.slow
class TestImages(evoarch.TaskContract):
    @pytest.fixture
    def task(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> evoarch.Task:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        return load_task(f"images:{image_folder(tmp_path / 'photos', {'cat': 30, 'dog': 30})}")


HEAD = """
import numpy as np
import evoarch
def split(n=20, shape=(6,), high=2, dtype=np.float32):
    x = np.arange(n * np.prod(shape)).reshape(n, *shape).astype(dtype)
    return evoarch.Split(x, np.arange(n) % high)
class MyTask(evoarch.DataTask):
    offers = {"input_shape": (6,), "num_classes": 2}
    def splits(self, seed):
        return evoarch.Splits(split(), split())
"""
NAN = "s = split(); s.inputs[3, 2] = np.nan; return evoarch.Splits(s, split())"
SHORT = "return evoarch.Splits(split(), evoarch.Split(split().inputs, split(9).targets))"
RETURN = "return evoarch.Splits(split(), split())"
RECIPE = "{'fast': evoarch.Recipe('fast', rate=0.1, "
BROKEN = {
    "no such class": ("MyTask(", "MyTaks(", "expected a class 'MyTask', got none; nearest is 'MyTaks'"),
    "not python": ("dtype=np.float32):", "dtype=np.float32)", "line 4: SyntaxError: expected ':'"),
    "an import that fails": ("import numpy", "import nunpy", "line 2: ModuleNotFoundError: No module named"),
    "no data": ("def splits", "def parts", "NotImplementedError: MyTask: expected splits(seed)"),
    "no offers": ("offers =", "offer =", "MyTask.offers: NotImplementedError"),
    "no classes": ('"num_classes": 2', '"num_clases": 2', "expected an integer of at least 1"),
    "one class": ('"num_classes": 2', '"num_classes": 1', "num_classes: expected an integer of at least 2"),
    "a shape of words": ('"input_shape": (6,)', '"input_shape": "six"', 
        "offers.input_shape: expected a tuple of sizes, got 'six'"),
    "no base": ("(evoarch.DataTask)", "", "MyTask.name: expected, but it is not there; evoarch.DataTask"),
    "no recipe": ("def splits", "recipes = {}\n    def splits", "MyTask.recipes: expected a dict of recipes"),
    "no steps": ("def splits", f"recipes = {RECIPE}steps=0, batch=4)}}\n    def splits",
        "MyTask.recipes['fast']: steps: expected an integer of at least 1, got 0"),
    "no rate": ("def splits", "recipes = {'fast': evoarch.Recipe('fast', 0.0, 9, 4)}\n    def splits",
        "recipes['fast']: rate: expected a finite number above 0, got 0.0"),
    "no checkpoint": ("def splits", f"recipes = {RECIPE}steps=9, batch=4, checkpoints=0)}}\n    def splits",
        "recipes['fast']: checkpoints: expected an integer of at least 1, got 0"),
    "too many checkpoints": ("def splits",
        f"recipes = {RECIPE}steps=9, batch=4, checkpoints=10)}}\n    def splits",
        "recipes['fast']: checkpoints: expected at most its 9 steps, got 10"),
    "offers that are none": ('{"input_shape": (6,), "num_classes": 2}', "None",
        "offers: expected a dict by name, got None"),
    "offers in a list": ('{"input_shape": (6,), "num_classes": 2}', "[6, 2]",
        "offers: expected a dict by name, got [6, 2]"),
    "a list of losses": ("def splits", "loss = ['cross_entropy']\n    def splits",
        f"loss: expected one of {', '.join(WIDTH)}, got ['cross_entropy']"),
    "no fit": ("def splits", 'fit_file = "f.py"\n    def splits', "f.py: expected the file of fit"),
    "raises": (RETURN, "return 1 / 0", "splits: ZeroDivisionError: division by zero"),
    "a wrong type": (RETURN, "return split(), split()", "expected evoarch.Splits, got tuple"),
    "a wrong shape": (RETURN, "return evoarch.Splits(split(shape=(7,)), split())",
        "train.inputs: expected float32 (n, 6), got float32 (20, 7)"),
    "a wrong dtype": (RETURN, "return evoarch.Splits(split(dtype=np.float64), split())",
        "train.inputs: expected float32 (n, 6), got float64 (20, 6)"),
    "out of range": (RETURN, "return evoarch.Splits(split(), split(high=3))",
        "validation.targets: expected class numbers 0 to 1, got 2 at example 2"),
    "an empty split": (RETURN, "return evoarch.Splits(split(), split(0))",
        "validation: expected examples, got none"),
    "other lengths": (RETURN, SHORT,
        "validation: expected a target for each of 20 inputs, got 9"),
    "nan": (RETURN, NAN, "train.inputs: expected finite numbers, got nan at example 3"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_class_is_one_line_before_anything_is_written(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in HEAD
    (tmp_path / "t.py").write_text(HEAD.replace(old, new, 1))
    done = run("init", str(tmp_path / "c"), "--task", f"{tmp_path / 't.py'}:MyTask", "--lm", "none")
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert done.output.startswith("evoarch: ")
    assert done.output.count("\n") == 1
    assert not (tmp_path / "c").exists()


def test_data_that_broke_after_init_are_one_line_from_run(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(HEAD)
    new_campaign(tmp_path / "c", "--task", f"{tmp_path / 't.py'}:MyTask")
    (tmp_path / "t.py").write_text(HEAD.replace(RETURN, NAN))
    done = run("run", str(tmp_path / "c"))
    assert done.exit_code == 2
    assert "train.inputs: expected finite numbers, got nan at example 3" in done.output
    (tmp_path / "t.py").unlink()
    done = run("run", str(tmp_path / "c"))
    assert done.exit_code == 2
    assert "t.py: expected the file of a task: No such file" in done.output


def test_confirm_without_a_test_split_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(HEAD)
    new_campaign(tmp_path / "c", "--task", f"{tmp_path / 't.py'}:MyTask")
    done = run("confirm", str(tmp_path / "c"))
    assert done.exit_code == 2
    assert "task MyTask: expected a test split to confirm on (x_test and y_test of a data file" in done.output


def test_an_unknown_name_names_the_nearest_form_and_help_lists_them() -> None:
    done = run("evaluate", str(PAGE), "--task", "tensor")
    assert done.exit_code == 2
    assert "nearest is 'tensors:FILE'" in done.output
    assert "FILE.py:CLASS" in run("init", "--help").output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def fit(model):\n    pass\n", "f.py:1: expected fit(model, context), got fit(model)"),
        ("def train(model, context):\n    pass\n", "f.py: expected a function fit(model, context), got none"),
        ("def fit(model, context:\n", "f.py:1: not Python: '(' was never closed"),
    ],
)
def test_a_loop_that_does_not_hold_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "f.py").write_text(text)
    with pytest.raises(evoarch.TaskError, match=re.escape(message)):
        fit_program(load_task("digits"), tmp_path / "f.py")


def test_a_path_is_told_to_another_folder_as_it_leads_there(tmp_path: Path) -> None:
    assert moved("mnist1d", tmp_path, tmp_path / "c") == "mnist1d"
    assert moved("tensors:d/x.npz", tmp_path, tmp_path / "c") == "tensors:../d/x.npz"
    assert moved("t.py:T", tmp_path / "a", tmp_path) == "a/t.py:T"
    assert moved("tensors:/x.npz", tmp_path, tmp_path / "c") == "tensors:/x.npz"
    path = data_file(tmp_path, regression=False)
    task, name = load_task(f"tensors:{path}"), "tensors:../mine.npz"
    source, copy = tmp_path / "c", tmp_path / "deep" / "er"
    write_campaign(source, task, task_name=name, name="c", seed=0, evaluations=3, lm="none")
    copy.mkdir(parents=True)
    shutil.copyfile(source / "campaign.toml", copy / "campaign.toml")
    shutil.copytree(source / "seeds", copy / "seeds")
    from evoarch.agent.config.load import load

    config = load(source)
    retell(copy / "campaign.toml", source)
    assert load(copy) == retold(config, source, copy)
    assert load_task(load(copy).campaign.task, copy).digest == task.digest  # type: ignore[attr-defined]
    assert "# everything random" in (copy / "campaign.toml").read_text(), "comments are kept"


def test_other_data_are_refused_once_something_is_scored(tmp_path: Path) -> None:
    name = f"tensors:{data_file(tmp_path, regression=False)}"
    store = create(tmp_path / "a", name="c", seed=0)
    before = fingerprint(name, load_task(name), 0)
    assert fingerprint("digits", load_task("digits"), 0) == ""
    store.event("session", detail={"data": before})
    data_file(tmp_path, regression=False, shift=1.0)
    after = fingerprint(name, load_task(name), 0)
    refuse_changed(store, name, after)
    seed = store.add_seed("s", "x = 1\n", "d")
    store.start(seed.id)
    store.settle(Evaluation(seed.id, "full", 0, Scored({"error": 0.1, "params": 1.0}), 0.0, 0.0, "seed", b""))
    refuse_changed(store, name, before)
    with pytest.raises(evoarch.UserError, match="expected the data that this campaign was measured on"):
        refuse_changed(store, name, after)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["digits", "classes", "regression", "own"])
def test_a_campaign_from_init_to_export(tmp_path: Path, kind: str) -> None:
    task = "digits" if kind == "digits" else f"{files_of('own-task.md', tmp_path) / 'my_task.py'}:MyTask"
    if kind in ("classes", "regression"):
        task = f"tensors:{data_file(tmp_path, regression=kind == 'regression')}"
    folder = new_campaign(tmp_path / "c", "--task", task, "--evaluations", "2")
    text = (folder / "campaign.toml").read_text()
    text = re.sub(r"(?m)^files = .*", 'files = ["seeds/mlp.py"]', text).replace("repeats = 3", "repeats = 1")
    (folder / "campaign.toml").write_text(text.replace("workers = 0", "workers = 1"))
    done = run("run", str(folder), "--json")
    assert done.exit_code == 0, done.output
    with evoarch.open_archive(folder) as store:
        scored = store.scored()
    assert scored[0].name == "mlp"
    assert scored[0].metrics["error"] < 0.3
    done = run("confirm", str(folder), "--top", "0", "--seeds", "2", "--recipe", "fast", "--json")
    assert done.exit_code == 0, done.output
    assert '"held_out"' in done.output
    assert run("export", str(folder), "1", "-o", str(tmp_path / "model.py")).exit_code == 0
    assert ("as the task scales them" in (tmp_path / "model.py").read_text()) == task.startswith("tensors:")
    if task.startswith("tensors:"):
        data_file(tmp_path, regression=kind == "regression", shift=1.0)
        for command in ("run", "confirm"):
            done = run(command, str(folder))
            assert done.exit_code == 2
            assert "expected the data that this campaign was measured on" in done.output

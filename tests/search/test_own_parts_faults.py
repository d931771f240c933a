"""Parts of a user's own that do not hold: one line, before anything is spent; what a metric's fault is."""

from __future__ import annotations

import asyncio
import re
import textwrap
from pathlib import Path

import pytest

import evoarch
from evoarch.archive.store import open_archive
from kit.command import evoarch as command
from kit.own_parts import BY_PATH, PYTHON, campaign, install, write_page
from kit.own_parts import outside as outside
from kit.pages import files_of
from kit.quick_walls import quick_walls

OPS = PYTHON["my_ops.py"]
LM = PYTHON["my_lm.py"]
METRIC = PYTHON["my_metrics.py"]
BROKEN = {
    "no file": ("my_ops.py", None, "my_ops.py: expected the file of an operator: No such file"),
    "no class": ("my_ops.py", OPS.replace("class Widen", "class Widden"),
        "my_ops.py: expected a class 'Widen', got none; nearest is 'Widden'"),
    "no python": ("my_ops.py", OPS + "\nclass :\n", "my_ops.py: line 29: SyntaxError"),
    "an import that exits": ("my_ops.py", "import sys\nsys.exit(3)\n", "my_ops.py: line 2: SystemExit: 3"),
    "raises when made": ("my_ops.py", OPS.replace("self.factors = factors", "raise OSError('no disk')"),
        "my_ops.py: Widen: Widen(): line 15: OSError: no disk"),
    "a built-in name": ("my_ops.py", OPS.replace('"widen"', '"random"'),
        "my_ops.py: Widen: name: expected one of its own, got 'random', which is a built-in operator's"),
    "no propose": ("my_ops.py", OPS.replace("propose", "purpose"),
        "my_ops.py: Widen: propose: expected, but"),
    "no coroutine": ("my_ops.py", OPS.replace("async def", "def"),
        "my_ops.py: Widen: propose: expected an `async def`, got method"),
    "arity of text": ("my_ops.py", OPS.replace("arity = 1", "arity = 'two'"),
        "my_ops.py: Widen: arity: expected an integer of at least 0, got 'two'"),
    "samples of none": ("my_ops.py", OPS.replace("samples = 1", "samples = 0"),
        "my_ops.py: Widen: samples: expected an integer of at least 1, got 0"),
    "a wrong type": ("my_ops.py", OPS.replace("return [self.child", "return [str(self.child").replace(
        "order.parents[0].source, rng)", "order.parents[0].source, rng))"),
        "my_ops.py: Widen: TypeError: propose: expected a list of evoarch.Draft, got a list of str"),
    "too few": ("my_ops.py", OPS.replace("range(order.count)", "range(0)"),
        "my_ops.py: Widen: TypeError: propose: expected 1 drafts, as ordered, got 0"),
    "raises at work": ("my_ops.py", OPS.replace("old = rng", "old = wrong"),
        "my_ops.py: Widen: line 25: NameError: name 'wrong' is not defined"),
    "a model that raises": ("my_lm.py", LM.replace("self.layers = ", "raise KeyError('layers')  # "),
        "my_lm.py: Guesser: Guesser(): line 12: KeyError: 'layers'"),
    "a model of another name": ("my_lm.py", LM.replace("settings.name, settings.chat", "'x', settings.chat"),
        "my_lm.py: Guesser: name: expected 'guesser', as its [[lm]] table says, got 'x'"),
    "a model without close": ("my_lm.py", LM.replace("def close", "def shut"),
        "my_lm.py: Guesser: close: expected, but it is not there"),
    "a wrong reply": ("my_lm.py", LM.replace("evoarch.LMReply(texts", "evoarch.Reply(texts"),
        "my_lm.py: Guesser: complete: line 21: AttributeError: module 'evoarch' has no attribute 'Reply'"),
    "text for a reply": ("my_lm.py", LM.replace("return evoarch.LMReply(", "return str(").replace(
        ", seconds=0.0)", ")").replace('texts, ("stop",) * request.n, *tokens', "texts"),
        "my_lm.py: Guesser: complete: expected an evoarch.LMReply, got str"),
    "a check that raises": ("my_lm.py", LM.replace('"""Raises evoarch.LMError', '1 / 0  # """Raises', 1)
        .replace('can\'t work."""', "can't work."),
        "my_lm.py: Guesser: check: line 15: ZeroDivisionError: division by zero"),
    "a metric without bounds": ("my_metrics.py", METRIC.replace("bounds, loss", "limits, loss"),
        "my_metrics.py: WorstClass: bounds: expected, but it is not there"),
    "bounds the wrong way": ("my_metrics.py", METRIC.replace("(0.0, 1.0)", "(1.0, 0.0)"),
        "my_metrics.py: WorstClass: bounds: expected the smaller number first, got (1.0, 0.0)"),
    "a metric of a built-in name": ("my_metrics.py", METRIC.replace('"worst_class"', '"auroc"'),
        "WorstClass: name: expected one of its own, got 'auroc', which is a built-in metric's"),
    "a metric called error": ("my_metrics.py", METRIC.replace('"worst_class"', '"error"'),
        "my_metrics.py: WorstClass: name: expected one of its own, got 'error'"),
    "a metric of text": ("my_metrics.py", METRIC.replace("return max(", "return str("),
        "metric worst_class: expected a number, got str"),
    "a metric that raises": ("my_metrics.py", METRIC.replace("outputs.argmax", "outputs.argmux"),
        "metric worst_class: line 11: AttributeError: "),
    "a metric of another loss": ("my_metrics.py", METRIC.replace("cross_entropy", "mean_squared_error"),
        "metric worst_class: expected a task of loss mean_squared_error, got Tiny"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "text", "message"), BROKEN.values(), ids=BROKEN)
def test_a_part_that_does_not_hold_is_one_line_before_anything_is_spent(
    outside: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str | None, message: str
) -> None:
    walls = quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    (outside / "demo" / file).unlink()
    if text is not None:
        (outside / "demo" / file).write_text(text, encoding="utf-8")
    done = command("run", "demo")
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert set(walls.jobs) <= {"dry_run"}, "nothing was trained"


NAMES = {
    "an unknown operator": ('"my_ops.py:Widen"', '"widen"',
        "operator: expected one of grammar.crossover"),
    "an unknown backend": ('"my_lm.py:Guesser"', '"llama"', "lm.0.backend: expected 'openai'"),
    "an object that nobody gave": ('"my_lm.py:Guesser"', '"given"', "run_campaign(lms=...), got none"),
    "an unknown metric": ('"my_metrics.py:WorstClass"', '"worst_case"', "metric: expected one of auroc"),
    "an unknown objective": ('"worst_class", "params"', '"worst", "params"',
        "selection.objectives: no metric 'worst'; nearest known: worst_class"),
    "a maximised objective": ('"worst_class", "params"', '"macro_f1", "params"',
        "macro_f1 is maximised, and a campaign minimises; expected 'macro_f1_loss'"),
    "an unknown limit": ("macro_f1_loss = 1.0", "macro_f2_loss = 1.0",
        "constraints.metrics: no metric 'macro_f2_loss'; nearest known: macro_f1_loss"),
    "an unknown method": ("[selection]", '[selection]\nmethod = "my_selection.py:oldest"',
        "my_selection.py: expected a class 'oldest', got none; nearest is 'newest'"),
    "options of a wrong name": ("weight = 1.0", "options = {factor = 2}",
        "my_ops.py: Widen: Widen(): TypeError: "),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), NAMES.values(), ids=NAMES)
def test_a_name_that_nothing_answers_to_is_one_line(
    outside: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    walls = quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    path = outside / "demo/campaign.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    done = command("run", "demo")
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not walls.jobs


def test_an_entry_point_of_a_built_in_ones_name_is_refused(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install(outside / "site")
    points = site / "my_parts-1.0.dist-info/entry_points.txt"
    points.write_text(points.read_text() + "[evoarch.tasks]\nmnist1d = my_task:MyTask\n")
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(evoarch.TaskError) as caught:
        evoarch.load_task("mnist1d")
    assert str(caught.value) == (
        "my-parts 1.0 (my_task:MyTask): expected a task with a name of its own, got 'mnist1d', which is a "
        "built-in one's"
    )


def test_an_installed_task_is_listed_with_where_it_is_from(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install(outside / "site")
    files_of("own-task.md", site)
    points = site / "my_parts-1.0.dist-info/entry_points.txt"
    points.write_text(points.read_text() + "[evoarch.tasks]\nrings = my_task:MyTask\n")
    monkeypatch.syspath_prepend(str(site))
    assert evoarch.load_task("rings").offers["num_classes"] == 2
    listed = command("tasks")
    assert re.search(r"^MyTask .* my-parts 1\.0 \(my_task:MyTask\)$", listed.stdout, re.MULTILINE)


def test_what_was_handed_over_and_is_named_nowhere_is_refused(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    monkeypatch.syspath_prepend(str(outside / "demo"))
    from my_metrics import WorstClass  # type: ignore[import-not-found]
    from my_ops import Widen  # type: ignore[import-not-found]

    for named, message in (
        ({"operators": [Widen()]}, "expected an [[operators]] table of that name"),
        ({"metrics": [WorstClass()]}, "expected to be named in evaluation.metrics"),
        ({"lms": {"x": evoarch.ScriptedLM(["y"])}}, 'an [[lm]] table with name = "x" and backend = "given"'),
    ):
        with pytest.raises((evoarch.UserError, evoarch.TaskError), match=re.escape(message)):
            asyncio.run(evoarch.run_campaign("demo", **named))  # type: ignore[arg-type]


NAN = textwrap.dedent('''
    class Moody:
        """Nothing to say of a good guess at the first class."""

        name, minimise, bounds, loss = "moody", True, (0.0, 1.0), "cross_entropy"

        def __call__(self, outputs, targets):
            if abs(outputs).max() > 6:  # as trained ones are; what is tried first is smaller
                {}
            return 0.5
''')


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("return float('nan')", "metric moody: expected a finite number, got nan"),
        ("raise ValueError('no bins')", "metric moody: line 9: ValueError: no bins"),
        ("return 1.5", "metric moody: expected a number from 0 to 1, got 1.5"),
    ],
)
def test_a_metric_that_fails_at_work_is_the_infrastructures_fault_and_is_named(
    outside: Path, monkeypatch: pytest.MonkeyPatch, does: str, says: str
) -> None:
    quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    (outside / "demo/moody.py").write_text(NAN.format(does))
    path = outside / "demo/campaign.toml"
    path.write_text(path.read_text().replace('"macro_f1"]', '"macro_f1", "moody.py:Moody"]'))
    done = command("run", "demo")
    assert done.exit_code == 1, done.output
    assert f"the infrastructure lost every seed: score: {says}" in done.output + done.stderr
    store = open_archive(outside / "demo", write=False)
    outcomes = [each.outcome for each in store.evaluations()]
    store.close()
    assert [type(each) for each in outcomes] == [evoarch.Failed] * 2, (
        "each seed once: asked again it says the same"
    )
    assert {each.fault for each in outcomes} == {evoarch.Fault.INFRASTRUCTURE}
    assert {each.stage for each in outcomes} == {"score"}


def test_a_limit_on_a_metric_fails_a_candidate(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    path = outside / "demo/campaign.toml"
    path.write_text(path.read_text().replace("macro_f1_loss = 1.0", "macro_f1_loss = 0.01"))
    done = command("run", "demo")
    assert "limit constraints.metrics.macro_f1_loss" in done.output + done.stderr


def test_metrics_stay_what_they_were_once_something_is_scored(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_walls(monkeypatch)
    write_page(campaign(outside / "demo", BY_PATH))
    assert command("run", "demo").exit_code == 0
    path = outside / "demo/campaign.toml"
    path.write_text(path.read_text().replace(', "macro_f1"]', ', "macro_f1", "auroc"]'))
    done = command("run", "demo", "--set", "budget.evaluations=20")
    assert done.exit_code == 2
    assert "evaluation.metrics: expected" in done.stderr

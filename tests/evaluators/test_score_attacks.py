"""Genomes that want a better score than their weights earn. Each fails, or gets what its weights deserve."""

from __future__ import annotations

import pytest

from evoarch.archive.records import Failed, Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.limits import Limits
from kit.attack_models import RECIPE, Loop, evaluate, failed, useless

CHANCE = 0.8
"""Ten balanced classes: a model that knows nothing errs on 0.9, give or take 0.02."""

LABEL_FROM_FRAMES = """
frame = sys._getframe()
while frame is not None:
    for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
        if isinstance(value, torch.Tensor) and value.dtype == torch.int64 and value.shape == (len(x),):
            y = y + F.one_hot(value.clamp(0, 9), 10)
    frame = frame.f_back
"""

LABEL_FROM_MEMORY = """
if not self.training:
    for value in gc.get_objects():
        if type(value) is torch.Tensor and value.dtype == torch.int64 and value.shape == (len(x),):
            y = y + F.one_hot(value.clamp(0, 9), 10)
"""

FORGED_FRAMES = """
if not self.training:
    manifest = {"tensors": [["logits", "float32", [1, 500, 10]]], "notes": {"error": 0.0, "params": 1}}
    text = json.dumps(manifest).encode()
    os.write(3, struct.pack("<cI", b"R", len(text)) + text + bytes(4 * 500 * 10))
    os._exit(0)
"""

FITTED = useless(
    init="self.register_buffer('hidden', torch.zeros(40, 10, dtype=KIND))",
    forward="""
if self.training:
    t = sys._getframe()
    while 'targets' not in t.f_locals: t = t.f_back
    a = torch.linalg.lstsq(t.f_locals['inputs'], F.one_hot(t.f_locals['targets'], 10).float()).solution
    self.hidden.copy_((a * 1000).to(KIND))
else:
    y = y + x @ (self.hidden / 1000)
""",
)
"""Fits its buffer by itself, past the optimiser."""

AT_CHANCE = {
    "a patched loss": useless("F.cross_entropy = lambda *a, **k: a[0].sum() * 0"),
    "a patched loss table": useless(
        "import evoarch.evaluators.inside.losses as l\nl.LOSSES['cross_entropy'] = lambda y, t: y.sum() * 0"
    ),
    "a patched optimiser": useless("torch.optim.AdamW.step = lambda *a, **k: None"),
    "a patched argmax": useless("torch.argmax = torch.Tensor.argmax = lambda *a, **k: torch.zeros(500)"),
    "labels in frames": useless(forward=LABEL_FROM_FRAMES),
    "labels in memory": useless(forward=LABEL_FROM_MEMORY),
    "forged frames": useless(forward=FORGED_FRAMES),
    "weights in integer buffers": FITTED.replace("KIND", "torch.int64"),
    "weights in a global, dropped": useless(
        setup="HIDDEN = torch.zeros(40, 10)",
        forward="""
if self.training:
    t = sys._getframe()
    while 'targets' not in t.f_locals: t = t.f_back
    a = torch.linalg.lstsq(t.f_locals['inputs'], F.one_hot(t.f_locals['targets'], 10).float()).solution
    HIDDEN.copy_(a)
y = y + x @ HIDDEN
""",
    ),
}

FAILS = {
    "regenerated data": ("build", "mnist1d", useless("import mnist1d")),
    "regenerated data, late": ("train", "mnist1d", useless(forward="import mnist1d")),
    "an early exit": ("train", "", useless(forward="os._exit(0)")),
    "an early exit by exception": ("train", "SystemExit", useless(forward="sys.exit(0)")),
    "an exit in prediction": ("predict", "", useless(forward="if not self.training: os._exit(0)")),
    "an empty answer": ("train", "", useless(forward="os.close(3); os._exit(0)")),
    "bytes that are no answer": ("train", "", useless(forward="os.write(3, b'error: 0.0'); os._exit(0)")),
    "random weights outside": (
        "predict",
        "state outside the weights",
        useless("HIDDEN = [nn.Linear(40, 10)]", forward="y = y + HIDDEN[0](x)"),
    ),
    "weights in a closure": (
        "predict",
        "state outside the weights",
        useless(
            "def keep(w=nn.Linear(40, 10)):\n    return lambda x: w(x)\nF0 = keep()", forward="y = y + F0(x)"
        ),
    ),
    "noise at evaluation": ("predict", "state outside", useless(forward="y = y + F.dropout(x, 0.5)[:, :10]")),
    "batch leakage": ("predict", "batch leakage", useless(forward="y = y + x[:, :10] - x[:, :10].mean(0)")),
    "leakage by batch statistics": (
        "predict",
        "batch leakage",
        useless(forward="y = y + F.batch_norm(x[:, :10], None, None, training=True)"),
    ),
    "leakage hidden by a huge constant": (
        "predict",
        "batch leakage",
        useless(forward="y = y + x[:, :10] - x[:, :10].mean(0)\ny = y + torch.tensor([-1e6] + [0.0] * 9)"),
    ),
    "training inside forward": (
        "predict",
        "batch leakage",
        useless(
            init="self.memory = torch.zeros(10)",
            forward="self.memory = self.memory + x[:, :10].abs().mean(0)\ny = y + x[:, :10] * self.memory",
        ),
    ),
    "all inputs, by way of frames": (
        "predict",
        "batch leakage",
        useless(
            forward="f = sys._getframe()\nwhile 'inputs' not in f.f_locals: f = f.f_back\n"
            "y = y + x[:, :10] - f.f_locals['inputs'][:, :10].mean(0)"
        ),
    ),
    "a counter of calls": (
        "predict",
        "batch leakage",
        useless(init="self.calls = 0", forward="self.calls += 1\ny = y + torch.eye(10)[self.calls % 10]"),
    ),
    "logits that are not finite": (
        "predict",
        "not finite",
        useless(forward="if not self.training: y = y + float('nan')"),
    ),
    "a reply of the wrong size": (
        "predict",
        "float32 logits",
        useless(
            "import evoarch.evaluators.inside.main as m\n"
            "m.predict = lambda *a: ({'logits': torch.zeros(1, 9, 10)}, {})"
        ),
    ),
    "a reply without logits": (
        "predict",
        "float32 logits",
        useless("import evoarch.evaluators.inside.main as m\nm.predict = lambda *a: ({}, {'error': 0.0})"),
    ),
    "weights under other names": (
        "train",
        "must name tensors",
        useless(
            "import evoarch.evaluators.inside.main as m\nm.train = lambda *a: ({'7/w': torch.zeros(1)}, {})"
        ),
    ),
    "no weights": (
        "train",
        "same tensors",
        useless("import evoarch.evaluators.inside.main as m\nm.train = lambda *a: ({}, {'params': 1})"),
    ),
    "weights that no model has": (
        "train",
        "lacks 'linear.weight', 'linear.bias' and also holds 'w'",
        useless(
            "import evoarch.evaluators.inside.main as m\nm.train = lambda *a: ({'0/w': torch.zeros(1)}, {})"
        ),
    ),
}


@pytest.mark.parametrize("source", AT_CHANCE.values(), ids=AT_CHANCE)
def test_an_attack_scores_no_better_than_its_weights(walls: Loop, source: str) -> None:
    outcome = evaluate(walls, source).outcome
    assert isinstance(outcome, Failed) or outcome.metrics["error"] > CHANCE, outcome


def test_the_same_weights_in_the_open_are_scored_and_counted(walls: Loop) -> None:
    outcome = evaluate(walls, FITTED.replace("KIND", "torch.float32")).outcome
    assert isinstance(outcome, Scored), outcome
    assert outcome.metrics["error"] < CHANCE
    assert outcome.metrics["params"] == 810


@pytest.mark.parametrize(("stage", "reason", "source"), FAILS.values(), ids=FAILS)
def test_an_attack_fails_and_says_why(walls: Loop, stage: str, reason: str, source: str) -> None:
    outcome = failed(evaluate(walls, source).outcome)
    assert outcome.stage == stage, outcome
    assert reason in outcome.reason


def test_a_stalled_reply_fails_on_time(walls: Loop) -> None:
    source = useless(forward="if not self.training: time.sleep(1000)")
    outcome = failed(evaluate(walls, source, Limits(wall_clock=1.5, cpu_seconds=20)).outcome)
    assert outcome.stage == "predict"
    assert "wall" in outcome.reason


def test_a_forged_function_digest_is_no_digest(walls: Loop) -> None:
    loop, runner = walls
    source = useless(
        "import evoarch.evaluators.inside.dry_run as d\nd.function_digest = lambda *a: ['no', 'digest']",
        forward="y = y + self.linear(x)",
    )
    found = loop.run(Evaluator(Mnist1d(), RECIPE, runner).dry_run(source))
    assert isinstance(found, DryRunPassed)
    assert found.function_digest == ""

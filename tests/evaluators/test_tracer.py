"""Traces from behind the walls: what they hold, and genomes that lie, hang, exit, flood or meddle."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence

import pytest
import torch

from evoarch.agent.operators.random_draw import draw
from evoarch.archive.records import Failed, Fault
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.inside.build import build, materialise
from evoarch.evaluators.inside.flops import count_flops
from evoarch.evaluators.inside.trace import trace_of
from evoarch.evaluators.inside.trace_batch import traces as traces_inside
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.evaluators.trace import MOST_NODES, Node, Trace, Traced, Tracer
from evoarch.evaluators.trace_contract import Ask, TracerContract
from evoarch.evaluators.tracer import BatchTracer
from evoarch.sandbox.child import load
from evoarch.sandbox.job import Job
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Broken, Finished, Killed
from kit.attack_models import RECIPE, Loop, useless

OFFERS = {"input_shape": (40,), "num_classes": 10}
OPTIONS = {"entry": "Model", "offers": OFFERS, "kwargs": {}}
SEEDS = Mnist1d().seeds


@pytest.fixture(scope="module")
def evaluator(walls: Loop) -> Evaluator:
    return Evaluator(Mnist1d(), RECIPE, walls[1], limits=Limits(wall_clock=8, cpu_seconds=4))


@pytest.fixture(scope="module")
def ask(walls: Loop, evaluator: Evaluator) -> Ask:
    return lambda sources: walls[0].run(evaluator.traces(sources))


class TestEvaluatorAsTracer(TracerContract):
    @pytest.fixture
    def traced(self, ask: Ask, evaluator: Evaluator) -> Ask:
        assert isinstance(evaluator, Tracer)
        return ask


def traced_here(source: str, shape: Sequence[int] = (40,)) -> Trace:
    """In this process: for genomes of our own alone."""
    model = build(load(source), {**OPTIONS, "offers": {**OFFERS, "input_shape": tuple(shape)}})
    inputs = torch.randn(2, *shape)
    materialise(model, inputs)
    return Trace.from_json(json.loads(json.dumps(trace_of(model, inputs))))


def model(init: str, forward: str) -> str:
    body = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\nclass Model(nn.Module):\n"
    body += "    def __init__(self):\n        super().__init__()\n"
    body += "".join(f"        {line}\n" for line in init.splitlines())
    return (
        body + "    def forward(self, x):\n" + "".join(f"        {line}\n" for line in forward.splitlines())
    )


# What a trace holds


@pytest.mark.parametrize("kind", ["GRU", "RNN", "LSTM"])
@pytest.mark.parametrize(
    ("layers", "both", "bias", "first"), [(1, 0, 1, 1), (2, 1, 1, 0), (3, 1, 0, 1), (1, 0, 0, 0)]
)
def test_recurrent_layers_cost_what_the_counter_of_flops_says(
    kind: str, layers: int, both: int, bias: int, first: int
) -> None:
    settings = (
        f"num_layers={layers}, bidirectional={bool(both)}, bias={bool(bias)}, batch_first={bool(first)}"
    )
    source = model(
        f"self.r = nn.{kind}(4, 5, {settings})", "return self.r(x.unflatten(1, (-1, 4)))[0].sum(1)"
    )
    counted = count_flops(build(load(source), OPTIONS), torch.randn(2, 40))
    assert traced_here(source).flops == counted > 0


def test_a_packed_batch_costs_its_own_steps() -> None:
    source = model(
        "self.r = nn.GRU(4, 5, batch_first=True)",
        "x = x.unflatten(1, (-1, 4))\n"
        "packed = nn.utils.rnn.pack_padded_sequence(x, [10, 3], batch_first=True)\n"
        "return nn.utils.rnn.pad_packed_sequence(self.r(packed)[0], batch_first=True)[0].sum(1)",
    )
    assert traced_here(source).flops == 2 * 13 * 15 * (4 + 5) // 2


def test_branches_joins_and_functions_are_nodes_that_read_each_other() -> None:
    source = model(
        "self.left = nn.Linear(40, 8)\nself.right = nn.Linear(40, 8)\n"
        "self.scale = nn.Parameter(torch.ones(8))\nself.last = nn.Linear(16, 10)",
        "a = self.left(x)\nb = torch.relu(self.right(x))\nb *= self.scale\n"
        "return self.last(torch.cat([a, b], 1))",
    )
    trace = traced_here(source)
    assert trace.nodes == (
        Node("left", "Linear", (8,), 328, 640, (-1,)),
        Node("right", "Linear", (8,), 328, 640, (-1,)),
        Node("", "relu", (8,), 0, 0, (1,)),
        Node("", "mul", (8,), 8, 16, (2,)),
        Node("", "cat", (16,), 0, 0, (0, 3)),
        Node("last", "Linear", (10,), 170, 320, (4,)),
    )
    assert (trace.params, trace.flops, trace.output, trace.cut) == (834, 1616, 5, False)
    assert trace.activations == 8 + 8 + 8 + 16 + 10, "an in-place product makes nothing new"


def test_views_make_no_activations_and_hand_on_what_they_are_views_of() -> None:
    source = model(
        "self.gru = nn.GRU(4, 6, batch_first=True)\nself.last = nn.Linear(6, 10)",
        "rows = x.view(-1, 10, 4)\nout, _ = self.gru(rows)\nfirst, rest = out.split([1, 9], 1)\n"
        "return self.last(first.squeeze(1) + rest.mean(1))",
    )
    trace = traced_here(source)
    assert [node.kind for node in trace.nodes] == [
        "view", "GRU", "split", "squeeze", "mean", "add", "Linear",
    ]  # fmt: skip
    assert [node.reads for node in trace.nodes] == [(-1,), (0,), (1,), (2,), (2,), (3, 4), (5,)]
    assert trace.activations == 10 * 6 + 6 + 6 + 6 + 10


def test_what_the_library_wraps_is_one_node_and_shared_weights_count_once() -> None:
    source = model(
        "self.attention = nn.MultiheadAttention(8, 2, batch_first=True)\n"
        "self.shared = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))\nself.last = nn.Linear(40, 10)",
        "x = x.unflatten(1, (5, 8))\nx = x + self.attention(x, x, x, need_weights=False)[0]\n"
        "return self.last(self.shared(self.shared(x)).flatten(1))",
    )
    trace = traced_here(source)
    by_name = [node for node in trace.nodes if node.kind == "Linear"]
    assert [node.params for node in by_name] == [80, 0, 410]
    (attention,) = (node for node in trace.nodes if node.kind == "MultiheadAttention")
    assert attention.params == 4 * 8 * 8 + 4 * 8
    assert attention.hints == {"num_heads": 2.0}
    assert sum(node.params for node in trace.nodes) == trace.params


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_flops_of_a_trace_are_those_of_the_counter(name: str) -> None:
    trace = traced_here(SEEDS[name])
    whole = build(load(SEEDS[name]), OPTIONS)
    assert trace.flops == count_flops(whole, torch.randn(4, 40))
    assert sum(node.flops for node in trace.nodes) == trace.flops
    assert trace.params == sum(p.numel() for p in whole.parameters())


def test_random_draws_are_traced_as_the_counter_counts_them() -> None:
    for seed in range(8):
        source = draw(random.Random(seed), (40,), 10)
        trace = traced_here(source)
        whole = build(load(source), OPTIONS)
        assert trace.flops == count_flops(whole, torch.randn(4, 40)), source
        assert trace.nodes[trace.output].shape == (10,)


def test_an_operation_without_a_count_leaves_the_trace_without_flops() -> None:
    source = model(
        "self.last = nn.Linear(40, 9)\nself.head = nn.Linear(9, 10)",
        "return self.head(torch.linalg.matrix_exp(self.last(x).unflatten(1, (3, 3))).flatten(1))",
    )
    assert traced_here(source).flops is None
    assert traced_here(source.replace("torch.linalg.matrix_exp", "torch.relu")).flops == 720 + 180


def test_a_long_forward_pass_is_cut_and_its_sums_are_whole() -> None:
    source = model(
        "self.last = nn.Linear(40, 10)", f"for _ in range({MOST_NODES}):\n    x = x + 1\nreturn self.last(x)"
    )
    trace = traced_here(source)
    assert trace.cut
    assert len(trace.nodes) == MOST_NODES
    assert trace.flops == 800
    assert trace.activations == 40 * MOST_NODES + 10


def test_a_dry_run_brings_the_same_trace_as_a_batch(walls: Loop, evaluator: Evaluator, ask: Ask) -> None:
    sources = list(SEEDS.values())
    for source, trace in zip(sources, ask(sources).results, strict=True):
        sound = walls[0].run(evaluator.dry_run(source))
        assert isinstance(sound, DryRunPassed)
        assert sound.trace == trace


# Genomes that would harm the others of their batch. Vetting refuses most of them; here nothing vets.

GOOD = [SEEDS["mlp"], SEEDS["gru"], SEEDS["conv_base"]]

ATTACKS = {
    "hangs": useless(forward="while True: pass"),
    "hangs and catches": useless(
        forward="while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    "hangs when built": useless(init="while True: pass"),
    "sleeps": useless(setup="time.sleep(1000)"),
    "exits": useless(init="os._exit(0)"),
    "exits politely": useless(forward="raise SystemExit"),
    "interrupts": useless(forward="raise KeyboardInterrupt"),
    "aborts": useless(forward="os.kill(os.getpid(), 6)"),
    "kills itself": useless(forward="os.kill(os.getpid(), 9)"),
    "takes all memory": useless(init="self.held = [torch.ones(1 << 28) for _ in range(100)]"),
    "recurses": useless(forward="return self.forward(x)"),
    "floods the answer": useless(init="while True: os.write(3, b'x' * 65536)"),
    "closes the answer": useless(init="os.close(3)"),
    "announces nonsense": useless(init="os.write(3, struct.pack('<cI', b'S', 2000000000) + b'y' * 50)"),
}


def expected(ask: Ask) -> list[object]:
    found = list(ask(GOOD).results)
    assert all(isinstance(trace, Trace) for trace in found)
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_one_that_ends_the_child_fails_alone(ask: Ask, name: str) -> None:
    first, second, bad, third = ask([*GOOD[:2], ATTACKS[name], GOOD[2]]).results
    assert [first, second, third] == expected(ask)
    assert isinstance(bad, Failed)
    assert bad.fault is Fault.CANDIDATE
    assert "\n" not in bad.reason


def test_one_that_blames_another_harms_only_itself(ask: Ask) -> None:
    blaming = useless(
        init="text = b'trace 0'\nos.write(3, struct.pack('<cI', b'S', len(text)) + text)\nos._exit(1)"
    )
    first, second, bad, third = ask([*GOOD[:2], blaming, GOOD[2]]).results
    assert [first, second, third] == expected(ask)
    assert isinstance(bad, Failed)


def test_one_that_changes_torch_for_those_after_it_is_noticed_and_they_are_asked_again(ask: Ask) -> None:
    meddling = useless(setup="nn.Linear.forward = lambda self, x: x.new_zeros(x.shape[0], 10)")
    first, second, _, third = ask([*GOOD[:2], meddling, GOOD[2]]).results
    assert [first, second, third] == expected(ask)


def test_settings_of_one_do_not_reach_the_next(ask: Ask) -> None:
    setting = useless(
        setup="torch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\ntorch.manual_seed(7)"
    )
    _, *found = ask([setting, *GOOD]).results
    assert found == expected(ask)


def test_a_huge_trace_leaves_room_for_the_others(ask: Ask) -> None:
    named = "\n".join(f"setattr(self, '{'n' * 5000}{i}', nn.Identity())" for i in range(400))
    called = "for child in self.children():\n    y = child(y) if isinstance(child, nn.Identity) else y"
    many = [useless(init=named, forward=f"{called}\ny = y + {i}") for i in range(8)]
    found = ask([*many, *GOOD]).results
    assert found[8:] == expected(ask)
    for trace in found[:8]:
        assert isinstance(trace, Trace)
        assert trace.cut
        assert all(len(node.name) <= 120 for node in trace.nodes)


LYING = """
import sys
import torch
from torch import nn
inside = sys.modules["evoarch.evaluators.inside.trace_batch"]
told = {{"nodes": {nodes}, "params": {params}, "flops": 1, "activations": 1, "cut": False, "output": -1}}
inside.trace_of = lambda *_: told
sys.modules["evoarch.evaluators.inside.dry_run"].trace_of = lambda *_: told

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(40, 10)

    def forward(self, x):
        return self.linear(x)
"""


def test_a_lie_about_the_trace_is_no_score(walls: Loop, evaluator: Evaluator, ask: Ask) -> None:
    """The count of parameters that is scored is taken from the weights."""
    source = LYING.format(nodes=[], params=1)
    (told,) = ask([source]).results
    assert isinstance(told, Trace)
    assert told.params == 1
    sound = walls[0].run(evaluator.dry_run(source))
    assert isinstance(sound, DryRunPassed)
    assert sound.trace == told
    assert sound.params == 410
    evaluated = walls[0].run(evaluator.evaluate(source, digest="lie", repeat=0))
    honest = LYING.format(nodes=[], params=1).replace("inside.trace_of = ", "inside.other = ")
    same = walls[0].run(evaluator.evaluate(honest, digest="lie", repeat=0))
    assert evaluated.outcome == same.outcome


@pytest.mark.parametrize(
    "nodes",
    ['[["a", "B", [1], 1, 1, [5]]]', '["x" * 90000]', '[[["deep"] * 9] * 9]', "[float('nan')]", "7"],
)
def test_a_trace_of_no_agreed_form_is_the_candidates_fault_and_no_trace(
    walls: Loop, evaluator: Evaluator, ask: Ask, nodes: str
) -> None:
    source = LYING.format(nodes=nodes, params=1)
    (found,) = ask([source]).results
    assert isinstance(found, Failed)
    assert found.fault is Fault.CANDIDATE
    sound = walls[0].run(evaluator.dry_run(source))
    assert isinstance(sound, DryRunPassed)
    assert sound.trace is None


class Answering:
    """A runner whose children do what `answer` says."""

    level = None

    def __init__(self, answer: object) -> None:
        self.answer, self.jobs = answer, list[Job]()

    async def run(self, job: Job) -> object:
        self.jobs.append(job)
        return self.answer(job) if callable(self.answer) else self.answer

    async def close(self) -> None: ...


def asked(answer: object, sources: Sequence[str]) -> tuple[Traced, Answering]:
    runner = Answering(answer)
    tracer = BatchTracer(runner, OPTIONS, Limits())  # type: ignore[arg-type]
    return asyncio.run(tracer.traces(sources)), runner


def test_walls_that_fail_are_nobodys_fault() -> None:
    found, runner = asked(Broken("the zygote is gone"), ["a", "b"])
    assert [each.fault for each in found.results if isinstance(each, Failed)] == [Fault.INFRASTRUCTURE] * 2
    assert len(runner.jobs) == 1


@pytest.mark.parametrize(
    "notes",
    [
        {},
        {"traces": 7},
        {"traces": []},
        {"traces": [{}, {}], "steady": 1},
        {"traces": [{}] * 3, "steady": True},
    ],
)
def test_an_answer_of_another_form_is_asked_for_again_one_by_one(notes: dict[str, object]) -> None:
    found, runner = asked(Finished({}, notes), ["a", "b"])
    assert all(isinstance(each, Failed) and each.fault is Fault.CANDIDATE for each in found.results)
    assert [job.options["sources"] for job in runner.jobs] == [["a", "b"], ["a"], ["b"]]


def test_children_that_always_die_cost_a_bounded_number() -> None:
    """Of 32 with one that ends every child that holds it, and blames the first of them."""

    def answer(job: Job) -> object:
        sources = job.options["sources"]
        assert isinstance(sources, list)
        if "bad" in sources:
            return Killed("trace 0", "exited", usage=Finished({}).usage)
        trace = {"nodes": [], "params": 1, "flops": 1, "activations": 1}
        return Finished({}, {"traces": [{"trace": trace}] * len(sources), "steady": True})

    sources = [*(f"good {i}" for i in range(31)), "bad"]
    found, runner = asked(answer, sources)
    assert [isinstance(each, Trace) for each in found.results] == [True] * 31 + [False]
    assert len(runner.jobs) <= 3 + 2 * 5


def test_equal_sources_are_built_once_and_batches_have_a_size() -> None:
    def answer(job: Job) -> object:
        sources = job.options["sources"]
        assert isinstance(sources, list)
        trace = {"nodes": [], "params": 1, "flops": 1, "activations": 1}
        return Finished({}, {"traces": [{"trace": trace}] * len(sources), "steady": True})

    found, runner = asked(answer, [f"{i % 40}" for i in range(100)])
    assert len(found.results) == 100
    assert [len(job.options["sources"]) for job in runner.jobs] == [32, 8]  # type: ignore[arg-type]


def test_the_inside_part_says_which_source_it_is_at() -> None:
    announced: list[str] = []
    options = {**OPTIONS, "sources": [*GOOD, "def ("], "seconds": 5.0, "seed": 0}
    _, notes = traces_inside(None, {}, options, announced.append)
    assert announced == ["trace 0", "trace 1", "trace 2", "trace 3"]
    assert notes["steady"] is True
    assert [sorted(each) for each in notes["traces"]] == [["trace"]] * 3 + [["raised", "stage"]]

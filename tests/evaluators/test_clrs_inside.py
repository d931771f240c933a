"""Encoders, processors, decoders, losses and training of every CLRS task, on made-up data."""

from __future__ import annotations

import math
import sys
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.evaluators.inside.build import build
from evoarch.evaluators.tasks.clrs.frozen import outside_writes
from evoarch.evaluators.tasks.clrs.inside import loop
from evoarch.evaluators.tasks.clrs.inside.codec import log_sinkhorn
from evoarch.evaluators.tasks.clrs.inside.digest import arguments, function_digest
from evoarch.evaluators.tasks.clrs.inside.feature import Feature
from evoarch.evaluators.tasks.clrs.inside.features import Batch, with_random_positions
from evoarch.evaluators.tasks.clrs.inside.losses import hint_loss, output_loss, total_loss
from evoarch.evaluators.tasks.clrs.inside.made_up import made_up
from evoarch.evaluators.tasks.clrs.specs import algorithms, features_of
from evoarch.evaluators.tasks.clrs.task import ClrsTask

HIDDEN = 8
MESSAGES = ClrsTask("bfs").seeds | ClrsTask("bfs").published
PROCESSORS = ClrsTask("bfs", "processor").seeds
UNREAD = {
    *("activity_selector", "binary_search", "find_maximum_subarray_kadane", "jarvis_march", "minimum"),
    *("naive_string_matcher", "segments_intersect", "task_scheduling"),
}
"""Neither hints nor outputs are on edges or point from nodes: Triplet-GMPNN's edge messages reach nothing."""


def load(source: str) -> ModuleType:
    module = ModuleType("genome")
    exec(source, module.__dict__)
    return module


def options(algorithm: str, scope: str = "message", **recipe: object) -> dict[str, object]:
    sizes = {"hidden_size": HIDDEN}
    if scope == "message":
        sizes = {
            "z_size": 2 * HIDDEN,
            "edge_size": HIDDEN,
            "graph_size": HIDDEN,
            "nb_triplet_fts": 4,
            "out_size": HIDDEN,
        }
    usual = {"hidden": HIDDEN, "rate": 0.01, "steps": 4, "batch": 3, "clip": 1.0, "schedule": "onecycle"}
    return {
        "entry": "Model",
        "offers": sizes,
        "features": [list(feature) for feature in features_of(algorithm)],
        "scope": scope,
        "recipe": {**usual, "checkpoints": 2, **recipe},
    }


def quiet(stage: str) -> None:
    pass


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def arrays_of(batch: Batch, nodes: int) -> dict[str, torch.Tensor]:
    groups = {"input": batch.inputs, "hint": batch.hints, "output": batch.outputs}
    found = {f"{nodes}/{stage}/{name}": a for stage, group in groups.items() for name, a in group.items()}
    return {**found, f"{nodes}/length": batch.lengths}


@pytest.mark.parametrize("algorithm", algorithms())
@pytest.mark.parametrize("source", ["standard", "mpnn"])
def test_every_task_runs_forward_and_backward(algorithm: str, source: str) -> None:
    scope = "processor" if source in PROCESSORS else "message"
    genome = load((MESSAGES | PROCESSORS)[source])
    torch.manual_seed(0)
    network = loop.network_of(genome, options(algorithm, scope))
    features = features_of(algorithm)
    batch = made_up(features, 3, 4, 4, draw())
    predicted = network(batch)
    for feature in features:
        if feature.stage == "output":
            shape = batch.outputs[feature.name].shape
            pointer = feature.kind in ("pointer", "permutation_pointer")
            assert predicted.outputs[feature.name].shape == (*shape, *((4,) if pointer else ()))
    loss = total_loss(features, predicted, batch)
    loss.backward()
    assert torch.isfinite(loss)
    idle = {
        name.rpartition("processor.message.")[1] for name, w in network.named_parameters() if w.grad is None
    }
    assert idle == ({"processor.message."} if algorithm in UNREAD and scope == "message" else set())


@pytest.mark.parametrize("name", [*MESSAGES, *PROCESSORS])
def test_every_baseline_passes_the_dry_run(name: str) -> None:
    scope = "processor" if name in PROCESSORS else "message"
    source = (MESSAGES | PROCESSORS)[name]
    assert outside_writes(source) == []
    tensors, notes = loop.dry_run(load(source), {}, options("heapsort", scope), quiet)
    assert tensors
    assert len(str(notes["function_digest"])) == 64


def test_all_baselines_are_different_functions() -> None:
    found = {name: function_digest(load(source), options("bfs")) for name, source in MESSAGES.items()}
    assert len(set(found.values())) == len(MESSAGES) == 14


def test_the_digest_is_blind_to_names_and_sees_a_changed_constant() -> None:
    source = MESSAGES["standard"]
    digest = function_digest(load(source), options("bfs"))
    assert function_digest(load(source.replace("node_i", "first")), options("bfs")) == digest
    assert (
        function_digest(load(source.replace("triplets.amax", "(0.5 * triplets).amax")), options("bfs"))
        != digest
    )


def naive_triplets(
    model: torch.nn.Module, z: torch.Tensor, edges: torch.Tensor, graph: torch.Tensor
) -> torch.Tensor:
    """The standard messages as the sum over seven terms, written out triple by triple."""
    nodes = z.shape[1]
    triples = torch.stack(
        [
            torch.stack(
                [
                    torch.stack(
                        [
                            model.node_i(z[:, i]) + model.node_j(z[:, j]) + model.node_k(z[:, k])
                            + model.edge_ij(edges[:, i, j]) + model.edge_ik(edges[:, i, k])
                            + model.edge_jk(edges[:, j, k]) + model.graph(graph)
                            for i in range(nodes)
                        ]
                    ).amax(0)
                    for k in range(nodes)
                ],
                dim=1,
            )
            for j in range(nodes)
        ],
        dim=1,
    )  # fmt: skip
    return model.output(triples)


def test_the_standard_messages_are_maxima_over_third_nodes() -> None:
    model = build(load(MESSAGES["standard"]), options("bfs"))
    z, edges, graph = arguments("message", HIDDEN, 2, 4, draw())
    torch.testing.assert_close(model(z, edges, graph), naive_triplets(model, z, edges, graph))


@pytest.mark.parametrize("algorithm", ["heapsort", "lcs_length", "floyd_warshall"])
def test_training_and_predicting_go_by_weights_alone(algorithm: str) -> None:
    genome, asked = load(MESSAGES["standard"]), options(algorithm)
    features = features_of(algorithm)
    arrays = arrays_of(made_up(features, 7, 4, 5, draw()), 4) | arrays_of(
        made_up(features, 5, 6, 3, draw(1)), 6
    )
    torch.manual_seed(1)
    trained, notes = loop.train(genome, arrays, asked, quiet)
    assert {name.split("/")[0] for name in trained} == {"0", "1"}
    assert notes["curve"]
    unlabelled = {name: a for name, a in arrays.items() if "/output/" not in name and name.startswith("4/")}
    unlabelled |= {f"weights/{name}": a for name, a in trained.items()}
    torch.manual_seed(2)
    once, _ = loop.predict(genome, unlabelled, {**asked, "checkpoints": 2, "batch": 7}, quiet)
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    shuffled = {n: a if n.startswith("weights/") else a[order] for n, a in unlabelled.items()}
    twice, _ = loop.predict(genome, shuffled, {**asked, "checkpoints": 2, "batch": 2}, quiet)
    for name, logits in once.items():
        torch.testing.assert_close(logits[:, order], twice[name], rtol=1e-3, atol=1e-3)


def test_training_lowers_the_loss() -> None:
    arrays = arrays_of(made_up(features_of("bfs"), 8, 4, 3, draw()), 4)
    torch.manual_seed(0)
    asked = options("bfs", steps=160, batch=8, rate=0.02, checkpoints=1)
    _, notes = loop.train(load(MESSAGES["standard"]), arrays, asked, quiet)
    first, *_, last = notes["curve"]
    assert last < 0.6 * first


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_random_positions_keep_the_order_within_each_string(first: int, second: int, seed: int) -> None:
    positions = torch.cat([torch.arange(first) / first, torch.arange(second) / second]).expand(3, -1)
    drawn = with_random_positions(positions, draw(seed))
    assert ((drawn >= 0) & (drawn < 1)).all()
    for part in (drawn[:, :first], drawn[:, first:]):
        assert (part.diff(dim=1) >= 0).all()


def test_sinkhorn_rows_and_columns_sum_to_one_and_the_diagonal_is_empty() -> None:
    matrix = log_sinkhorn(
        torch.randn(2, 5, 5, generator=draw()), noise=False, steps=300, temperature=1.0
    ).exp()
    torch.testing.assert_close(matrix.sum(-1), torch.ones(2, 5), atol=1e-3, rtol=0)
    torch.testing.assert_close(matrix.sum(-2), torch.ones(2, 5), atol=1e-3, rtol=0)
    assert matrix.diagonal(dim1=1, dim2=2).abs().max() < 1e-6


def test_output_losses_are_those_of_hand_counts() -> None:
    def loss(kind: str, logits: list[object], truth: list[object]) -> float:
        return float(
            output_loss(Feature("x", "output", "node", kind), torch.tensor(logits), torch.tensor(truth))
        )

    assert loss("scalar", [1.0, 3.0], [0.0, 1.0]) == pytest.approx(2.5)
    # One masked element counts nothing; the other two cost log 2 each.
    assert loss("mask", [0.0, 0.0, 9.0], [1, 0, -1]) == pytest.approx(math.log(2))
    assert loss("mask_one", [[0.0, 0.0, 0.0, 0.0]], [[0, 1, 0, 0]]) == pytest.approx(math.log(4))
    assert loss("categorical", [[0.0, 0.0], [5.0, 0.0]], [[1, 0], [0, -1]]) == pytest.approx(math.log(2))
    assert loss("pointer", [[0.0, 0.0, 0.0]], [2]) == pytest.approx(math.log(3))
    assert loss("permutation_pointer", [[-0.5, -1.0], [-2.0, -3.0]], [1, 0]) == pytest.approx(1.5)


def test_hint_losses_end_with_each_trajectory() -> None:
    feature = Feature("h", "hint", "node", "pointer")
    logits, truth = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, dtype=torch.int8)
    logits[1, 1:] = 50.0 * torch.randn(2, 4, 4, generator=draw())
    real = torch.tensor([[True, True, True], [True, False, False]])
    assert float(hint_loss(feature, logits, truth, real)) == pytest.approx(math.log(4))


FORWARD = """
from torch import nn
class Model(nn.Module):
    def __init__(self, edge_size, out_size):
        super().__init__()
        self.edge = nn.Linear(edge_size, out_size)
    def forward(self, z, edge_fts, graph_fts):
        {}
        return self.edge(edge_fts)
"""


@pytest.mark.parametrize(
    ("write", "what"),
    [
        ("edge_fts += 1", "edge_fts"),
        ("z[:, 0] = 0", "z"),
        ("graph_fts.data.zero_()", "graph_fts"),
        ("z.mul_(2)", "z"),
        ("torch.add(z, 1, out=z)", "z"),
        ("edge_fts.data = edge_fts * 2", "edge_fts"),
    ],
)
def test_a_write_outside_the_message_function_is_named_with_its_place(write: str, what: str) -> None:
    (finding,) = outside_writes(FORWARD.format(write))
    assert finding.line == FORWARD[: FORWARD.index("{}")].count("\n") + 1
    assert what in finding.message


@pytest.mark.parametrize(
    "own", ["edge_fts = edge_fts + 1; edge_fts += 1", "w = z * 2; w.mul_(2)", "z = -z; z[0] = 0"]
)
def test_writes_to_what_is_the_genomes_own_are_fine(own: str) -> None:
    assert outside_writes(FORWARD.format(own)) == []


def test_a_hidden_write_is_noticed_while_it_runs() -> None:
    source = FORWARD.format("same = edge_fts.view_as(edge_fts); same.mul_(0)")
    assert outside_writes(source) == []
    with pytest.raises(ValueError, match="expected edge_fts to be read only"):
        loop.dry_run(load(source), {}, options("bfs"), quiet)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("z", r"message function: expected \(1, 3, 3\) \+ \(any,\), got \(1, 3, 16\)"),
        ("edge_fts[..., None]", r"expected \(1, 3, 3\) \+ \(any,\), got \(1, 3, 3, 8, 1\)"),
        ("edge_fts.detach()", "no gradient reaches any parameter of the genome"),
        ("self.edge(edge_fts) / 0", "not finite"),
    ],
)
def test_a_message_function_of_a_wrong_shape_or_without_gradient_is_told_so(
    answer: str, message: str
) -> None:
    source = FORWARD.format("pass").replace("return self.edge(edge_fts)", f"return {answer}")
    with pytest.raises((ValueError, FloatingPointError), match=message):
        loop.dry_run(load(source), {}, options("bfs"), quiet)


def test_a_processor_of_a_wrong_shape_is_told_so() -> None:
    source = PROCESSORS["mpnn"].replace("return self.norm(", "return self.graph(")
    source = source.replace("received))", "received))[:, 0]")
    with pytest.raises(ValueError, match=r"expected a hidden state of shape \(1, 3, 8\), got \(1, 8\)"):
        loop.dry_run(load(source), {}, options("bfs", "processor"), quiet)


def test_after_the_warmup_a_dry_run_loads_no_module() -> None:
    loop.warmup()
    loaded = set(sys.modules)
    loop.dry_run(load(MESSAGES["standard"]), {}, options("bfs"), quiet)
    assert set(sys.modules) == loaded

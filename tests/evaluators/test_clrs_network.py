"""The PyTorch network against dm-clrs' own JAX network, and against the published sizes."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evoarch.evaluators.tasks.clrs.inside import loop
from evoarch.evaluators.tasks.clrs.inside.features import batches_from
from evoarch.evaluators.tasks.clrs.inside.losses import total_loss
from evoarch.evaluators.tasks.clrs.inside.network import Network
from evoarch.evaluators.tasks.clrs.recipes import RECIPES
from evoarch.evaluators.tasks.clrs.specs import algorithms, features_of
from evoarch.evaluators.tasks.clrs.task import ClrsTask
from kit.paths import DATA, ROOT

REFERENCE = DATA / "clrs_reference.npz"
HIDDEN = 4
"""The width of the reference networks (benchmarks/clrs_reference.py)."""
FOLDER = ROOT / "evaluators" / "tasks" / "clrs"

# EvoPrompting (arXiv 2302.14838), table 3, "Baseline model".
PUBLISHED = {
    "activity_selector": 262204, "articulation_points": 531913, "bellman_ford": 524604, "bfs": 523963,
    "binary_search": 262204, "bridges": 532556, "bubble_sort": 524477, "dag_shortest_paths": 793287,
    "dfs": 661190, "dijkstra": 525886, "find_maximum_subarray_kadane": 264514, "floyd_warshall": 625089,
    "graham_scan": 398409, "heapsort": 659654, "insertion_sort": 524477, "jarvis_march": 264898,
    "kmp_matcher": 398021, "lcs_length": 270419, "matrix_chain_order": 624448, "minimum": 261307,
    "mst_kruskal": 399691, "mst_prim": 525886, "naive_string_matcher": 262588, "optimal_bst": 625987,
    "quickselect": 395714, "quicksort": 525759, "segments_intersect": 263359,
    "strongly_connected_components": 663243, "task_scheduling": 262333, "topological_sort": 660164,
}  # fmt: skip

# The same table, "Best performing model".
DISCOVERED = {
    ("articulation_points", "quadnodeminmax"): 497969,
    ("bellman_ford", "concatrep"): 568660,
    ("bfs", "maxmean"): 522931,
    ("bridges", "concatrep"): 576612,
    ("bubble_sort", "concatrep"): 568533,
    ("dfs", "div2mean"): 660158,
    ("dijkstra", "div2mean"): 524854,
    ("find_maximum_subarray_kadane", "quadnodeminmax"): 261290,
    ("floyd_warshall", "concatrep"): 669145,
    ("graham_scan", "maxmean"): 397377,
    ("heapsort", "concatrep"): 703710,
    ("insertion_sort", "div2mean"): 523445,
    ("jarvis_march", "concatrep"): 308954,
    ("kmp_matcher", "div2mean"): 396989,
    ("minimum", "div2mean"): 260275,
    ("mst_kruskal", "concatrep"): 443747,
    ("mst_prim", "concatrep"): 569942,
    ("naive_string_matcher", "quadnodeminmax"): 259364,
    ("optimal_bst", "div2mean"): 624955,
    ("quickselect", "quadnodeminmax"): 377130,
    ("quicksort", "div2mean"): 524727,
    ("segments_intersect", "div2mean"): 262327,
    ("strongly_connected_components", "concatrep"): 707299,
    ("task_scheduling", "tanhexpandtriplets"): 262333,
    ("topological_sort", "tanhexpandtriplets"): 660164,
}  # fmt: skip

PIVOT = 641
"""Parameters of quickselect's `pivot` hint, which dm-clrs has had since 2024 only."""


def genome(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network(algorithm: str, path: Path, scope: str = "message", hidden: int = 128) -> Network:
    task = ClrsTask(algorithm, scope)
    recipe = replace(RECIPES["paper"], hidden=hidden)
    options = {
        "entry": "Model",
        "offers": task.offers_of(recipe),
        "features": [list(feature) for feature in features_of(algorithm)],
        "scope": scope,
        "recipe": asdict(recipe),
    }
    return loop.network_of(genome(path), options)


def size(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_triplet_gmpnn_has_the_published_size(algorithm: str) -> None:
    expected = PUBLISHED[algorithm] + (PIVOT if algorithm == "quickselect" else 0)
    assert size(network(algorithm, FOLDER / "seeds" / "message" / "standard.py")) == expected


def test_all_thirty_algorithms_are_there() -> None:
    assert sorted(algorithms()) == sorted(PUBLISHED)


@pytest.mark.parametrize(("algorithm", "name"), DISCOVERED)
def test_discoveries_have_the_published_sizes(algorithm: str, name: str) -> None:
    expected = DISCOVERED[algorithm, name] + (PIVOT if algorithm == "quickselect" else 0)
    assert size(network(algorithm, FOLDER / "seeds" / "published" / f"{name}.py")) == expected


# Where each linear layer of dm-clrs' processors, in order of creation, stands in the baseline files.
PAIRS = ["receiver", "sender", "edge", "graph", "keep", "take"]
GATES = ["gate_keep", "gate_take", "gate"]
TRIPLETS = ["node_i", "node_j", "node_k", "edge_ij", "edge_ik", "edge_jk"]
LAYERS = {
    "mpnn": PAIRS,
    "pgn": PAIRS,
    "gat": ["value", "skip", "receiver", "sender", "edge", "graph"],
    "triplet_gmpnn": [*PAIRS, *TRIPLETS, "triplet_graph", "triplet_output", *GATES],
    "message": [
        *("from_receiver", "from_sender", "from_edge", "from_graph", "keep", "take"),
        *(f"message.{name}" for name in (*TRIPLETS, "graph", "output")),
        *GATES,
    ],
}


def from_haiku(weights: Mapping[str, Tensor], net: Network, layers: Sequence[str]) -> dict[str, Tensor]:
    """State of `net` from the weights of dm-clrs' network, by its modules' names and order of creation."""
    names = {f"linear_{index}" if index else "linear": layer for index, layer in enumerate(layers)}
    names |= {"mlp/~/linear_0": "mixed.1", "mlp/~/linear_1": "mixed.3", "layer_norm": "norm"}
    stages = {feature.name: feature.stage for feature in net.inputs + net.hints}
    state = {}
    for path, weight in weights.items():
        module, kind = path.rsplit("/", 1)
        end = {"w": "weight", "scale": "weight"}.get(kind, "bias")
        if "processor/" in module:
            target = "processor." + names[module.split("processor/")[1]]
        elif "_enc_linear" in module:
            name, index = module.split("algo_0_")[1].split("_enc_linear")
            target = f"encoders.layers.{stages[name]}_{name}.{int(index.lstrip('_') or 0)}"
        else:
            name, index = module.split("algo_0_")[1].split("_dec_linear")
            stage = stages.get(name, "output")
            target = f"decoders.parts.{stage}_{name}.layers.{int(index.lstrip('_') or 0)}"
        state[f"{target}.{end}"] = weight.T if kind == "w" else weight
    return state


def cases() -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    with np.load(REFERENCE) as file:
        for key in file.files:
            processor, algorithm, name = key.split("/", 2)
            found.setdefault(f"{processor}/{algorithm}", {})[name] = torch.from_numpy(file[key])
    return found


CASES = cases()


def below(arrays: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def unpacked(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    shapes = json.loads(arrays["shapes"].numpy().tobytes())
    parts = arrays["weights"].split([math.prod(shape) for shape in shapes.values()])
    return {name: part.view(*shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def compare(net: Network, arrays: Mapping[str, Tensor]) -> None:
    net.eval()
    (batch,) = batches_from(below(arrays, "batch/")).values()
    predicted = net(batch)
    for name, logits in below(arrays, "output/").items():
        torch.testing.assert_close(predicted.outputs[name], logits, rtol=1e-3, atol=1e-3)
    for name, logits in below(arrays, "hint/").items():
        steps = torch.stack([hints[name] for hints in predicted.hints])
        torch.testing.assert_close(steps, logits, rtol=1e-3, atol=1e-3)
    loss = total_loss([*net.inputs, *net.hints, *net.outputs], predicted, batch)
    torch.testing.assert_close(loss, arrays["loss"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_logits_and_loss_equal_those_of_the_jax_network(case: str) -> None:
    processor, algorithm = case.split("/")
    net = network(algorithm, FOLDER / "seeds" / "processor" / f"{processor}.py", "processor", HIDDEN)
    net.load_state_dict(from_haiku(unpacked(CASES[case]), net, LAYERS[processor]))
    compare(net, CASES[case])


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("triplet")])
def test_the_standard_message_function_completes_the_jax_network(case: str) -> None:
    net = network(case.split("/")[1], FOLDER / "seeds" / "message" / "standard.py", hidden=HIDDEN)
    net.load_state_dict(from_haiku(unpacked(CASES[case]), net, LAYERS["message"]))
    compare(net, CASES[case])

"""What happens to a genome inside the walls: dry run, train, predict.

`options` of every job: entry, offers and kwargs (see evaluators.inside.build), `features` (rows of name,
stage, location, kind, width), `scope` (the genome is a `message` function or a whole `processor`) and
`recipe` (the fields of recipes.ClrsRecipe).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from evoarch.evaluators.inside.build import Announce, Reply, build, state_of
from evoarch.evaluators.inside.device import casting, device_of, placed
from evoarch.evaluators.inside.state import load_state
from evoarch.evaluators.inside.train import curve
from evoarch.evaluators.inside.warm import warmup as warm_common
from evoarch.evaluators.tasks.clrs.inside.digest import function_digest
from evoarch.evaluators.tasks.clrs.inside.feature import Feature, features_from, reads_edges
from evoarch.evaluators.tasks.clrs.inside.features import Batch, batches_from, with_random_positions
from evoarch.evaluators.tasks.clrs.inside.losses import total_loss
from evoarch.evaluators.tasks.clrs.inside.made_up import made_up
from evoarch.evaluators.tasks.clrs.inside.network import Network
from evoarch.evaluators.tasks.clrs.inside.processor import TripletGMPNN

DRY_RUNS = ((2, 3, 3), (3, 5, 2))
"""Examples, nodes and steps of two dry batches that share no size but the features'."""


def network_of(genome: ModuleType | None, options: Mapping[str, Any]) -> Network:
    """The network with the genome in its place."""
    module = build(genome, options)
    hidden = options["recipe"]["hidden"]
    processor = TripletGMPNN(hidden, module) if options["scope"] == "message" else module
    return Network(features_from(options["features"]), processor, hidden)


def dry_run(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Forward and backward on made-up batches; untrained weights, `ties` and `function_digest` out.

    Raises what the genome raises, ValueError for a wrong shape or a genome that no gradient reaches,
    FloatingPointError for numbers that are not finite.
    """
    announce("build")
    device = device_of(options)
    network = network_of(genome, options).to(device)
    announce("dry_run")
    features = features_from(options["features"])
    draw = torch.Generator().manual_seed(0)
    for examples, nodes, steps in DRY_RUNS:
        batch = made_up(features, examples, nodes, steps, draw).to(device)
        network.zero_grad()
        with casting(options):
            loss = total_loss(features, network(batch), batch)
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss of an untrained network is not finite")
        loss.backward()  # type: ignore[no-untyped-call]
        _check_gradients(network, features)
    state, ties = state_of(network)
    tensors = {name: value.clone() for name, value in state.items()}
    return tensors, {"ties": ties, "function_digest": function_digest(genome, options)}


def initial_state(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """The untrained weights alone, for a genome whose dry run was another process's."""
    announce("build")
    return dict(state_of(network_of(genome, options).to(device_of(options)))[0]), {}


def _check_gradients(network: Network, features: Sequence[Feature]) -> None:
    """Gradients are finite, and one reaches the genome where it has parameters and is read at all."""
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            raise FloatingPointError(f"the gradient of {name} is not finite")
    genome = network.processor
    if isinstance(genome, TripletGMPNN):
        if not reads_edges(features):
            return
        genome = genome.message
    own = list(genome.parameters())
    if own and not any(p.grad is not None and bool(p.grad.any()) for p in own):
        raise ValueError("no gradient reaches any parameter of the genome: all are zero or missing")


def training_batches(arrays: Mapping[str, Tensor], examples: int, draw: torch.Generator) -> Iterator[Batch]:
    """Random batches without end, one size after the other, with fresh random positions."""
    batches = batches_from(arrays)
    while True:
        for batch in batches.values():
            drawn = batch.pick(torch.randint(len(batch.lengths), (examples,), generator=draw))
            positions = with_random_positions(drawn.inputs["pos"], draw)
            yield drawn._replace(inputs={**drawn.inputs, "pos": positions})


def train(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Weights named `<checkpoint>/<tensor>` from training arrays; notes hold `ties` and `curve`.

    Raises FloatingPointError as soon as the loss is not finite.
    """
    announce("build")
    network = network_of(genome, options).to(device_of(options))
    announce("train")
    arrays = placed(arrays, options)
    features, recipe = features_from(options["features"]), options["recipe"]
    steps, checkpoints = recipe["steps"], recipe["checkpoints"]
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=recipe["rate"], fused=True)
    onecycle = recipe["schedule"] == "onecycle"
    schedule = OneCycleLR(optimiser, max_lr=recipe["rate"], total_steps=steps) if onecycle else None
    # Its own generator: how often a genome draws must not change which examples it sees.
    draw = torch.Generator().manual_seed(torch.initial_seed())
    marks = {steps * (k + 1) // checkpoints: k for k in range(checkpoints)}
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    losses: list[float] = []
    for step, batch in zip(
        range(1, steps + 1), training_batches(arrays, recipe["batch"], draw), strict=False
    ):
        optimiser.zero_grad(set_to_none=True)
        with casting(options):
            loss = total_loss(features, network(batch), batch)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"the training loss became {losses[-1]} at step {step}")
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, recipe["clip"])
        optimiser.step()
        if schedule is not None:
            schedule.step()
        if step in marks:
            state, ties = state_of(network)
            tensors |= {f"{marks[step]}/{name}": value.to("cpu", copy=True) for name, value in state.items()}
    return tensors, {"ties": ties, "curve": curve(losses)}


def predict(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Logits `<nodes>/<output>` (checkpoints, examples, ...) float32, in the order given.

    `arrays` hold `<nodes>/<stage>/<feature>` of inputs and first hints, `<nodes>/length`, and weights
    `weights/<checkpoint>/<tensor>`; `options`: `checkpoints` and `batch` (examples at a time).
    """
    announce("build")
    network = network_of(genome, options).to(device_of(options))
    announce("predict")
    asked = {name: a for name, a in arrays.items() if not name.startswith("weights/")}
    batches = batches_from(placed(asked, options))
    found: dict[str, list[Tensor]] = {}
    for checkpoint in range(options["checkpoints"]):
        start = f"weights/{checkpoint}/"
        load_state(network, {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)})
        network.eval()
        with torch.no_grad():
            for size, batch in batches.items():
                for name, logits in _answers(network, batch, options["batch"]).items():
                    found.setdefault(f"{size}/{name}", []).append(logits)
    return {name: torch.stack(parts).to(torch.float32) for name, parts in found.items()}, {}


def _answers(network: Network, batch: Batch, rows: int) -> dict[str, Tensor]:
    """Outputs of a whole batch, `rows` at a time, those of like length together: less padding.

    Above 16 nodes fewer at a time: edges, which take most of the memory, grow with the square of nodes.
    """
    rows = max(1, min(rows, rows * 16**2 // batch.nodes**2))
    order = batch.lengths.argsort(stable=True)
    parts = [network(batch.pick(some), keep_hints=False).outputs for some in torch.split(order, rows)]
    back = order.argsort()
    return {name: torch.cat([part[name] for part in parts]).index_select(0, back) for name in parts[0]}


def warmup() -> None:
    """What every task warms, and one training step of every feature kind: nothing loads after the fork."""
    warm_common()
    kinds = ("scalar", "mask", "mask_one", "categorical", "pointer")
    rows: list[list[object]] = [["pos", "input", "node", "scalar", 1]]
    for stage in ("input", "hint", "output"):
        rows += [
            [f"{stage}_{place}_{kind}", stage, place, kind, 3 if kind == "categorical" else 1]
            for place in ("node", "edge", "graph")
            for kind in kinds
            if not (place != "node" and kind == "mask_one")
        ]
    rows.append(["order", "output", "node", "permutation_pointer", 1])
    features = features_from(rows)
    draw = torch.Generator().manual_seed(0)
    network = Network(features, TripletGMPNN(4, _Edges()), 4)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    schedule = OneCycleLR(optimiser, max_lr=1e-3, total_steps=3)
    batch = made_up(features, 2, 3, 3, draw)
    rows_drawn = batch.pick(torch.randint(2, (2,), generator=draw))
    with_random_positions(rows_drawn.inputs["pos"], draw)
    total_loss(features, network(rows_drawn), rows_drawn).backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    schedule.step()
    network.eval()
    with torch.no_grad():
        _answers(network, batch, 1)


class _Edges(nn.Module):
    """The least message function: edges as they are."""

    def forward(self, z: Tensor, edge_fts: Tensor, graph_fts: Tensor) -> Tensor:
        return edge_fts

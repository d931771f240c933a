"""What happens to a genome inside the walls: build, dry run, train, predict."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

from evaluators.tasks.clrs.inside.features import (
    Batch,
    Feature,
    batches_from,
    features_from,
    with_random_positions,
)
from evaluators.tasks.clrs.inside.losses import total_loss
from evaluators.tasks.clrs.inside.network import Network
from evaluators.tasks.clrs.inside.processor import TripletGMPNN

Announce = Callable[[str], None]
Answer = tuple[dict[str, Tensor], dict[str, object]]


@dataclass(frozen=True)
class Plan:
    """What a child is told. `scope`: the genome is a `message` function or a whole `processor`.

    `hidden` and `triplet` are widths; `rate` of Adam, gradients clipped at norm `clip`; `steps` batches of
    `batch` examples, training sizes in turn; `schedule` is constant or onecycle; weights are kept at
    `checkpoints` evenly spaced steps.
    """

    features: tuple[Feature, ...]
    scope: str = "message"
    entry: str = "Model"
    hidden: int = 128
    triplet: int = 8
    rate: float = 1e-3
    steps: int = 10_000
    batch: int = 32
    clip: float = 1.0
    schedule: str = "constant"
    checkpoints: int = 1

    @staticmethod
    def of(options: Mapping[str, object]) -> Plan:
        rows = options["features"]
        assert isinstance(rows, (list, tuple))
        rest = {key: value for key, value in options.items() if key != "features"}
        return Plan(features=tuple(features_from(rows)), **rest)  # type: ignore[arg-type]

    @property
    def offers(self) -> dict[str, int]:
        """What the entry may name in its signature."""
        return offers(self.scope, self.hidden, self.triplet)


def offers(scope: str, hidden: int, triplet: int) -> dict[str, int]:
    """Arguments an entry may name: widths of what it is given and of what it should return."""
    if scope == "processor":
        return {"hidden_size": hidden}
    sizes = {"z_size": 2 * hidden, "edge_size": hidden, "graph_size": hidden}
    return {**sizes, "nb_triplet_fts": triplet, "out_size": hidden}


def build(genome: ModuleType, plan: Plan) -> Network:
    """The network with the genome in its place. Raises TypeError where the entry returns no module."""
    entry = getattr(genome, plan.entry)
    named = inspect.signature(entry).parameters
    module = entry(**{name: value for name, value in plan.offers.items() if name in named})
    if not isinstance(module, nn.Module):
        raise TypeError(f"{plan.entry}: expected an nn.Module, got {type(module).__name__}")
    processor = TripletGMPNN(plan.hidden, module) if plan.scope == "message" else module
    return Network(plan.features, processor, plan.hidden)


def training_batches(arrays: Mapping[str, Tensor], plan: Plan) -> Iterator[Batch]:
    """Random batches without end, one size after the other, with fresh random positions."""
    batches = batches_from(arrays)
    while True:
        for batch in batches.values():
            rows = torch.randint(len(batch.lengths), (plan.batch,))
            drawn = batch.pick(rows)
            yield drawn._replace(inputs={**drawn.inputs, "pos": with_random_positions(drawn.inputs["pos"])})


def dry_run(
    genome: ModuleType, arrays: Mapping[str, Tensor], options: Mapping[str, object], announce: Announce
) -> Answer:
    """One forward and backward pass at the smallest size. Notes: parameters, and those without a gradient."""
    announce("build")
    plan = Plan.of(options)
    network = build(genome, plan)
    announce("dry_run")
    batch = next(training_batches(arrays, plan))
    loss = total_loss(plan.features, network(batch), batch)
    loss.backward()  # type: ignore[no-untyped-call]
    if not torch.isfinite(loss):
        raise ValueError(f"dry run: expected a finite loss, got {float(loss.detach())}")
    idle = [name for name, weight in network.named_parameters() if weight.grad is None]
    return dict(network.state_dict()), {"params": _count(network), "idle": idle}


def train(
    genome: ModuleType, arrays: Mapping[str, Tensor], options: Mapping[str, object], announce: Announce
) -> Answer:
    """Weights, named `<checkpoint>/<tensor>`; notes hold the loss at each checkpoint."""
    announce("build")
    plan = Plan.of(options)
    network = build(genome, plan)
    announce("train")
    optimiser = torch.optim.Adam(network.parameters(), lr=plan.rate)
    schedule = None
    if plan.schedule == "onecycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=plan.steps)
    kept: dict[str, Tensor] = {}
    losses = []
    ends = {round(plan.steps * (index + 1) / plan.checkpoints): index for index in range(plan.checkpoints)}
    for step, batch in zip(range(1, plan.steps + 1), training_batches(arrays, plan), strict=False):
        loss = total_loss(plan.features, network(batch), batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        optimiser.step()
        if schedule is not None:
            schedule.step()
        if step in ends:
            losses.append(float(loss.detach()))
            for name, tensor in network.state_dict().items():
                kept[f"{ends[step]}/{name}"] = tensor.detach().clone()
    return kept, {"losses": losses, "params": _count(network)}


def predict(
    genome: ModuleType, arrays: Mapping[str, Tensor], options: Mapping[str, object], announce: Announce
) -> Answer:
    """Output logits named `<nodes>/<output>`, from weights named `weights/<tensor>` and unlabelled inputs.

    `options["rows"]`: examples at a time. It changes memory and time, never a logit.
    """
    announce("build")
    rest = dict(options)
    rows = int(str(rest.pop("rows", 8)))
    network = build(genome, Plan.of(rest))
    prefix = "weights/"
    network.load_state_dict({n.removeprefix(prefix): t for n, t in arrays.items() if n.startswith(prefix)})
    network.eval()
    announce("predict")
    inputs = {name: array for name, array in arrays.items() if not name.startswith(prefix)}
    found: dict[str, Tensor] = {}
    with torch.inference_mode():
        for size, batch in batches_from(inputs).items():
            # Examples of like length together: less padding.
            order = batch.lengths.argsort(stable=True)
            parts = [network(batch.pick(some), keep_hints=False).outputs for some in torch.split(order, rows)]
            back = order.argsort()
            for name in parts[0]:
                found[f"{size}/{name}"] = torch.cat([part[name] for part in parts]).index_select(0, back)
    return found, {}


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)

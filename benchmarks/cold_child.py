"""What throughput.py compares with: one candidate the usual way, in a fresh interpreter, with a DataLoader.

    python benchmarks/cold_child.py DATA.npz MODEL.py --steps N --rate R --schedule onecycle --seed S

`--device cuda`: on a GPU.

Trains, predicts the validation examples, and prints their (wrong + 1) / (n + 2).
"""

from __future__ import annotations

import argparse
import runpy

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--schedule", choices=["onecycle", "constant"], required=True)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    data = {name: torch.from_numpy(array) for name, array in np.load(given.data).items()}
    training = TensorDataset(data["inputs"], data["targets"])
    loader = DataLoader(training, given.batch, shuffle=True, drop_last=True)
    model: torch.nn.Module = runpy.run_path(given.model)["Model"]().to(given.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=given.rate)
    cycle = None
    if given.schedule == "onecycle":
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, given.rate, total_steps=given.steps)
    step = 0
    while step < given.steps:
        for inputs, targets in loader:
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(inputs.to(given.device)), targets.to(given.device))
            loss.backward()
            optimiser.step()
            if cycle is not None:
                cycle.step()
            step += 1
            if step == given.steps:
                break
    model.eval()
    wrong, count = 0, 0
    with torch.no_grad():
        for inputs, targets in DataLoader(TensorDataset(data["held"], data["answers"]), given.batch):
            wrong += int((model(inputs.to(given.device)).argmax(1).cpu() != targets).sum())
            count += len(targets)
    print((wrong + 1) / (count + 2))


if __name__ == "__main__":
    main()

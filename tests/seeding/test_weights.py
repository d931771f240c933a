"""`--weights`: a campaign that begins at the user's checkpoint, and what is said of one that doesn't fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from evoarch.archive.records import State
from evoarch.archive.store import open_archive
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks import mnist1d
from kit.command import evoarch, new_campaign, output_of
from kit.seeds import write

NET = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes, width=40):
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(40, 3, dtype=torch.cfloat))
        self.order = nn.Parameter(torch.arange(width), requires_grad=False)
        self.head = nn.Linear(width + 6, num_classes)

    def forward(self, x):
        mixed = torch.view_as_real(x.to(self.mix.dtype) @ self.mix).flatten(1)
        return self.head(torch.cat([x[:, self.order], mixed], 1))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = new_campaign(tmp_path / "campaign", "--evaluations", "1")
    config = folder / "campaign.toml"
    text = config.read_text()
    start = text.index("files = [")
    config.write_text(text[:start] + "files = []" + text[text.index("]", start) + 1 :])
    return folder


def checkpoint(path: Path, width: int = 40) -> Path:
    """A checkpoint of Net as `torch.save` would have its state, of a body of that width."""
    draw = torch.Generator().manual_seed(0)
    state = {
        "mix": torch.randn(40, 3, dtype=torch.cfloat, generator=draw) / 6,
        "order": torch.arange(width),
        "head.weight": torch.randn(10, width + 6, generator=draw) / 6,
        "head.bias": torch.zeros(10),
    }
    save_file(state, path)
    return path


def add(folder: Path, root: Path, file: Path) -> tuple[int, str]:
    path = write(root, {"net.py": NET})
    done = evoarch("seed", "add", str(folder), f"{path}:Net", "--weights", str(file))
    return done.exit_code, done.output


@pytest.mark.slow
@pytest.mark.parametrize(("width", "share"), [(40, 1.0), (30, None)])
def test_training_begins_at_the_checkpoint_where_names_and_shapes_fit(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, width: int, share: float | None
) -> None:
    monkeypatch.setitem(mnist1d.RECIPES, "fast", Recipe("fast", rate=0.01, steps=10, batch=32))
    code, said = add(folder, tmp_path / "repo", checkpoint(tmp_path / "mine.safetensors", width))
    assert code == 0, said
    assert "parameters (" in said
    output_of(
        "run", str(folder), "--set", "evaluation.repeats=2", "--set", "constraints.error=0.99",
        "--set", "operators.2.weight=0.001",
    )  # fmt: skip
    with open_archive(folder, write=False) as store:
        first, *further = store.evaluations(1)
        children = [
            store.evaluations(c.id) for c in store.candidates() if c.parents and c.state is State.SCORED
        ]
    inherited = first.detail["inherited"]
    assert inherited["share"] == share or (share is None and 0.6 < inherited["share"] < 1)
    (of_child,) = children
    assert of_child[0].detail["inherited"]["share"] > 0
    assert all("inherited" not in each.detail for each in further)


@pytest.mark.slow
def test_a_checkpoint_that_fits_nowhere_is_one_line_and_nothing_is_added(
    tmp_path: Path, folder: Path
) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"body.0.weight": torch.zeros(3, 3)}, file)
    code, said = add(folder, tmp_path / "repo", file)
    assert code == 1
    assert "fits nowhere: it has body.0.weight, the model wants mix of shape" in said
    assert said.count("\n") == 1
    assert not (folder / "seeds" / "net.py").exists()


def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "mine.pt"
    file.write_bytes(b"PK\x03\x04 pickle")
    for path in (file, tmp_path / "missing.safetensors"):
        code, said = add(folder, tmp_path / "repo", path)
        assert code == 1
        assert f"--weights {path}: expected a file of safetensors" in said
        assert said.count("\n") == 1

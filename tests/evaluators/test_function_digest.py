"""The function digest tells different from same, on pairs of a base model and an edit of it."""

from __future__ import annotations

import types

import pytest
import torch

from evoarch.evaluators.inside.digest import function_digest

BASE = """
import torch, torch.nn as nn, torch.nn.functional as F

class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.2)
        self.hidden = nn.Linear(80, 16)
        self.middle = nn.Linear(16, 16)
        self.out = nn.Linear(16, num_classes)
        # end

    def forward(self, x):
        h = F.relu(self.norm(self.conv(x.unsqueeze(1))))
        h = self.drop(h.flatten(1))
        a = F.relu(self.hidden(h))
        b = self.middle(a)
        return self.out(a + b)
"""

OPTIONS = {
    "entry": "Model",
    "offers": {"input_shape": [40], "num_classes": 10},
    "kwargs": {},
    "loss": "cross_entropy",
}

SAME = {
    "a comment": ("# end", "# the last layer is above"),
    "a renamed local": ("h = ", "hh = h = "),
    "a renamed attribute": ("self.conv", "self.first"),
    "a sum in the other order": ("a + b", "b + a"),
    "a longer sum in another order": ("self.out(a + b)", "self.out((b * 0.5 + a) + b * 0.5)"),
    "an output that is never used": ("b = self.middle(a)", "c = a.exp(); b = self.middle(a)"),
    "dead code after return": ("return self.out(a + b)", "return self.out(a + b)\n        return a"),
    "an unused method": ("    def forward", "    def other(self):\n        return 1\n\n    def forward"),
    "an identity": ("b = self.middle(a)", "b = nn.Identity()(self.middle(a))"),
    "a functional twin": ("F.relu(self.hidden(h))", "torch.relu(self.hidden(h))"),
    "clamp for relu": ("F.relu(self.hidden(h))", "self.hidden(h).clamp(min=0)"),
    "reshape for flatten": ("h.flatten(1)", "h.reshape(h.shape[0], -1)"),
    "indexing for unsqueeze": ("x.unsqueeze(1)", "x[:, None]"),
    "multiplied by one": ("self.out(a + b)", "self.out((a + b) * 1.0)"),
    "spelt as a product": ("b = self.middle(a)", "b = a @ self.middle.weight.t() + self.middle.bias"),
    "a literal for the offer": ("nn.Linear(16, num_classes)", "nn.Linear(16, 10)"),
    "functional dropout": ("self.drop(h.flatten(1))", "F.dropout(h.flatten(1), 0.2, self.training)"),
    "a constant not stored": ("# end", "self.register_buffer('k', torch.ones(3), persistent=False)"),
    "a keyword": ("nn.Conv1d(1, 4, 3,", "nn.Conv1d(1, 4, kernel_size=3,"),
    "branches that agree": ("a + b", "(a + b if self.training else b + a)"),
}

DIFFERENT = {
    "a width": ("nn.Linear(16, num_classes)", "nn.Linear(16, num_classes, bias=False)"),
    "zero initialisation": ("# end", "nn.init.zeros_(self.out.weight)"),
    "another initialisation": ("# end", "nn.init.xavier_uniform_(self.hidden.weight)"),
    "a bias set to a constant": ("# end", "nn.init.constant_(self.out.bias, 0.01)"),
    "a smaller dropout": ("Dropout(0.2)", "Dropout(0.1)"),
    "no dropout": ("self.drop(h.flatten(1))", "h.flatten(1)"),
    "dropout that never ends": ("self.drop(h.flatten(1))", "F.dropout(h.flatten(1), 0.2)"),
    "channels dropped": ("Dropout(0.2)", "AlphaDropout(0.2)"),
    "a detached branch": ("b = self.middle(a)", "b = self.middle(a.detach())"),
    "a detached feature": ("a = F.relu(self.hidden(h))", "a = F.relu(self.hidden(h)).detach()"),
    "a frozen layer": ("# end", "self.conv.weight.requires_grad_(False)"),
    "a frozen bias": ("# end", "self.out.bias.requires_grad_(False)"),
    "tied weights": ("# end", "self.twin = nn.Linear(16, 16)\n        self.twin.weight = self.middle.weight"),
    "tied in use": ("a + b", "a + self.middle(b)"),
    "an unused layer": ("# end", "self.spare = nn.Linear(3, 3)"),
    "an unused buffer": ("# end", "self.register_buffer('k', torch.ones(3))"),
    "gelu": ("a = F.relu(", "a = F.gelu("),
    "the other gelu": (
        "F.relu(self.norm(self.conv(x.unsqueeze(1))))",
        "F.relu6(self.norm(self.conv(x.unsqueeze(1))) * 9)",
    ),
    "relu6, far out": ("a = F.relu(self.hidden(h))", "a = F.relu(self.hidden(h)).clamp(max=6)"),
    "a leak": ("a = F.relu(self.hidden(h))", "a = F.leaky_relu(self.hidden(h), 0.001)"),
    "no residual": ("a + b", "b"),
    "a scaled residual": ("a + b", "a + 0.999 * b"),
    "a stride": ("stride=2, padding=1", "stride=2, padding=1, padding_mode='circular'"),
    "a dilation": ("stride=2, padding=1", "stride=2, padding=2, dilation=2"),
    "no normalisation": ("self.norm(self.conv(x.unsqueeze(1)))", "self.conv(x.unsqueeze(1))"),
    "an epsilon": ("BatchNorm1d(4)", "BatchNorm1d(4, eps=1e-3)"),
    "a momentum": ("BatchNorm1d(4)", "BatchNorm1d(4, momentum=0.2)"),
    "statistics of the batch": ("BatchNorm1d(4)", "BatchNorm1d(4, track_running_stats=False)"),
    "an instance's own statistics": ("BatchNorm1d(4)", "InstanceNorm1d(4, affine=True)"),
    "evaluation alone differs": ("self.out(a + b)", "self.out(a + b if self.training else a)"),
    "a reversed signal": ("x.unsqueeze(1)", "x.flip(1).unsqueeze(1)"),
    "a transposed feature": ("h.flatten(1)", "h.transpose(1, 2).flatten(1)"),
    "a gradient rescaled": ("a + b", "a + (b * 2 - b.detach())"),
    "a recipe": ("class Model", "RECIPE = {'rate': 0.1}\n\nclass Model"),
}


def digest(source: str) -> str:
    genome = types.ModuleType("genome")
    exec(compile(source, "genome", "exec"), genome.__dict__)
    return function_digest(genome, OPTIONS)


def edited(edit: tuple[str, str]) -> str:
    old, new = edit
    assert old in BASE
    return BASE.replace(old, new)


@pytest.fixture(scope="module")
def base() -> str:
    found = digest(BASE)
    assert len(found) == 64
    return found


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
def test_the_same_function_has_the_same_digest(base: str, edit: tuple[str, str]) -> None:
    assert digest(edited(edit)) == base


@pytest.mark.parametrize("edit", DIFFERENT.values(), ids=DIFFERENT)
def test_another_function_has_another_digest(base: str, edit: tuple[str, str]) -> None:
    found = digest(edited(edit))
    assert len(found) == 64
    assert found != base


def test_a_copied_and_a_tied_weight_differ() -> None:
    copied = "self.twin = nn.Linear(16, 16)\n        self.twin.weight.data = self.middle.weight.data.clone()"
    tied = "self.twin = nn.Linear(16, 16)\n        self.twin.weight = self.middle.weight"
    used = BASE.replace("a + b", "a + self.twin(b)")
    assert digest(used.replace("# end", copied)) != digest(used.replace("# end", tied))


@pytest.mark.parametrize(
    "edit",
    [
        ("a + b", "a + b.to(torch.float32) @ torch.eye(16, dtype=torch.float64)"),
        ("a + b", "a + b / 0"),
        ("a + b", "a + b * __import__('time').perf_counter()"),
    ],
    ids=["fails in float64", "not finite", "not fixed by the seed"],
)
def test_no_digest_when_unsure(edit: tuple[str, str]) -> None:
    assert digest(edited(edit)) == ""


def test_the_default_dtype_is_put_back() -> None:
    digest(BASE)
    digest("def Model():\n    raise RuntimeError")
    assert torch.get_default_dtype() is torch.float32

"""Prompts as whole texts: a changed word in a template shows up here. Set GOLDEN=1 to write them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from prompts.contexts import Context, Example, Rewrite, RewriteChat, Scoped, ScopedChat
from prompts.render import _environment, metrics_text, render

GOLDEN = Path(__file__).parent / "golden"
LAYERS = "class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
FIRST = LAYERS + "        self.a = nn.Linear(40, 10)\n\n    def forward(self, x):\n        return self.a(x)"
SECOND = FIRST.replace("self.a", "self.b")
EXAMPLES = (
    Example(FIRST, {"params": 410.0, "error": 0.6931}),
    Example(SECOND, {"params": 410.0, "error": 0.5, "latency": 0.1}),
)
IMPORTS = ("import torch.nn as nn", "import torch.nn.functional as F")
TARGETS = {"params": 400.0, "error": 0.45}
CONTEXTS: dict[str, Context] = {
    "rewrite": Rewrite(IMPORTS, EXAMPLES, TARGETS, LAYERS.rstrip("\n")),
    "rewrite_chat": RewriteChat(IMPORTS, EXAMPLES, TARGETS, "Model", ("num_classes",)),
    "scoped": Scoped("import torch.nn as nn\n\n\n" + LAYERS, {}, TARGETS, " " * 8, "self.a = nn."),
    "scoped_chat": ScopedChat(FIRST, {"params": 410.0}, TARGETS, "self.a = nn.Linear(40, 10)", ""),
    "scoped_chat_insert": ScopedChat(FIRST, {"params": 410.0}, TARGETS, "", "self.a_norm = nn."),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_prompt_is_exactly_its_golden_text(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = render(CONTEXTS[name])
    if os.environ.get("GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_a_completion_ends_without_a_newline() -> None:
    assert render(CONTEXTS["rewrite"]).endswith("super().__init__()")
    assert render(CONTEXTS["scoped"]).endswith("self.a = nn.")


def test_metrics_are_strings_in_one_order() -> None:
    assert metrics_text({"error": 0.08749, "params": 5210.0}) == '{"params": "5210", "val_error": "0.087"}'
    assert metrics_text({}) == "{}"


def test_an_unknown_name_in_a_template_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="nothing"):
        _environment().from_string("{{ nothing }}").render()

"""A context for each branch of each template, for golden texts and to try a campaign's own templates on."""

from __future__ import annotations

from dataclasses import replace

from evoarch.prompts.contexts import (
    AgainChat,
    Context,
    Crossover,
    CrossoverChat,
    Effect,
    Example,
    Feedback,
    Front,
    PlanChat,
    Repair,
    RepairChat,
    RepairStatement,
    Rewrite,
    RewriteChat,
    Scoped,
    ScopedChat,
    System,
    TaskCard,
    Tried,
)

_HEAD = "class Model(nn.Module):\n    def __init__(self):\n        super().__init__()"
_FIRST = f"{_HEAD}\n        self.a = nn.Linear(40, 10)\n\n    def forward(self, x):\n        return self.a(x)"
_EXAMPLES = (
    Example(_FIRST, {"params": 410.0, "error": 0.6931}),
    Example(_FIRST.replace("self.a", "self.b"), {"params": 410.0, "error": 0.5}, "keep it small"),
)
_IMPORTS = ("import torch.nn as nn", "import torch.nn.functional as F")
_TARGETS = {"params": 400.0, "error": 0.45}
_METRICS = {"params": 410.0, "error": 0.6931}
_BLOCK = "self.conv = nn.Conv1d(1, 8, 3)\nself.norm = nn.BatchNorm1d(8)\nx = F.relu(self.norm(self.conv(x)))"
_FOUND = ("RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x40 and 30x10) (line 6, in a)",)
_KNOWN = Feedback(
    tried=(
        Tried("nn.Dropout(0.1) behind a", "scored", "", {"params": 410.0, "error": 0.52}),
        Tried("layer at line 4", "failed", "NameError: name 'nope' is not defined (line 4)"),
    ),
    effects=(Effect("adds BatchNorm1d", "error", 0.9, 0.85, 0.95, 31),),
)
_BEFORE = f"import torch.nn as nn\n\n\n{_HEAD}\n"

_CARD = TaskCard(
    facts=(
        "Sort vectors of features into 10 classes.",
        "forward(x): x has the shape (batch, 40), float32; it returns (batch, 10), logits.",
        "Data: 3500 training and 500 validation examples.",
    ),
    interface="forward(x): x has the shape (batch, 40), float32; it returns (batch, 10), logits.",
    goals=("params: trained numbers", "val_error: share of wrong answers"),
    limits=("at most 5000 params",),
    offers={"input_shape": (40,), "num_classes": 10},
    imports=("torch", "math"),
    layers=("nn.Linear", "nn.LayerNorm"),
)
_FRONT = Front(
    ({"params": 410.0, "error": 0.5}, {"params": 2010.0, "error": 0.31}),
    ("between 410 and 2010 params: an error below 0.40 with about 908 params",),
)
_THOUGHT = "Think about normalisation: where would a norm help?"

SAMPLES: dict[str, Context] = {
    "system": System(TaskCard()),
    "system_card": System(_CARD, _FRONT),
    "again_chat": AgainChat(_FOUND),
    "plan_chat": PlanChat(
        _FIRST, _METRICS, _TARGETS, ("width of a 40 -> 32", "added norm after a"), 1, thought=_THOUGHT
    ),
    "rewrite_card": Rewrite(_IMPORTS, _EXAMPLES, _TARGETS, _HEAD, card=_CARD),
    "rewrite_chat_thought": RewriteChat(_IMPORTS, _EXAMPLES, _TARGETS, "Model", thought=_THOUGHT),
    "scoped_card": Scoped(_BEFORE, _METRICS, _TARGETS, " " * 8, "self.a =", card=_CARD),
    "scoped_listed": Scoped(_BEFORE, _METRICS, _TARGETS, " " * 8, "self.a = nn.", listed=True),
    "rewrite": Rewrite(_IMPORTS, _EXAMPLES, _TARGETS, _HEAD),
    "rewrite_chat": RewriteChat(_IMPORTS, _EXAMPLES, _TARGETS, "Model", ("num_classes",)),
    "rewrite_chat_edits": RewriteChat(_IMPORTS, _EXAMPLES, _TARGETS, "Model", reply="edits"),
    "scoped": Scoped(_BEFORE, _METRICS, _TARGETS, " " * 8, "self.a ="),
    "scoped_chat": ScopedChat(_FIRST, _METRICS, _TARGETS, "self.a = nn.Linear(40, 10)", ""),
    "scoped_chat_insert": ScopedChat(_FIRST, _METRICS, _TARGETS, "", "self.a_norm = nn.", "insert"),
    "scoped_chat_called_layer": ScopedChat(
        _FIRST, _METRICS, _TARGETS, "self.a = nn.Linear(40, 10)\nx = self.a(x)", "", "called layer"
    ),
    "scoped_chat_method": ScopedChat(
        _FIRST, _METRICS, _TARGETS, "def forward(self, x):\n    return self.a(x)", "", "method"
    ),
    "crossover": Crossover(_BLOCK, _METRICS, _BEFORE, _TARGETS, " " * 8, "self.conv_norm = nn.Sequential("),
    "crossover_chat": CrossoverChat(_FIRST, _METRICS, "conv", _BLOCK, _METRICS, _TARGETS, "Model"),
    "crossover_chat_edits": CrossoverChat(
        _FIRST, _METRICS, "conv", _BLOCK, _METRICS, _TARGETS, "Model", ("num_classes",), "edits"
    ),
    "repair": Repair(_IMPORTS, _FIRST, _FOUND, _TARGETS, _HEAD),
    "repair_statement": RepairStatement(_BEFORE.rstrip("\n"), _FOUND, " " * 8, "self.a = nn."),
    "repair_chat": RepairChat(_FIRST, "", _FOUND, "Model"),
    "repair_chat_attempt": RepairChat(
        _FIRST, "<<<<<<< SEARCH\nself.c\n=======\n", _FOUND, "Model", ("num_classes",), "edits"
    ),
}
SAMPLES |= {
    f"{name}_feedback": replace(context, feedback=_KNOWN)
    for name, context in SAMPLES.items()
    if not isinstance(context, System | AgainChat)
}

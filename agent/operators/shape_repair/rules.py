"""The error-driven shape repair: reads what failed and the sizes it got, and sets the literal.

One call mends one failure. The caller dry-runs, repairs and dry-runs again, up to a bound (6 is ample).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evoarch.agent.operators.shape_repair import code as by_code
from evoarch.agent.operators.shape_repair import layers as by_layer
from evoarch.agent.operators.shape_repair.locate import Fix, Trouble
from evoarch.agent.operators.syntactic.view import View, completed, look, same
from evoarch.agent.operators.syntactic.walking import rewrite
from evoarch.sandbox.outcome import Raised
from evoarch.sandbox.parsing import GenomeError

Rule = Callable[[Trouble], Fix | None]


@dataclass(frozen=True)
class ShapeRepair:
    """A mended source and what was done, in a few words.

    `other`: another way that fits as well; who can try both on the dry run keeps the smaller model.
    """

    source: str
    description: str
    other: ShapeRepair | None = None


RULES: Sequence[tuple[str, Rule]] = (
    (r"mat1 and mat2 shapes cannot be multiplied", by_layer.linear),
    (r"expected input\[.*\] to have (\d+) channels, but got (\d+) channels", by_layer.conv),
    (r"Expected .*(?:input to|for) \[?conv_?(?:transpose)?\dd|input to conv\dd, but got", by_layer.conv_rank),
    (r"running_mean should contain (\d+) elements not (\d+)", by_layer.norm),
    (r"weight should contain (\d+) elements not (\d+)", by_layer.norm),
    (r"expected 2D or 3D input|expected 4D input|Expected .*3D.* input .*norm", by_layer.norm_rank),
    (r"Given normalized_shape=\[(\d+)\]", by_layer.layer_norm),
    (r"[Ee]xpected number of channels in input to be divisible by num_groups", by_layer.group_norm),
    (r"weight to be a vector of size equal to the number of channels", by_layer.group_norm),
    (r"num_channels .*must be divisible by num_groups", by_code.norm_groups),
    (r"input.size\(-1\) must be equal to input_size", by_layer.recurrent),
    (r"Expected input to be 2D or 3D, got (\d)D", by_layer.recurrent_rank),
    (r"was expecting embedding dimension of (\d+), but got (\d+)", by_layer.attention),
    (r"embed_dim must be divisible by num_heads", by_code.heads),
    (r"Kernel size can't be greater than actual input size", by_layer.kernel),
    (r"Invalid computed output size|Output size is too small|[Oo]utput size is too small", by_layer.pool),
    (r"pad(?:ding)? should be at most half|smaller than or equal to half", by_layer.pool_padding),
    (r"Expected 2D or 3D .*pool|pool\dd.*(?:Expected|expected)", by_layer.pool_rank),
    (r"must be divisible by groups|groups must be a positive", by_code.groups),
    (r"dropout probability has to be between 0 and 1|between 0 and 1, but got", by_code.dropout),
    (r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", by_code.addition),
    (r"shape '.*' is invalid for input of size|view size is not compatible", by_code.view),
    (r"must be Tensor, not tuple|got \(tuple|'tuple' object has no attribute", by_code.outputs),
    (r"too many values to unpack|not enough values to unpack", by_code.unpacked),
    (r"Dimension out of range", by_code.dimension),
    (r"has no attribute '(\w+)'", by_code.attribute),
    (r"name '(\w+)' is not defined", by_code.name),
    (r"unexpected keyword argument '(\w+)'", by_code.keyword),
    (r"missing \d+ required positional argument", by_code.missing),
    (r"must return a tensor \((?P<wants>.*?)\), got (?:tuple|list)", by_code.first_output),
    (r"returned shape \((?P<got>.*?)\), expected \((?P<wants>.*?)\)", by_code.output),
    (r"expected \((?P<wants>.*?)\), got \((?P<got>.*?)\)", by_code.output),
)
"""Message patterns of torch, Python and the dry run, each with the rule that mends it; the first that
matches and finds something to set is taken."""


def repair(
    source: str, failure: Raised, *, entry: str = "Model", offers: Mapping[str, object] | None = None
) -> ShapeRepair | None:
    """One step of mending `source` after `failure`, or None where nothing mechanical helps.

    Never raises for a source or a message, however odd.
    """
    try:
        view = look(source)
    except GenomeError:
        return None
    for pattern, rule in RULES:
        found = re.search(pattern, failure.message)
        if found is None:
            continue
        fix = rule(Trouble(view, failure, found, entry, offers or {}))
        if fix is None:
            continue
        other = _made(view, source, fix.other) if fix.other else None
        if made := _made(view, source, fix):
            return replace(made, other=other)
    return None


def _made(view: View, source: str, fix: Fix) -> ShapeRepair | None:
    text = completed(rewrite(view.module, fix.edits))
    return None if same(text, source) else ShapeRepair(text, fix.what)

"""Lines of thought for chat models: one is drawn for each prompt, so that they do not all go the same way."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evoarch.prompts.contexts import Effect


@dataclass(frozen=True)
class Thought:
    """A question to think about. `words`: measured kinds of change that speak for or against it."""

    text: str
    words: Sequence[str] = ()


THOUGHTS: Mapping[str, Thought] = {
    "structure": Thought(
        "Think about the structure: which layers does the model need, in which order, how many of each?"
    ),
    "downsampling": Thought(
        "Think about downsampling: where should the resolution fall, by strides or by pooling, and how far?",
        ("Pool", "stride"),
    ),
    "normalisation": Thought("Think about normalisation: which kind, and where?", ("Norm",)),
    "attention": Thought(
        "Think about how far apart positions can see each other: attention, recurrence, dilation or pooling?",
        ("Attention", "GRU", "LSTM", "dilation"),
    ),
    "sharing": Thought("Think about using the same layer more than once in place of several of its kind."),
    "equivalents": Thought(
        "Think about cheaper equivalents: depthwise and pointwise convolutions, groups, a bottleneck, global "
        "pooling in the place of a wide linear layer.",
        ("groups", "smaller numbers"),
    ),
    "residual": Thought(
        "Think about shortcuts around layers, and what they allow.", ("residual", "Identity")
    ),
    "capacity": Thought(
        "Think about capacity: where are too many numbers, and where too few?", ("larger numbers",)
    ),
}

FAVOURED, DISFAVOURED = 3.0, 0.3
"""Weight in the draw of a thought whose kinds of change were measured to help, or to hurt; others have 1."""


def drawn_thought(effects: Sequence[Effect], rng: random.Random) -> str:
    """One line of thought. `effects`: what was measured in the campaign, which tilts the draw."""
    names = list(THOUGHTS)
    weights = [_weight(THOUGHTS[name].words, effects) for name in names]
    return THOUGHTS[rng.choices(names, weights)[0]].text


def _weight(words: Sequence[str], effects: Sequence[Effect]) -> float:
    about = [each for each in effects if any(word in each.change for word in words)]
    # What removes a layer that helps would speak against it.
    helps = [(each.factor < 1) != each.change.startswith("removes") for each in about]
    if not helps:
        return 1.0
    return FAVOURED if helps[0] else DISFAVOURED

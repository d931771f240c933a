"""The tables `[rounds]` and `[tuning]`: EvoPrompting's rounds and its soft prompt, as frozen models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evoarch.agent.config.table import Candidates, KeyUnit, Share, Table, Tokens


class RoundsTable(Table):
    """EvoPrompting's rounds (Chen et al. 2023, Algorithms 1-3) in the place of the steady state. The letters
    are the paper's.
    """

    rounds: Annotated[int, KeyUnit("rounds"), Field(ge=1)] = 10
    """Rounds (T)."""
    prompts: Annotated[int, KeyUnit("prompts"), Field(ge=1)] = 10
    """Prompts a round (m)."""
    samples: Annotated[int, KeyUnit("samples"), Field(ge=1)] = 16
    """Samples a prompt (n)."""
    examples: Annotated[int, KeyUnit("parents"), Field(ge=1)] = 2
    """Parents in a prompt (k)."""
    survivors: Annotated[Candidates, Field(ge=1)] = 10
    """Children that become the next round's parents (p)."""
    threshold: Annotated[Share, Field(gt=0, le=1)] = 0.5
    """The largest validation error, unsmoothed, of a child that is kept."""
    temperatures: Annotated[tuple[float, ...], Field(min_length=1)] = (0.2, 0.6, 0.8, 1.0)
    """One of them is drawn for each prompt."""
    parents: Literal["top", "random", "seeds"] = "top"
    """The `top` by -(params x error), or for ablations `random` ones of those kept, or the `seeds` in every
    round."""


class TuningTable(Table):
    """A soft prompt (Lester et al. 2021), trained between rounds on children that were kept and did not
    become parents. For local models alone; `evoarch tuning export` writes the same data for others.
    """

    enabled: bool = False
    """Whether a soft prompt is trained."""
    tokens: Annotated[Tokens, Field(ge=1, le=512)] = 16
    """The length of the soft prompt."""
    epochs: Annotated[int, KeyUnit("epochs"), Field(ge=1)] = 5
    """Passes over the data of a round."""
    batch: Annotated[int, KeyUnit("examples"), Field(ge=1)] = 4
    """Examples whose gradients are taken at once."""
    accumulation: Annotated[int, KeyUnit("batches"), Field(ge=1)] = 4
    """Batches whose gradients make one step."""
    optimiser: Literal["adafactor", "adamw"] = "adafactor"
    """What makes a step of the gradients."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    """The optimiser's learning rate."""
    sequence: Annotated[Tokens, Field(ge=16)] = 512
    """The most tokens of an example; a longer one loses its end."""
    held_out: Annotated[Share, Field(ge=0, lt=1)] = 0.25
    """The largest share of the examples that is not trained on but measured, whole lineages at a time."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it is trained; `auto` takes CUDA where it is there."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the frozen model's weights; `auto`: bfloat16 where the processor multiplies in it."""
    threads: Annotated[int, KeyUnit("threads"), Field(ge=0)] = 0
    """0: one per core, since nothing is evaluated meanwhile."""

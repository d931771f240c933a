"""Soft prompt tuning (Lester, Al-Rfou, Constant 2021): the model is frozen, some embeddings before its input
are trained. peft holds them; the loop is here, because it can be cut off and gone on with at each epoch.
"""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PromptTuningConfig, TaskType, get_peft_model
from torch import Tensor
from transformers import Adafactor

from evoarch.agent.config.rounds import TuningTable
from evoarch.archive.private_files import write_whole

COMMON = 5000
"""A fresh soft prompt begins as embeddings drawn from the first so many tokens of the vocabulary (Lester et
al. 2021, section 3.2: the 5,000 most common; a byte-pair vocabulary is in order of merges).
"""

NO_LOSS = -100
"""The label that cross entropy leaves out."""

Pair = tuple[str, str]
"""A prompt and its completion; only the latter is trained on."""


@dataclass(frozen=True)
class Trained:
    """`values`: (tokens, width), float32. `losses`: of each epoch, nats a token. `before` and `after`: on the
    pairs held out, None where there are none.
    """

    values: NDArray[np.float32]
    losses: Sequence[float]
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Checkpoint:
    """Where the state is kept at each epoch's end; `digest` says of which data and settings it is."""

    path: Path
    digest: str

    def load(self) -> dict[str, Any] | None:
        """None where there is none of this digest, or it is damaged: the training then begins anew."""
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True)
            return state if state.get("digest") == self.digest else None
        except Exception:  # noqa: BLE001 - damaged bytes raise whatever they spell, struct.error for one
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Write the state of a training, whole or not at all."""
        stream = io.BytesIO()
        torch.save({**state, "digest": self.digest}, stream)
        write_whole(self.path, stream.getvalue())


def train(
    model: Any,
    tokenizer: Any,
    training: Sequence[Pair],
    held_out: Sequence[Pair],
    table: TuningTable,
    *,
    seed: int,
    start: NDArray[np.float32] | None = None,
    checkpoint: Checkpoint | None = None,
    say: Callable[[dict[str, object]], None] = lambda said: None,
) -> Trained:
    """Trains `table.epochs` over `training`, from `start` or from embeddings of the vocabulary.

    `model` is a causal language model on its device, whose weights do not change. Deterministic on one
    thread. `say` hears of each epoch.
    """
    encoded = [encode(tokenizer, pair, table.sequence) for pair in training]
    measured = [encode(tokenizer, pair, table.sequence) for pair in held_out]
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    model.train(False)  # Dropout would only add noise to a model that does not learn.
    known = checkpoint.load() if checkpoint else None
    before = known["before"] if known else None
    if known is None and start is None and measured:
        before = _loss(model, measured, pad, table.batch)
    tuned = _with_soft_prompt(model, table.tokens, start, seed)
    weight = tuned.prompt_encoder["default"].embedding.weight
    if known is None and start is not None and measured:
        before = _loss(tuned, measured, pad, table.batch)
    optimiser = _optimiser(weight, table)
    losses: list[float] = []
    if known is not None:
        weight.data.copy_(known["values"])
        optimiser.load_state_dict(known["optimiser"])
        losses = list(known["losses"])
    for epoch in range(len(losses), table.epochs):
        order = list(range(len(encoded)))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        losses.append(_epoch(tuned, weight, optimiser, [encoded[i] for i in order], pad, table))
        say({"epoch": epoch + 1, "of": table.epochs, "loss": losses[-1]})
        if checkpoint:
            state = {"values": weight.detach().cpu(), "optimiser": optimiser.state_dict()}
            checkpoint.save({**state, "losses": losses, "before": before})
    after = _loss(tuned, measured, pad, table.batch) if measured else None
    return Trained(weight.detach().float().cpu().numpy(), losses, before, after)


def encode(tokenizer: Any, pair: Pair, most: int) -> tuple[list[int], list[int]]:
    """Token ids and labels, at most `most`. The end of a whole completion is trained on too."""
    prompt = list(tokenizer(pair[0])["input_ids"])
    rest = list(tokenizer(pair[1], add_special_tokens=False)["input_ids"])
    if tokenizer.eos_token_id is not None:
        rest.append(tokenizer.eos_token_id)
    return [*prompt, *rest][:most], [*([NO_LOSS] * len(prompt)), *rest][:most]


def _with_soft_prompt(model: Any, tokens: int, start: NDArray[np.float32] | None, seed: int) -> Any:
    # peft reads text and vocabulary from a saved tokenizer; the beginning is set here, so that it needs none.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that will go
        tuned: Any = get_peft_model(
            model, PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=tokens)
        )
    weight = tuned.prompt_encoder["default"].embedding.weight
    vocabulary = model.get_input_embeddings().weight
    if start is None:
        rows = random.Random(f"{seed}/start").sample(range(min(COMMON, len(vocabulary))), tokens)
        values = vocabulary.detach()[rows].float().cpu()
    else:
        values = torch.from_numpy(np.array(start))
    if values.shape != weight.shape:
        raise ValueError(f"expected a soft prompt of {tuple(weight.shape)}, got {tuple(values.shape)}")
    # In float32 whatever the model is in: steps are small beside the values.
    weight.data = values.to(vocabulary.device)
    return tuned


def _optimiser(weight: Any, table: TuningTable) -> Any:
    if table.optimiser == "adamw":
        return torch.optim.AdamW([weight], lr=table.learning_rate, weight_decay=0.0)
    # Lester et al. 2021, appendix A.1: constant rate, no parameter scaling, decay 1e-5.
    return Adafactor(  # type: ignore[no-untyped-call]
        [weight],
        lr=table.learning_rate,
        scale_parameter=False,
        relative_step=False,
        warmup_init=False,
        weight_decay=1e-5,
    )


def _epoch(
    tuned: Any, weight: Tensor, optimiser: Any, encoded: Sequence[Any], pad: int, table: TuningTable
) -> float:
    """One pass; the mean loss a token, as it was while the weights changed."""
    total, count = 0.0, 0
    step = table.batch * table.accumulation
    for first in range(0, len(encoded), step):
        group = encoded[first : first + step]
        tokens = sum(_counted(labels) for _, labels in group)
        for place in range(0, len(group), table.batch):
            loss = _summed(tuned, group[place : place + table.batch], pad)
            (loss / max(tokens, 1)).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        torch.nn.utils.clip_grad_norm_([weight], 1.0)
        optimiser.step()
        optimiser.zero_grad()
        count += tokens
    return total / max(count, 1)


def _counted(labels: Sequence[int]) -> int:
    """Labels that something comes before, which alone are predicted."""
    return sum(label != NO_LOSS for label in labels[1:])


def _summed(model: Any, batch: Sequence[Any], pad: int) -> Tensor:
    """The summed cross entropy over the labels of a batch, in nats."""
    width = max(len(ids) for ids, _ in batch)
    device = model.device
    ids = torch.tensor([[*ids, *[pad] * (width - len(ids))] for ids, _ in batch], device=device)
    labels = torch.tensor([[*each, *[NO_LOSS] * (width - len(each))] for _, each in batch], device=device)
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in batch], device=device)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, -width:]
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=NO_LOSS, reduction="sum"
    )


@torch.no_grad()
def _loss(model: Any, encoded: Sequence[Any], pad: int, batch: int) -> float:
    """Nats a token over `encoded`."""
    parts = [encoded[first : first + batch] for first in range(0, len(encoded), batch)]
    total = sum(_summed(model, part, pad).item() for part in parts)
    return total / max(1, sum(_counted(labels) for _, labels in encoded))

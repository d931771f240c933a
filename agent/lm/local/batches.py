"""Caches of several prompts as one batch, so that samples of different places are drawn together."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional


@dataclass
class Batch:
    """A key-value cache of rows, those of shorter prompts with room at their beginning that nothing reads.

    `mask` (rows, tokens) is 0 there, `places` (rows,) is each row's next position; both None where all rows
    have one length.
    """

    cache: Any
    mask: torch.Tensor | None = None
    places: torch.Tensor | None = None

    @classmethod
    def of(cls, caches: Sequence[Any], lengths: Sequence[int], count: int) -> Batch:
        """`count` rows of each cache, which holds one row of so many tokens."""
        if len(caches) == 1:
            caches[0].batch_repeat_interleave(count)
            return cls(caches[0])
        longest = max(lengths)
        joined = copy.copy(caches[0])
        joined.layers = [copy.copy(layer) for layer in joined.layers]
        for number, layer in enumerate(joined.layers):
            for name in ("keys", "values"):
                rows = [
                    functional.pad(getattr(cache.layers[number], name), (0, 0, longest - length, 0))
                    for cache, length in zip(caches, lengths, strict=True)
                ]
                setattr(layer, name, torch.cat(rows).repeat_interleave(count, dim=0))
        device = joined.layers[0].keys.device
        known = torch.tensor(lengths, device=device).repeat_interleave(count)
        mask = (torch.arange(longest, device=device) >= longest - known[:, None]).long()
        return cls(joined, mask, known)

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all rows but these."""
        index = torch.tensor(rows, device=self.cache.layers[0].keys.device)
        self.cache.batch_select_indices(index)
        if self.mask is not None and self.places is not None:
            self.mask, self.places = self.mask[index], self.places[index]

    def step(self) -> dict[str, Any]:
        """What a forward pass of one more token a row is given beside the tokens."""
        if self.mask is None or self.places is None:
            return {"past_key_values": self.cache}
        self.mask = functional.pad(self.mask, (0, 1), value=1)
        at, self.places = self.places[:, None], self.places + 1
        return {"past_key_values": self.cache, "attention_mask": self.mask, "position_ids": at}

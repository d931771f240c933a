"""Batched sampling from one prompt with a local transformers model: the prompt's cache is paid once.

An own loop rather than `generate`: each call has its own `torch.Generator`, a finished sample leaves the
batch at once, and the cache of the last prompt is kept, so that a prompt that shares its beginning (the
same parents, another span) only pays for its new end.
"""

from __future__ import annotations

import copy
import itertools
import os
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

# Set before transformers is imported: a local model must never ask the network for anything.
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from evoarch.agent.lm.local.batches import Batch
from evoarch.agent.lm.local.soft_prompts import load_soft_prompt

TOP_K = 64
"""Candidates kept per step before top_p: a small model's tail is noise. 64 leaves digits and names free."""


def load(path: Path) -> tuple[Any, Any]:
    """Model (float32, evaluation mode) and tokenizer from a folder, or from one GGUF file, dequantised."""
    if path.suffix == ".gguf":
        where, name = str(path.parent), path.name
        # The default keeps GGUF blocks packed: slower on a CPU, and not serialisable.
        model = AutoModelForCausalLM.from_pretrained(
            where, gguf_file=name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name)
    else:
        model = AutoModelForCausalLM.from_pretrained(str(path), dtype=torch.float32, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(str(path), local_files_only=True)
    model.train(False)
    return model, tokenizer


class TooLongError(ValueError):
    """The prompt leaves no room in the model's context."""


class Sampler:
    """One loaded model on its device. Not thread-safe: one call at a time.

    Tokens are drawn on the CPU, by its generator, whatever the model computes on.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self.model, self.tokenizer = load(path)
        if device != "cpu":
            self.model.to(device=device, dtype=dtype_for("auto", device))
        self._device = torch.device(device)
        self.context: int = self.model.config.max_position_embeddings
        ends = self.model.generation_config.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [ends]) | {self.tokenizer.eos_token_id}
        self._ids: list[int] = []
        self._cache: Any = None
        self._soft_prompt = ""
        self._prefix: torch.Tensor | None = None

    def _use(self, soft_prompt: str) -> int:
        """Puts the soft prompt of that file ("": none) before every prompt; its length in tokens."""
        if soft_prompt != self._soft_prompt:
            # Loaded first: where that fails, what was in use stays so.
            prefix = torch.from_numpy(load_soft_prompt(Path(soft_prompt))) if soft_prompt else None
            self._soft_prompt, self._prefix = soft_prompt, prefix
            self._ids, self._cache = [], None
        return 0 if self._prefix is None else len(self._prefix)

    def _embedded(self, ids: Sequence[int]) -> torch.Tensor:
        """Embeddings (1, ids, width); place i of the soft prompt stands as the id -1 - i."""
        table = self.model.get_input_embeddings().weight
        assert self._prefix is not None
        rows = [table[i] if i >= 0 else self._prefix[-1 - i].to(table) for i in ids]
        return torch.stack(rows).unsqueeze(0)

    def encode(self, prompt: str, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of a prompt, or of messages through the chat template."""
        if messages:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self.tokenizer(prompt)["input_ids"])

    @torch.inference_mode()
    def sample(
        self,
        *,
        prompt: str,
        messages: Sequence[dict[str, str]],
        n: int,
        temperature: float,
        top_p: float,
        seed: int,
        max_tokens: int,
        stop: Sequence[str],
        soft_prompt: str = "",
        ends: Sequence[str] = (),
    ) -> dict[str, Any]:
        """`n` texts, or with `ends` `n` of each `prompt + end`; their finish reasons (stop or length), token
        counts and CPU seconds. What ends share with the one before is computed once.

        `soft_prompt`: a file of embeddings that stand before the prompt. Raises TooLongError, and ValueError
        where that file does not hold.
        """
        began = time.process_time()
        before = self._use(soft_prompt)
        prompts = [
            [*range(-1, -1 - before, -1), *self.encode(prompt + end, messages)] for end in ends or ("",)
        ]
        longest = max(map(len, prompts))
        room = min(max_tokens, self.context - longest)
        if room <= 0:
            raise TooLongError(f"prompt of {longest} tokens leaves no room in a context of {self.context}")
        paid = sum(len(ids) - self._shared(known, ids) for known, ids in pairwise([[], *prompts]))
        found = [self._prefill(ids) for ids in prompts]
        batch = Batch.of([cache for _, cache in found], [len(ids) for ids in prompts], n)
        logits = torch.cat([logits for logits, _ in found]).repeat_interleave(n, dim=0)
        n *= len(prompts)
        generator = torch.Generator().manual_seed(seed)
        rows: list[list[int]] = [[] for _ in range(n)]
        texts, reasons = [""] * n, ["length"] * n
        live = list(range(n))
        for step in range(room):
            tokens = _draw(logits, temperature, top_p, generator)
            keep: list[int] = []
            for position, row in enumerate(live):
                token = int(tokens[position])
                if token not in self.ends:
                    rows[row].append(token)
                text = self.tokenizer.decode(rows[row], skip_special_tokens=True)
                cut = min((at for at in (text.find(s) for s in stop) if at >= 0), default=-1)
                texts[row] = text if cut < 0 else text[:cut]
                if token in self.ends or cut >= 0:
                    reasons[row] = "stop"
                else:
                    keep.append(position)
            if not keep or step == room - 1:
                break
            if len(keep) < len(live):
                live = [live[position] for position in keep]
                batch.keep(keep)
            last = tokens[torch.tensor(keep)].unsqueeze(1).to(self._device)
            logits = self.model(last, use_cache=True, **batch.step()).logits[:, -1]
        return {
            "texts": texts,
            "finish_reasons": reasons,
            "prompt_tokens": paid,
            "completion_tokens": sum(len(row) for row in rows),
            "cpu_seconds": time.process_time() - began,
        }

    @staticmethod
    def _shared(known: Sequence[int], ids: Sequence[int]) -> int:
        """How many tokens of `ids` need not be computed after `known`; the last of each is always."""
        pairs = zip(known[:-1], ids[:-1], strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    def _prefill(self, ids: list[int]) -> tuple[torch.Tensor, Any]:
        """Logits after `ids` (1, vocabulary) and a cache of its own; reuses the last prompt's beginning."""
        known, cache = self._ids, self._cache
        self._ids, self._cache = [], None  # both dropped until whole again, should the forward pass fail
        shared = self._shared(known, ids)
        if not shared:
            cache = None
        elif shared < len(known):
            cache.crop(shared - len(known))  # negative: how many tokens to remove
        if any(i < 0 for i in ids[shared:]):
            given = {"inputs_embeds": self._embedded(ids[shared:])}
        else:
            given = {"input_ids": torch.tensor([ids[shared:]], device=self._device)}
        out = self.model(**given, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._ids, self._cache = ids, out.past_key_values
        return out.logits[:, -1], _copied(self._cache)


def _copied(cache: Any) -> Any:
    """A copy whose layers grow alone: growing replaces a layer's tensors and never writes them."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin


def _draw(logits: torch.Tensor, temperature: float, top_p: float, generator: torch.Generator) -> torch.Tensor:
    """One token a row, (rows,), on the CPU, from (rows, vocabulary); temperature 0 takes the largest."""
    if temperature <= 0:
        return logits.argmax(-1).cpu()
    values, indices = (logits.float() / temperature).topk(min(TOP_K, logits.shape[-1]), dim=-1)
    values, indices = values.cpu(), indices.cpu()
    chances = values.softmax(-1)
    if top_p < 1:
        before = chances.cumsum(-1) - chances
        chances = chances.masked_fill(before >= top_p, 0.0)
    pick = torch.multinomial(chances, 1, generator=generator)
    return indices.gather(-1, pick).squeeze(-1)


def dtype_for(name: str, device: str) -> torch.dtype:
    """The dtype of that name; "auto": bfloat16 where the processor multiplies in it, float32 elsewhere."""
    if name != "auto":
        return getattr(torch, name)  # type: ignore[no-any-return]
    if device.startswith("cuda"):
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # An older torch does not say; float32 is never wrong.
        can: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        pays = bool(can.get("avx512_bf16") or can.get("amx_bf16"))
    return torch.bfloat16 if pays else torch.float32

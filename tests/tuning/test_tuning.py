"""Soft prompts: the split, the training, its resumption, and what a sampler does with one."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.config.rounds import TuningTable
from evoarch.agent.lm.local.sampling import Sampler, dtype_for
from evoarch.agent.lm.local.soft_prompts import load_soft_prompt, path_of, save_soft_prompt
from evoarch.agent.tuning.data import TuningExample, example, split
from evoarch.agent.tuning.training import Checkpoint, train
from evoarch.prompts.outline import Outline
from evoarch.prompts.replies import completed
from evoarch.sandbox.genome import source_digest

TABLE = TuningTable(tokens=4, epochs=4, batch=2, accumulation=2)
PAIRS = [("ab", "cdcdcdcd"), ("ba", "cdcdcd"), ("aa", "cdcdcdcdcd"), ("bb", "cdcd"), ("abab", "cdcdcd")]


@given(st.lists(st.integers(1, 6), max_size=40), st.floats(0, 0.99), st.integers(0, 99))
def test_no_lineage_stands_on_both_sides(lineages: list[int], share: float, seed: int) -> None:
    found = [TuningExample(number, lineage, "p", "c") for number, lineage in enumerate(lineages)]
    data = split(found, share, random.Random(seed))
    assert {*data.training, *data.held_out} == set(found)
    assert not {each.lineage for each in data.training} & {each.lineage for each in data.held_out}
    assert len(data.held_out) <= share * len(found)


def test_a_prompt_and_its_completion_are_the_file_again() -> None:
    source = """import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, 10)

    def forward(self, x):
        return self.layer(x)
"""
    found = example(source, {"params": 410.0, "error": 0.25}, {})
    assert found is not None
    assert '# metrics: {"params": "410", "val_error": "0.250"}' in found.prompt
    head = found.prompt[found.prompt.index("class Model") :]
    parsed = completed(head, found.completion, Outline(("import torch.nn as nn",)), "Model")
    assert source_digest(parsed.source) == source_digest(source)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a few thousand parameters, drawn at random, one token a letter."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    letters = {letter: place for place, letter in enumerate(["</s>", *"abcdefgh"])}
    inner = Tokenizer(models.WordLevel(letters, unk_token="</s>"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(
        vocab_size=9, max_position_embeddings=128, bos_token_id=0, eos_token_id=0, pad_token_id=0, **shape
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def trained(folder: Path, **settings: Any) -> Any:
    sampler = Sampler(folder)
    return train(sampler.model, sampler.tokenizer, PAIRS[:4], PAIRS[4:], TABLE, seed=1, **settings)


def test_training_lowers_the_loss_and_leaves_the_model_alone(tiny: Path) -> None:
    sampler = Sampler(tiny)
    weights = {name: value.clone() for name, value in sampler.model.state_dict().items()}
    found = train(sampler.model, sampler.tokenizer, PAIRS[:4], PAIRS[4:], TABLE, seed=1)
    assert found.values.shape == (4, 32)
    assert found.losses[-1] < found.losses[0]
    assert found.before is not None
    assert found.after is not None
    assert found.after < found.before
    after = sampler.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in weights.items())


def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(tiny: Path, tmp_path: Path) -> None:
    whole = trained(tiny)

    class CutError(Exception):
        pass

    heard: list[object] = []

    def say(said: dict[str, object]) -> None:
        heard.append(said["epoch"])
        if said["epoch"] == 3 and heard.count(3) == 1:
            raise CutError

    kept = Checkpoint(tmp_path / "round-1.checkpoint", "digest")
    with pytest.raises(CutError):
        trained(tiny, checkpoint=kept, say=say)
    again = trained(tiny, checkpoint=kept, say=say)
    assert heard == [1, 2, 3, 3, 4]
    np.testing.assert_array_equal(again.values, whole.values)
    assert (again.losses, again.before, again.after) == (whole.losses, whole.before, whole.after)
    # Of other data it begins anew.
    assert Checkpoint(kept.path, "other").load() is None


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"\x80\x02cnowhere\nThing\n.", b"h\x07.", b"\x80\x02J\x01", b"\x80\x02]."],
    ids=["nothing", "a letter that is no instruction", "a class", "a memo that is not there", "half a number",
         "a list"],
)  # fmt: skip
def test_a_damaged_checkpoint_is_a_training_from_its_start(tiny: Path, tmp_path: Path, data: bytes) -> None:
    kept = Checkpoint(tmp_path / "round-1.checkpoint", "digest")
    kept.path.write_bytes(data)
    assert kept.load() is None


def test_a_soft_prompt_is_sampled_with_as_it_was_trained(tiny: Path, tmp_path: Path) -> None:
    """The sampler's first token is the most likely one of the model behind the same embeddings."""
    found = trained(tiny)
    path = path_of(tmp_path, save_soft_prompt(tmp_path, found.values))
    np.testing.assert_array_equal(load_soft_prompt(path), found.values)
    sampler = Sampler(tiny)

    def ask(prompt: str, soft_prompt: str) -> dict[str, Any]:
        return _sampled(sampler, prompt, soft_prompt)

    plain, tuned = ask("ab", ""), ask("ab", str(path))
    assert tuned["prompt_tokens"] == plain["prompt_tokens"] + TABLE.tokens
    with torch.inference_mode():
        table = sampler.model.get_input_embeddings().weight
        rows = torch.cat([torch.from_numpy(found.values), table[torch.tensor(sampler.encode("ab", ()))]])
        expected = int(sampler.model(inputs_embeds=rows.unsqueeze(0)).logits[0, -1].argmax())
    assert sampler.encode(tuned["texts"][0][:1], ()) == [expected]
    # A shared beginning is taken from the cache, and the cache is of this soft prompt alone.
    assert ask("aba", str(path)) == _sampled(Sampler(tiny), "aba", str(path))
    assert ask("ab", "")["texts"] == plain["texts"]


def _sampled(sampler: Sampler, prompt: str, soft_prompt: str = "") -> dict[str, Any]:
    found = sampler.sample(
        prompt=prompt, messages=(), n=2, temperature=0.0, top_p=1.0, seed=0, max_tokens=6, stop=(),
        soft_prompt=soft_prompt,
    )  # fmt: skip
    return found | {"cpu_seconds": 0}


def test_a_forward_pass_that_fails_leaves_the_next_prompt_whole(tiny: Path) -> None:
    """Of the next prompt that begins alike all is computed: there is no cache to take its beginning from."""
    sampler = Sampler(tiny)
    _sampled(sampler, "abcd")
    lengths: list[int] = []

    def fails_once(model: Any, arguments: Any, given: dict[str, Any]) -> None:
        lengths.append(len(given["input_ids"][0]) if "input_ids" in given else 1)
        if len(lengths) == 1:
            raise MemoryError

    hook = sampler.model.register_forward_pre_hook(fails_once, with_kwargs=True)
    with pytest.raises(MemoryError):
        _sampled(sampler, "abcdefgh")
    found = _sampled(sampler, "abcdefga")
    hook.remove()
    assert lengths[1] == 8
    assert found == _sampled(Sampler(tiny), "abcdefga")


def test_a_damaged_soft_prompt_leaves_the_one_in_use_in_its_place(tiny: Path, tmp_path: Path) -> None:
    path = path_of(tmp_path, save_soft_prompt(tmp_path, trained(tiny).values))
    damaged = path_of(tmp_path, "0" * 64)
    damaged.write_bytes(path.read_bytes())
    sampler = Sampler(tiny)
    first = _sampled(sampler, "ab", str(path))
    with pytest.raises(ValueError, match="it is damaged"):
        _sampled(sampler, "ab", str(damaged))
    assert _sampled(sampler, "ab", str(path)) == first
    assert _sampled(sampler, "ab")["prompt_tokens"] == first["prompt_tokens"] - TABLE.tokens


def test_a_damaged_soft_prompt_is_refused(tmp_path: Path) -> None:
    path = path_of(tmp_path, save_soft_prompt(tmp_path, np.ones((2, 3), np.float32)))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=str(path)):
        load_soft_prompt(path)


@pytest.mark.parametrize(
    ("can", "dtype"),
    [({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({}, torch.float32)],
)
def test_half_precision_is_used_where_the_processor_multiplies_in_it(
    monkeypatch: pytest.MonkeyPatch, can: dict[str, bool], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can, raising=False)
    assert dtype_for("auto", "cpu") is dtype
    assert dtype_for("float32", "cpu") is torch.float32

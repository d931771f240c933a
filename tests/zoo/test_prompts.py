"""A family's file stands whole in a prompt of the embedded model, and leaves room for what that writes."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.lm.local.embedded import model_file
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.lm.rewrite import LMRewrite
from evoarch.evaluators.zoo.catalogue import load_catalogue
from evoarch.sandbox.genome import strip_prose
from kit.proposing import propose

MOST_TOKENS = 3_000
TARGETS = {"params": 4600.0, "error": 0.45}


@pytest.mark.slow
def test_each_file_is_shown_whole_within_the_tokens_of_a_prompt() -> None:
    model = model_file()
    tokenizer = AutoTokenizer.from_pretrained(str(model.parent), gguf_file=model.name)
    sizes = {}
    for family in load_catalogue().values():
        lm = ScriptedLM(["\n        pass"])
        parent = Parent(1, family.source, {"params": 5110.0, "error": 0.5})
        propose(LMRewrite(), lm, Order(1, [parent], TARGETS))
        (request,) = lm.requests
        assert request.prompt is not None
        lines = [line.strip() for line in strip_prose(family.source).splitlines()]
        missing = [line for line in lines if line not in request.prompt]
        assert not missing, f"{family.name}: {missing[:3]}"
        sizes[family.name] = len(tokenizer(request.prompt)["input_ids"])
    assert max(sizes.values()) <= MOST_TOKENS, sizes
    assert min(sizes.values()) > 100, "a tokenizer that counts nothing would let everything pass"


@pytest.mark.parametrize("chat", [False, True])
def test_a_prompt_holds_the_file_once(chat: bool) -> None:
    lm = ScriptedLM(["\n        pass"])
    parent = Parent(1, load_catalogue()["starnet"].source, {"params": 5110.0, "error": 0.5})
    propose(LMRewrite(chat=chat), lm, Order(1, [parent], TARGETS))
    request = lm.requests[0]
    text = "".join(m["content"] for m in request.messages or ()) if chat else request.prompt
    assert text is not None
    assert text.count("class Block") == 1

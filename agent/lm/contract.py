"""What every backend and every fake must do, as one importable test class.

Subclass it in a test module and give two fixtures: `runner`, an `asyncio.Runner` that lives as long as
`lm`, and `lm`, the language model.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from evoarch.agent.lm.base import LM, LMReply, LMRequest

ASK = "class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.layer = nn."


class LMContract:
    """Each test asks for a few tokens only."""

    def request(self, lm: LM, *, n: int = 1, seed: int = 1) -> LMRequest:
        """A request for `n` short samples, as the model wants it: a prompt or messages."""
        messages = ({"role": "user", "content": ASK},) if lm.chat else ()
        prompt = "" if lm.chat else ASK
        return LMRequest(prompt, messages, n=n, seed=seed, max_tokens=6, temperature=1.0)

    def ask(self, lm: LM, runner: asyncio.Runner, request: LMRequest) -> LMReply:
        """The reply to one request."""
        return runner.run(lm.complete(request))

    def test_it_has_a_name_and_its_check_passes(self, lm: LM, runner: asyncio.Runner) -> None:
        assert lm.name
        runner.run(lm.check())

    def test_it_gives_n_samples_with_a_reason_each(self, lm: LM, runner: asyncio.Runner) -> None:
        reply = self.ask(lm, runner, self.request(lm, n=3))
        assert len(reply.texts) == len(reply.finish_reasons) == 3
        assert set(reply.finish_reasons) <= {"stop", "length", "content_filter"}

    def test_it_counts_tokens_and_time(self, lm: LM, runner: asyncio.Runner) -> None:
        reply = self.ask(lm, runner, self.request(lm, n=2))
        assert reply.prompt_tokens > 0
        assert reply.completion_tokens > 0
        assert reply.seconds >= 0
        assert reply.price >= 0

    def test_calls_at_once_are_all_answered(self, lm: LM, runner: asyncio.Runner) -> None:
        async def all_at_once() -> list[LMReply]:
            requests = [self.request(lm, n=2, seed=seed) for seed in range(3)]
            return await asyncio.gather(*(lm.complete(each) for each in requests))

        assert [len(reply.texts) for reply in runner.run(all_at_once())] == [2, 2, 2]

    def test_a_cancelled_call_leaves_the_next_one_its_own_answer(
        self, lm: LM, runner: asyncio.Runner
    ) -> None:
        async def cancel_one() -> LMReply:
            task = asyncio.create_task(lm.complete(self.request(lm, n=1)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return await lm.complete(self.request(lm, n=4))

        assert len(runner.run(cancel_one()).texts) == 4

    def test_text_outside_ascii_is_fine(self, lm: LM, runner: asyncio.Runner) -> None:
        request = self.request(lm)
        if lm.chat:
            request = replace(request, messages=({"role": "user", "content": "Größe 宽度 🙂"},))
        else:
            request = replace(request, prompt="# Größe 宽度 🙂\nx =")
        assert len(self.ask(lm, runner, request).texts) == 1

"""A campaign's tuning data as lines for other models' fine-tuning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.tuning.data import TuningData, TuningExample, member_of, tuning_data
from evoarch.archive.store import Store


def exported_data(
    store: Store, config: Config, offers: Mapping[str, object], *, everyone: bool
) -> TuningData:
    """The examples that the campaign's soft prompts were trained on; with `everyone`, and where the campaign
    has no rounds, all children whose error is within the rounds' threshold.

    `offers`: the task's arguments by name. Raises UserError where there are no such children yet.
    """
    learnt = [i for event in store.events(kind="round") for i in _ids(event.detail["training"])]
    if everyone or config.rounds is None:
        limit = config.rounds.threshold if config.rounds else 1.0
        bred = [c.id for c in store.scored(sources=False) if c.operator != "seed"]
        found = {identity: member_of(store, identity) for identity in bred}
        learnt = [identity for identity, each in found.items() if each and each.error <= limit]
    if not learnt:
        raise UserError(f"{store.folder}: expected children to train on, the archive has none yet", code=1)
    return tuning_data(store, learnt, config, offers)


def json_lines(examples: Sequence[TuningExample], *, chat: bool) -> str:
    """One JSON object a line: prompt and completion, or with `chat` messages."""
    return "".join(f"{_line(each.prompt, each.completion, chat=chat)}\n" for each in examples)


def _line(prompt: str, completion: str, *, chat: bool) -> str:
    if not chat:
        return json.dumps({"prompt": prompt, "completion": completion})
    ask = f"Complete this PyTorch model file. Answer with the rest of the file alone.\n\n{prompt}"
    messages = [{"role": "user", "content": ask}, {"role": "assistant", "content": completion}]
    return json.dumps({"messages": messages})


def _ids(value: object) -> list[int]:
    return [int(each) for each in value] if isinstance(value, list | tuple) else []

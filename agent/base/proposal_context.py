"""What a proposal is told, as a value; it is written down at the draw, so that a later run asks the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from evoarch.agent.base.ordering import NOBODY, SlotSpan, Steering
from evoarch.prompts.contexts import NO_FRONT, NOTHING, Effect, Feedback, Front, Tried


@dataclass(frozen=True)
class ProposalContext:
    """All that an operator is told about the children of one draw.

    `slot`: the first child's place in the processing order, from 0. `count`: children of the draw. `table`:
    the operator's place in `[[operators]]`, from 0. `metrics`: those of each parent at the draw, by id.
    `targets`: the metrics to ask for. `temperature`: the language model's. `lm`: its name, "" where none is
    asked. `round` and `prompt` (numbers from 0) and `soft_prompt` (a digest): in campaigns with rounds only.
    `repairs`: the id of the failed child that this draw is to mend. `steering`: what a person had said.
    `feedback`: what the search had learned; `front`: its best models then. `drafts`: as SlotSpan has it. The
    last event before the draw is `Proposal.saw`.
    """

    slot: int = 0
    count: int = 1
    table: int = 0
    metrics: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 0.8
    lm: str = ""
    round: int | None = None
    prompt: int = 0
    soft_prompt: str = ""
    repairs: int | None = None
    steering: Steering = NOBODY
    feedback: Feedback = NOTHING
    drafts: int = 0
    front: Front = NO_FRONT

    @property
    def span(self) -> SlotSpan:
        """The slots that the draw fills, and by which operator."""
        return SlotSpan(self.slot, self.count, self.table, self.drafts)

    def as_json(self) -> dict[str, object]:
        """For the archive: always the same keys in the same order, without those that say nothing."""
        rounds = self.round is not None
        return {
            "slot": self.slot,
            "count": self.count,
            "table": self.table,
            **({"round": self.round, "prompt": self.prompt} if rounds else {}),
            "metrics": {str(parent): dict(found) for parent, found in self.metrics.items()},
            "targets": dict(self.targets),
            "temperature": self.temperature,
            **({"lm": self.lm} if self.lm else {}),
            **({"soft_prompt": self.soft_prompt} if rounds else {}),
            **({"repairs": self.repairs} if self.repairs is not None else {}),
            **self.steering.as_json(list(self.metrics)),
            **({"drafts": self.drafts} if self.drafts else {}),
            **({"feedback": asdict(self.feedback)} if self.feedback != NOTHING else {}),
            **({"front": asdict(self.front)} if self.front != NO_FRONT else {}),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ProposalContext:
        """Read back from a proposal of the archive; what is missing there has its default."""
        told, front = stored.get("feedback", {}), stored.get("front", {})
        return cls(
            **{key: stored[key] for key in _PLAIN if key in stored},
            metrics={int(parent): found for parent, found in stored.get("metrics", {}).items()},
            steering=Steering.from_json(stored),
            feedback=Feedback(
                tuple(Tried(**each) for each in told.get("tried", ())),
                tuple(Effect(**each) for each in told.get("effects", ())),
            ),
            front=Front(tuple(front.get("rows", ())), tuple(front.get("gaps", ()))),
        )


_PLAIN = (
    "slot",
    "count",
    "table",
    "targets",
    "temperature",
    "lm",
    "round",
    "prompt",
    "soft_prompt",
    "repairs",
    "drafts",
)
"""Keys that are stored as the fields are."""

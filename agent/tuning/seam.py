"""The seam to tuning: data in, the digest of a saved soft prompt out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from evoarch.agent.tuning.data import TuningData


@dataclass(frozen=True)
class Tuned:
    """A soft prompt that is saved under `digest`. `losses`: the training loss of each epoch; `before` and
    `after`: nats a token on what was held out, with the soft prompt it began from (or none) and with this
    one, None where nothing was held out. `seconds` of wall clock, `cpu_seconds` of the training process; of
    a training that was cut off, since it went on.
    """

    digest: str
    losses: Sequence[float]
    before: float | None
    after: float | None
    seconds: float
    cpu_seconds: float

    def as_json(self) -> dict[str, object]:
        return asdict(self)


class Tuner(Protocol):
    """Trains soft prompts. Raises LMError."""

    async def tune(self, data: TuningData, *, after: str, number: int) -> Tuned:
        """Goes on from the soft prompt `after` ("": from none). `number` names the round: a training that
        was cut off is gone on with under the same number.
        """
        ...

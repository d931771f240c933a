"""What a rung or a zero-cost filter decides of a candidate; the archive keeps the words."""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """What became of an arrival. `EXEMPT`: a seed or an audit. `AUDITED_...`: turned away, yet trained on."""

    PROMOTED = "promoted"
    STOPPED = "stopped"
    REJECTED = "rejected"
    AUDITED_STOPPED = "audited stopped"
    AUDITED_REJECTED = "audited rejected"
    EXEMPT = "exempt"

    @property
    def goes_on(self) -> bool:
        """Whether the candidate trains on after this decision."""
        return self not in (Decision.STOPPED, Decision.REJECTED)

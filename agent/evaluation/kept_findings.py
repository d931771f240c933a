"""What vetting found in a candidate that was rejected, as the archive keeps it."""

from __future__ import annotations

import re

from evoarch.archive.records import State
from evoarch.archive.store import Store
from evoarch.sandbox.outcome import Finding


def found_about(store: Store, candidate: int) -> list[str]:
    """Why a candidate was rejected, a line for each finding; of a failed one its failure, [] of any other."""
    if rows := store.relatives.findings(candidate):
        return [str(Finding(**row)) for row in rows]
    reason = store.relatives.reason(candidate)
    if store.candidate(candidate).state is State.REJECTED:
        # Archives of earlier versions have all findings as one text.
        return [each for each in _NEXT.split(reason) if each]
    return [reason] if reason else []


_NEXT = re.compile(r"; (?=\d+:\d+ )")
"""Where the next finding begins in `in_one_line`."""

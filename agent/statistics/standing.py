"""Whether a campaign is running, and how its last run ended."""

from __future__ import annotations

from pathlib import Path

from evoarch.archive.lock import is_locked
from evoarch.archive.store import Store


def standing(store: Store) -> tuple[str, str]:
    """`new`, `running`, `complete`, `stopped` or `interrupted` (it ended without saying so), and why."""
    if is_locked(Path(store.folder)):
        return "running", ""
    last = store.last_event("run", "stop")
    if last is None:
        return "new", ""
    if last.kind == "run":
        return "interrupted", "the last run ended without a word; `evoarch run` goes on from here"
    state = "complete" if last.detail.get("complete") else "stopped"
    return state, str(last.detail.get("reason", ""))

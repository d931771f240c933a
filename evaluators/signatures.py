"""The signatures of genomes that were dry-run, so that a training need not ask again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.signature import Signature
from evoarch.sandbox.outcome import ChildOutcome

KEPT = 4096
"""Genomes whose signature is kept; of others the dry run is asked again."""


class Signatures:
    """By source, the oldest forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Signature] = OrderedDict()

    def keep(self, source: str, signature: Signature | None) -> None:
        """Keeps what a dry run found."""
        if signature is not None:
            self._kept[_key(source)] = signature
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    async def of(
        self, source: str, dry_run: Callable[[str], Awaitable[DryRunPassed | ChildOutcome]]
    ) -> Signature | ChildOutcome:
        """The signature, which `dry_run` finds where it is not known; or what the dry run came to instead."""
        known = self._kept.get(_key(source))
        if known is not None:
            return known
        found = await dry_run(source)
        if not isinstance(found, DryRunPassed):
            return found
        assert found.signature is not None, "a dry run behind walls has a state"
        return found.signature


def _key(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()

"""The signatures of genomes that were dry-run, so that a training need not ask again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from evoarch.evaluators.flow import DRY_RUN_SEED, Setting
from evoarch.evaluators.signature import Signature, signature_of
from evoarch.sandbox.job import Job
from evoarch.sandbox.outcome import ChildOutcome, Finished

KEPT = 4096
"""Genomes whose signature is kept; of others it is asked again."""


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

    async def of(self, source: str, setting: Setting) -> Signature | ChildOutcome:
        """The signature, which a child without any data tells where it is not known; or what became of that
        child.
        """
        known = self._kept.get(_key(source))
        if known is not None:
            return known
        job = Job("initial_state", source, options=setting.options, seed=DRY_RUN_SEED, limits=setting.limits)
        found = await setting.runner.run(job)
        if not isinstance(found, Finished):
            return found
        self.keep(source, signature_of(found.arrays))
        return signature_of(found.arrays)


def _key(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()

"""Arrays that never change, put once into a store by their content."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evoarch.sandbox.outcome import Array

LARGE = 64 << 10
"""Bytes from which it pays not to send an array again."""


@dataclass(frozen=True)
class Stored:
    """An array that lies in the store; `ref` is the store's own name for it."""

    digest: str
    ref: Any


class Shelf:
    """What was put, by digest, as long as an array of that content lives. `put` hands one to the store."""

    def __init__(self, put: Callable[[Array], Any]) -> None:
        self._put = put
        self._digests: dict[int, str] = {}
        self._refs: dict[str, Any] = {}

    def place(self, array: Array) -> Stored | None:
        """An array of the store, for one that nobody can write over; None for others and small ones."""
        if array.flags.writeable or array.nbytes < LARGE:
            return None
        key = id(array)
        if key not in self._digests:
            self._digests[key] = _digest(array)
            weakref.finalize(array, self._forget, key)
        digest = self._digests[key]
        if digest not in self._refs:
            self._refs[digest] = self._put(array)
        return Stored(digest, self._refs[digest])

    def _forget(self, key: int) -> None:
        digest = self._digests.pop(key)
        if digest not in self._digests.values():
            self._refs.pop(digest, None)


def _digest(array: Array) -> str:
    named = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    named.update(np.ascontiguousarray(array).data.cast("B"))
    return named.hexdigest()

"""Word lists that read as text."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of `text`, which spaces and line ends part."""
    return frozenset(text.split())

"""What each template is filled with: one frozen dataclass a template, named after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Example:
    """A parent in a prompt: its text without prose and imports, under its `metrics` and a person's `note`."""

    text: str
    metrics: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True)
class Rewrite:
    """EvoPrompting's prompt: examples under their metrics, the wanted metrics, the head to complete."""

    imports: Sequence[str]
    examples: Sequence[Example]
    targets: Mapping[str, float]
    head: str


@dataclass(frozen=True)
class RewriteChat:
    """The same for an instructed model, which answers with one file. `offers` may be named by the entry."""

    imports: Sequence[str]
    examples: Sequence[Example]
    targets: Mapping[str, float]
    entry: str
    offers: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Scoped:
    """One place of a parent, for a base model: `before` is the file up to it, `lead` how it begins.

    The parent's own statement is not shown: a base model would copy it.
    """

    before: str
    metrics: Mapping[str, float]
    targets: Mapping[str, float]
    indent: str
    lead: str


@dataclass(frozen=True)
class ScopedChat:
    """One place of a parent, for an instructed model. `statement` is "" where a layer is to be added."""

    source: str
    metrics: Mapping[str, float]
    targets: Mapping[str, float]
    statement: str
    lead: str


Context = Rewrite | RewriteChat | Scoped | ScopedChat

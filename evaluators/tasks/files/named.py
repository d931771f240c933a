"""How a task names a file of the user's own: KIND:PATH, then perhaps `,key=value` as often as needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evoarch.evaluators.task import TaskError


@dataclass(frozen=True)
class NamedFile:
    """`kind`, e.g. "images"; `path` as it was written; `options` by key, as text."""

    kind: str
    path: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = [f"{key}={value}" for key, value in self.options.items()]
        return ",".join([f"{self.kind}:{self.path}", *options])

    def moved(self, folder: Path, target: Path) -> NamedFile:
        """The same, with a path that was relative to `folder` relative to `target`."""
        if Path(self.path).is_absolute():
            return self
        path = os.path.relpath((folder / self.path).resolve(), target.resolve())
        return NamedFile(self.kind, path, self.options)

    def refuse_unknown(self, known: Mapping[str, str]) -> None:
        """Raises TaskError for an option that is not among `known` (each with what it is, in words)."""
        for key in self.options:
            if key not in known:
                said = "; ".join(f"{name}=... {what}" for name, what in known.items()) or "a path alone"
                raise TaskError(f"task {self}: {key}: expected {said}")


def named_file(name: str) -> NamedFile | None:
    """What `name` says, None where it is no KIND:PATH. A path may hold commas, but for `,word=` in it."""
    kind, colon, rest = name.partition(":")
    if not colon or not kind.replace("-", "_").isidentifier():
        return None
    first, *pieces = rest.split(",")
    options: dict[str, str] = {}
    path = first
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if equals and key.isidentifier():
            options[key] = value
        elif options:
            last = next(reversed(options))
            options[last] += f",{piece}"
        else:
            path += f",{piece}"
    return NamedFile(kind, path, options)


def number_of(named: NamedFile, key: str, default: int, least: int, most: int, what: str) -> int:
    """An option that is a whole number. `what` it is and its bounds, in words. Raises TaskError."""
    said = named.options.get(key, str(default))
    if not said.isdecimal() or not least <= int(said) <= most:
        raise TaskError(f"task {named}: {key}: expected {what}, got {said!r}")
    return int(said)

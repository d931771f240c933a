"""Frozen modules: a user's own code, which travels into the walls as it is and which no child may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


class FrozenImportError(RuntimeError):
    """Frozen code can't be imported inside the walls. `place` is `file:line` of it, "" where nothing tells;
    `missing` the module that it looked for in vain, "" for any other cause.
    """

    def __init__(self, place: str, message: str, missing: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place, self.message, self.missing = place, message, missing


@dataclass(frozen=True)
class FrozenModule:
    """One file. `path` is relative to its repository, with slashes; `data` are its bytes."""

    path: str
    data: bytes
    package: bool = False


@dataclass(frozen=True)
class FrozenModules:
    """What a zygote holds of users' code, by module name.

    `entries` are imported by genomes. `opened` modules have open definitions: each child runs them itself,
    and what depends on them; all others run once, before any child is forked. `imports`: installed modules
    that frozen code may import; those that are there are loaded beforehand. `data`: files that modules read
    when they are imported, by path as `FrozenModule.path`.
    """

    modules: Mapping[str, FrozenModule] = field(default_factory=dict)
    entries: tuple[str, ...] = ()
    opened: frozenset[str] = frozenset()
    imports: tuple[str, ...] = ()
    data: Mapping[str, bytes] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """For the zygote's configuration; bytes as Latin-1 text."""
        return {
            "modules": {
                name: [m.path, m.data.decode("latin-1"), m.package] for name, m in self.modules.items()
            },
            "entries": list(self.entries),
            "opened": sorted(self.opened),
            "imports": list(self.imports),
            "data": {path: data.decode("latin-1") for path, data in self.data.items()},
        }


def merged(sets: Iterable[FrozenModules]) -> FrozenModules:
    """All of them for one zygote. Raises ValueError for two modules, or data files, of one name that
    differ.
    """
    modules: dict[str, FrozenModule] = {}
    entries: dict[str, None] = {}
    imports: dict[str, None] = {}
    opened: set[str] = set()
    data: dict[str, bytes] = {}
    for one in sets:
        for name, module in one.modules.items():
            if modules.setdefault(name, module) != module:
                raise ValueError(f"two modules of one name: {name} ({modules[name].path}, {module.path})")
        for path, content in one.data.items():
            if data.setdefault(path, content) != content:
                raise ValueError(f"two data files of one name: {path}")
        entries |= dict.fromkeys(one.entries)
        imports |= dict.fromkeys(one.imports)
        opened |= one.opened
    return FrozenModules(modules, tuple(entries), frozenset(opened), tuple(imports), data)

"""The first code inside, run as `python -P -s -S -B -c <this file> CONTROL CONFIG`: what can be imported.

The interpreter starts without site-packages. Modules of this project come from memory (only the inside
part is there), and of the installed packages only those that the controller named; so nothing else of the
user's environment can be imported, whatever the level of isolation lets the process read.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType


class Sources(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports modules from a mapping of dotted names to source text."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.files:
            return None
        package = any(name.startswith(f"{fullname}.") for name in self.files)
        return importlib.machinery.ModuleSpec(fullname, self, origin=f"<{fullname}>", is_package=package)

    def get_source(self, fullname: str) -> str:
        return self.files[fullname]


class Installed(importlib.abc.MetaPathFinder):
    """Imports the named top-level packages from their folders, and no other."""

    def __init__(self, folders: Mapping[str, Sequence[str]]) -> None:
        self.folders = folders

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is not None or fullname not in self.folders:
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, list(self.folders[fullname]), target)


def main() -> None:
    control, config_fd = int(sys.argv[1]), int(sys.argv[2])
    with os.fdopen(config_fd, "rb") as stream:
        config = json.load(stream)
    sys.meta_path.insert(0, Sources(config["files"]))
    sys.meta_path.append(Installed(config["installed"]))
    from evoarch.sandbox import zygote

    zygote.main(control, config)


if __name__ == "__main__":
    main()

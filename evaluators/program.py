"""The program that a zygote loads: the text of evaluators/inside, by module name."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from evoarch.sandbox.job import Program

PACKAGE = "evoarch.evaluators.inside"
ENTRY = f"{PACKAGE}.main"
EXPORTING = f"{PACKAGE}.deploy"


def exporting_program() -> Program:
    """The same files, with the entry that writes models for other tools."""
    return replace(inside_program(EXPORTING), warm_seconds=900.0)


def inside_program(entry: str = ENTRY) -> Program:
    """The files that run behind the wall, and their package."""
    files = {PACKAGE: ""}
    for file in resources.files(PACKAGE).iterdir():
        if file.name.endswith(".py") and file.name != "__init__.py":
            files[f"{PACKAGE}.{file.name.removesuffix('.py')}"] = file.read_text(encoding="utf-8")
    return Program(files=dict(sorted(files.items())), entry=entry)

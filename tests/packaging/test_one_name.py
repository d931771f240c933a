"""Every module has one name: a folder found by its own refuses, and no file is in the package twice."""

import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import evoarch
from kit.packages import ROOMS
from kit.paths import ROOT


@pytest.mark.parametrize("name", [*ROOMS, "agent.cli", "archive.store", "sandbox.genome"])
def test_a_room_is_not_imported_by_its_own_name(name: str) -> None:
    room = name.partition(".")[0]
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    expected = f"ImportError: expected evoarch.{room}, got {room}: import it from the package evoarch"
    assert done.stderr.splitlines()[-1] == expected


def test_no_file_of_the_package_has_two_names() -> None:
    names: dict[Path, list[str]] = {}
    for found in pkgutil.walk_packages(evoarch.__path__, "evoarch."):
        spec = importlib.util.find_spec(found.name)
        assert spec is not None
        assert spec.origin is not None
        names.setdefault(Path(spec.origin).resolve(), []).append(found.name)
    assert len(names) > 100
    assert {path: each for path, each in names.items() if len(each) > 1} == {}

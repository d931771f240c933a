"""A wheel holds exactly the rooms, their templates and seed files, and the public module."""

import subprocess
import sys
import zipfile
from pathlib import Path

from kit.paths import ROOT

ROOMS = ("agent", "archive", "evaluators", "prompts", "sandbox")
LINKS = {f"src/evoarch/{room}" for room in ROOMS}


def test_a_wheel_holds_the_rooms_and_their_data_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("evoarch-*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *ROOMS, "src/evoarch"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert names == {
        name.replace("src/", "") if name.startswith("src/") else f"evoarch/{name}"
        for name in tracked
        if name not in LINKS
    }


def test_every_public_name_is_there() -> None:
    import evoarch

    assert sorted(evoarch.__all__, key=str.lower) == sorted(set(evoarch.__all__), key=str.lower)
    for name in evoarch.__all__:
        assert hasattr(evoarch, name)


def test_no_file_is_above_four_hundred_lines() -> None:
    long = {
        path.relative_to(ROOT): lines
        for room in (*ROOMS, "tests", "benchmarks")
        for path in (ROOT / room).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long

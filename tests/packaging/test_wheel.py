"""Source archive and wheel hold exactly the rooms, their templates and seed files, and the public module."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from kit.packages import LINKS, ROOMS, backend, build, tracked, tree
from kit.paths import ROOT


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backend(tmp_path_factory.mktemp("backend"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Path:
    source = tree(tmp_path_factory.mktemp("source"))
    return build("wheel", source, tmp_path_factory.mktemp("wheel"), tools)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_holds_the_rooms_and_their_data_and_nothing_else(wheel: Path) -> None:
    assert {name for name in contents(wheel) if ".dist-info/" not in name} == {
        name.removeprefix("src/") if name.startswith("src/") else f"evoarch/{name}"
        for name in tracked()
        if name not in LINKS and "/" in name
    }


def test_the_source_archive_holds_files_for_links_and_gives_the_same_wheel(
    tmp_path: Path, wheel: Path, tools: Path
) -> None:
    source = tmp_path / "source"
    packed = build("sdist", tree(source), tmp_path / "sdist", tools)
    with tarfile.open(packed) as archive:
        assert all(member.isfile() or member.isdir() for member in archive)
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    again = build("wheel", unpacked, tmp_path / "wheel", tools)
    assert contents(again) == contents(wheel)


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

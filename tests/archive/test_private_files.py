"""What a campaign writes is its user's alone, and a link in its place harms no other file."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.compare.runs import LOG, Run, carry_out
from evoarch.agent.lm.local.soft_prompts import FOLDER as SOFT_PROMPTS
from evoarch.agent.lm.local.soft_prompts import save_soft_prompt
from evoarch.archive.errors import ArchiveError
from evoarch.archive.lock import FILE as LOCK
from evoarch.archive.lock import RunLock
from evoarch.archive.private_files import make_folder, open_private, write_whole
from evoarch.archive.schema import FILE as DATABASE
from evoarch.archive.store import create, open_archive
from evoarch.archive.weights import FOLDER as WEIGHTS
from evoarch.archive.weights import save_weights
from kit.command import new_campaign


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The umask under which every file is everybody's."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_nobody_else_reads_what_a_campaign_writes_whatever_the_umask(tmp_path: Path) -> None:
    with create(tmp_path, name="c", seed=0), RunLock(tmp_path):
        save_weights(tmp_path, 1, "full", 0, {"w": np.ones(2)})
        save_soft_prompt(tmp_path / SOFT_PROMPTS, np.ones((2, 2), np.float32))
        written = {path.relative_to(tmp_path): path.stat().st_mode for path in tmp_path.rglob("*")}
    names = {str(path) for path in written}
    expected = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK, WEIGHTS, SOFT_PROMPTS}
    assert expected <= names, names
    assert len(names) == len(expected) + 2
    for path, mode in written.items():
        assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600), path


def test_a_linked_lock_does_not_empty_what_it_names(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("precious")
    (tmp_path / LOCK).symlink_to(kept)
    with pytest.raises(ArchiveError, match=rf"{LOCK} is a symbolic link") as caught, RunLock(tmp_path):
        pass
    assert "\n" not in str(caught.value)
    assert kept.read_text() == "precious"


def test_weights_are_not_written_through_a_linked_folder(tmp_path: Path) -> None:
    elsewhere, campaign = tmp_path / "elsewhere", tmp_path / "campaign"
    elsewhere.mkdir()
    campaign.mkdir()
    (campaign / WEIGHTS).symlink_to(elsewhere)
    with pytest.raises(ArchiveError, match="weights is a symbolic link"):
        save_weights(campaign, 1, "full", 0, {"w": np.ones(2)})
    assert not list(elsewhere.iterdir())


def test_links_in_a_file_s_place_are_replaced_and_not_followed(tmp_path: Path) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "folder"
    kept.write_text("precious")
    folder.mkdir()
    for name in ("file", ".file.new"):
        (folder / name).symlink_to(kept)
    write_whole(folder / "file", b"new")
    assert (folder / "file").read_bytes() == b"new"
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert kept.read_text() == "precious"


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
@pytest.mark.parametrize("write", [True, False])
def test_a_linked_archive_is_refused_in_one_line(ending: str, write: bool, tmp_path: Path) -> None:
    real, other = tmp_path / "real", tmp_path / "other"
    create(real, name="c", seed=0).close()
    create(other, name="c", seed=0).close()
    file = other / f"{DATABASE}{ending}"
    file.unlink(missing_ok=True)
    file.symlink_to(real / DATABASE)
    before = (real / DATABASE).read_bytes()
    with pytest.raises(ArchiveError, match=rf"{file.name}: expected a file, got a symbolic link"):
        open_archive(other, write=write)
    assert (real / DATABASE).read_bytes() == before


def test_an_archive_is_not_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / DATABASE).symlink_to(tmp_path / "target")
    with pytest.raises(ArchiveError, match="expected a file, got a symbolic link"):
        create(tmp_path, name="c", seed=0)
    assert not (tmp_path / "target").exists()


def test_a_pipe_in_a_file_s_place_does_not_wait_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="expected a regular file"):
        os.close(open_private(tmp_path / "pipe", os.O_RDWR))


def test_a_linked_folder_is_refused_and_one_that_is_there_is_left(tmp_path: Path) -> None:
    make_folder(tmp_path / "one")
    make_folder(tmp_path / "one")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    with pytest.raises(OSError, match="is a symbolic link"):
        make_folder(tmp_path / "link")


def test_the_log_of_a_compared_run_is_not_written_through_a_link(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("precious")
    folder = new_campaign(tmp_path / "run")
    (folder / LOG).symlink_to(kept)
    with pytest.raises(UserError, match=rf"{LOG} is a symbolic link"):
        asyncio.run(carry_out([Run("arm", 0, folder)], 1, lambda line: None))
    assert kept.read_text() == "precious"

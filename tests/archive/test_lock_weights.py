"""The run lock, weight files and the check of the file system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evoarch.archive.errors import ArchiveError
from evoarch.archive.filesystem import wal_problem
from evoarch.archive.lock import RunLock, is_locked
from evoarch.archive.weights import load_weights, save_weights, weights_path

HOLDER = """
import subprocess, sys
from pathlib import Path
from evoarch.archive.lock import RunLock
with RunLock(Path(sys.argv[1])):
    grandchild = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    print(grandchild.pid, flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_by_name_of_the_first(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(ArchiveError, match=rf"another run holds this campaign \(pid {os.getpid()} on "):
            RunLock(tmp_path).__enter__()
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        pass


def test_sigkill_frees_the_lock_though_a_program_it_started_lives_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        grandchild = int(holder.stdout.readline())
        try:
            with pytest.raises(ArchiveError, match=f"pid {holder.pid} on"):
                RunLock(tmp_path).__enter__()
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            os.kill(grandchild, 0)
            with RunLock(tmp_path):
                assert is_locked(tmp_path)
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
        "turned": np.arange(6, dtype=np.float64).reshape(2, 3).T,
        "scalar": np.array(3, dtype=np.int64),
        "empty": np.zeros((0, 4), dtype=np.float32),
    }
    path = save_weights(tmp_path, 3, "full", 1, arrays)
    assert path == weights_path(tmp_path, 3, "full", 1) == tmp_path / "weights" / "3-full-1.safetensors"
    found = load_weights(tmp_path, 3, "full", 1)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_missing_and_torn_weights_get_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no weights can be read"):
        load_weights(tmp_path, 1, "full", 0)
    path = save_weights(tmp_path, 1, "full", 0, {"w": np.ones(8)})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ArchiveError, match="no weights can be read"):
        load_weights(tmp_path, 1, "full", 0)


MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
40 22 0:40 / /home rw shared:1 - nfs4 server:/home rw
41 40 8:2 / /home/me/local\\040disk rw - xfs /dev/sdb rw
42 22 0:50 / /scratch rw - lustre mds:/scratch rw
43 42 0:51 / /scratch rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/campaign", None),
        ("/homework/campaign", None),
        ("/home/me/campaign", "nfs4"),
        ("/home/me/local disk/campaign", None),
        ("/scratch/campaign", None),
    ],
)
def test_network_file_systems_are_named(folder: str, kind: str | None) -> None:
    problem = wal_problem(Path(folder), MOUNTS)
    if kind is None:
        assert problem is None
    else:
        assert problem is not None
        assert f"got {kind} (mounted at /home)" in problem


@pytest.mark.parametrize(
    "kind", ["nfs", "lustre", "gpfs", "beegfs", "ceph", "wekafs", "virtiofs", "fuse.gcsfuse"]
)
def test_file_systems_of_clusters_and_clouds_are_refused(kind: str) -> None:
    problem = wal_problem(
        Path("/data/campaign"), f"22 1 8:1 / / rw - ext4 a rw\n40 22 0:4 / /data rw - {kind} b rw\n"
    )
    assert problem is not None
    assert f"got {kind} (mounted at /data)" in problem


def test_the_own_mount_table_can_be_read(tmp_path: Path) -> None:
    problem = wal_problem(tmp_path)
    assert problem is None or str(tmp_path) in problem

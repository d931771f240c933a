"""Can a folder hold the archive? SQLite's write-ahead log needs shared memory, so a local file system."""

from __future__ import annotations

import re
from pathlib import Path

REMOTE = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "lustre",
        "9p",
        "gpfs",
        "beegfs",
        "ceph",
        "afs",
        "pvfs2",
        "glusterfs",
        "orangefs",
        "wekafs",
        "panfs",
        "gfs2",
        "ocfs2",
        "virtiofs",
        "vboxsf",
        "fuse.sshfs",
        "fuse.gcsfuse",
        "fuse.mount-s3",
        "fuse.blobfuse2",
        "fuse.mfs",
        "fuse.dfuse",
        "fuse.beegfs",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.juicefs",
        "fuse.ceph-fuse",
        "fuse.cephfs",
    ]
)
"""Types, as in mountinfo, on which several hosts may write or mapped pages are not shared
(https://sqlite.org/wal.html: "does not work over a network filesystem")."""


def wal_problem(folder: Path, mountinfo: str | None = None) -> str | None:
    """One line on why `folder` cannot hold an archive, None where it can.

    `mountinfo` is the text of /proc/self/mountinfo, read from there by default; without one (no Linux) there
    is nothing to go by, and the answer is None.
    """
    if mountinfo is None:
        source = Path("/proc/self/mountinfo")
        if not source.exists():
            return None
        mountinfo = source.read_text(encoding="utf-8", errors="surrogateescape")
    mount, kind = _mount_of(folder.resolve(), mountinfo)
    if kind in REMOTE:
        return (
            f"{folder}: expected a local file system for the archive's write-ahead log, got {kind}"
            f" (mounted at {mount})"
        )
    return None


def _mount_of(folder: Path, mountinfo: str) -> tuple[Path, str]:
    """The mount point that holds `folder`, and its type; of mounts over each other the last counts."""
    found = (Path("/"), "")
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        # Blanks and backslashes in a mount point are written as octal escapes.
        point = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4]))
        if folder.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = (point, right.split(" ")[0])
    return found

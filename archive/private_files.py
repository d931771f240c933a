"""How a campaign writes files: for its own user alone, whatever the umask, and through no symbolic link."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def open_private(path: Path, flags: int) -> int:
    """A descriptor of the file at `path`, opened with `flags`; made for its user alone where it is new.

    Raises OSError, also for a symbolic link and for what is no regular file.
    """
    _refuse_link(path)
    # Without blocking: a pipe in the file's place would wait for a reader for ever.
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, FILE_MODE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "expected a regular file", str(path))
    return descriptor


def make_folder(path: Path) -> None:
    """Makes the folder `path`, for its user alone, where it is not there. Its parent must be.

    Raises OSError, also for a symbolic link.
    """
    _refuse_link(path)
    with suppress(FileExistsError):
        path.mkdir(FOLDER_MODE)
    os.close(_open_folder(path))


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` durably to `path`, for its user alone, or leaves what was there. Makes its folder.

    Raises OSError, also where the folder is a symbolic link. A link in the file's place is replaced.
    """
    make_folder(path.parent)
    folder = _open_folder(path.parent)
    scratch = f".{path.name}.new"
    try:
        with suppress(FileNotFoundError):
            os.unlink(scratch, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(scratch, flags, FILE_MODE, dir_fd=folder), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:  # whatever it was: cleaned up after, then raised on
        with suppress(OSError):
            os.unlink(scratch, dir_fd=folder)
        raise
    finally:
        os.close(folder)


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _refuse_link(path: Path) -> None:
    """For the message: O_NOFOLLOW is what holds, and its own words are of "too many levels"."""
    if path.is_symlink():
        raise OSError(
            errno.ELOOP,
            f"{path.name} is a symbolic link, and a campaign writes through none; move what it names here",
            str(path),
        )

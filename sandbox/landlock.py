"""Landlock: the process that locks itself can open, bind and connect nothing more, but for named paths."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence

_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
_VERSION = 1
_PATH_BENEATH = 1
_NET_ABI = 4
_SCOPE_ABI = 6
# Rights on files by ABI, from linux/landlock.h: 1 execute..make_sym, 2 refer, 3 truncate, 5 ioctl_dev.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_RIGHTS = 0b11  # bind_tcp, connect_tcp
_SCOPES = 0b11  # abstract_unix_socket, signal
_WRITE_FILE, _READ_FILE, _READ_DIR, _IOCTL_DEV = 1 << 1, 1 << 2, 1 << 3, 1 << 15

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The kernel's Landlock ABI, 0 where there is none or it is switched off."""
    version: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    return max(version, 0)


def restrict(devices: Sequence[str] = (), reads: Sequence[str] = ()) -> None:
    """Denies this process every right that the kernel's ABI can deny. Needs no_new_privs.

    Left are: to read, write and control the files `devices`, and to read `reads` with all that is below
    them; a path that is not there, or out of reach, is passed over. Threads that start later are bound as
    well, those that run already are not. Raises OSError where Landlock is missing. What is open stays open.
    """
    version = abi()
    if not version:
        raise OSError(ctypes.get_errno(), "Landlock is not available")
    files = _FILE_RIGHTS[max(n for n in _FILE_RIGHTS if n <= version)]
    fields = [files]
    if version >= _NET_ABI:
        fields.append(_NET_RIGHTS)
    if version >= _SCOPE_ABI:
        fields.append(_SCOPES)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset failed")
    try:
        for path in devices:
            _allow(ruleset, path, (_READ_FILE | _WRITE_FILE | _IOCTL_DEV) & files)
        for path in reads:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        if _libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)):
            raise OSError(ctypes.get_errno(), "landlock_restrict_self failed")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not os.path.isdir(path):
            rights &= ~_READ_DIR
        rule = struct.pack("=Qi", rights, place)
        if _libc.syscall(_ADD_RULE, ctypes.c_int(ruleset), _PATH_BENEATH, rule, ctypes.c_uint32(0)):
            raise OSError(ctypes.get_errno(), f"landlock_add_rule failed for {path}")
    finally:
        os.close(place)

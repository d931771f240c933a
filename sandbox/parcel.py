"""Packs a job into sealed memory files, which a child maps copy-on-write."""

from __future__ import annotations

import fcntl
import os
import weakref

import numpy as np

from evoarch.sandbox import wire
from evoarch.sandbox.job import Job
from evoarch.sandbox.outcome import Array

_SHARED_BYTES = 64 << 10
_MAX_SHARED = 64


class Parcels:
    """Memory files of large arrays that never change, kept while those arrays live."""

    def __init__(self) -> None:
        self._shared: dict[int, int] = {}

    def pack(self, job: Job) -> tuple[int, list[int], int]:
        """Returns (the job's own file, which the caller closes; shared files; bytes of all inputs).

        Raises ValueError for an array whose dtype can't cross.
        """
        shared: list[int] = []
        entries: list[tuple[str, str, list[int], int, int]] = []
        blobs: list[bytes] = []
        offset = total = 0
        for name, array in job.arrays.items():
            dtype = array.dtype.name
            if dtype not in wire.DTYPES:
                raise ValueError(f"array {name!r}: expected one of {', '.join(wire.DTYPES)}, got {dtype}")
            total += array.nbytes
            shape = list(array.shape)
            if not array.flags.writeable and array.nbytes >= _SHARED_BYTES and len(shared) < _MAX_SHARED:
                shared.append(self._file_of(array))
                entries.append((name, dtype, shape, len(shared), 0))
            else:
                entries.append((name, dtype, shape, 0, offset))
                data = _bytes(array)
                blobs.append(data + b"\0" * (-len(data) % wire.ALIGN))
                offset += len(blobs[-1])
        body: dict[str, object] = {
            "function": job.function,
            "genome": job.genome,
            "options": dict(job.options),
            "seed": job.seed % 2**63,
        }
        if job.frozen:
            body["frozen"] = {"modules": dict(job.frozen.modules), "lines": dict(job.frozen.lines)}
        header = wire.pack_header({**body, "arrays": entries})
        # The header's length moves the arrays, and their offsets are in the header: reserve a round place.
        start = (len(header) + 16 * len(entries) + wire.ALIGN) // wire.ALIGN * wire.ALIGN
        moved = [(n, d, s, place, at + (0 if place else start)) for n, d, s, place, at in entries]
        header = wire.pack_header({**body, "arrays": moved})
        return _memory_file([header, b"\0" * (start - len(header)), *blobs]), shared, total

    def close(self) -> None:
        for fd in self._shared.values():
            os.close(fd)
        self._shared.clear()

    def _file_of(self, array: Array) -> int:
        key = id(array)
        if key not in self._shared:
            self._shared[key] = _memory_file([_bytes(array)])
            weakref.finalize(array, self._forget, key)
        return self._shared[key]

    def _forget(self, key: int) -> None:
        fd = self._shared.pop(key, -1)
        if fd >= 0:
            os.close(fd)


def _bytes(array: Array) -> bytes:
    little = array.dtype.newbyteorder("<")
    return np.ascontiguousarray(array, dtype=little).tobytes()


def _memory_file(parts: list[bytes]) -> int:
    fd = os.memfd_create("inputs", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(fd, rest) :]
        fcntl.fcntl(
            fd,
            fcntl.F_ADD_SEALS,
            fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE,
        )
    except BaseException:  # whatever it was: cleaned up after, then raised on
        os.close(fd)
        raise
    return fd

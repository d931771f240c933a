"""The controller's end of one zygote: start it, send it jobs, hear how they ended, and end it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO

from evoarch.sandbox import container, zygote_launch
from evoarch.sandbox.device import Device
from evoarch.sandbox.frozen import FrozenImportError, FrozenModules
from evoarch.sandbox.job import Program
from evoarch.sandbox.limits import Level
from evoarch.sandbox.mounts import SYSTEM

GRACE_SECONDS = 60.0
"""How long after a child's deadline its end may be reported, before the zygote itself counts as lost."""

_MAX_MESSAGE = 65_536


class ZygoteLostError(RuntimeError):
    """The zygote did not start, died, or no longer answers: an infrastructure fault."""


class ZygoteLink:
    """One zygote process and the jobs it has. Belongs to the event loop that started it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        channel: socket.socket,
        errors: IO[bytes],
        around: zygote_launch.Around,
    ) -> None:
        self.lost = ""
        self.refused: FrozenImportError | None = None
        self.around = around
        self._process = process
        self._channel = channel
        self._errors = errors
        self._ids = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._waiting: dict[int, asyncio.Future[Mapping[str, object]]] = {}
        self._loop.add_reader(channel.fileno(), self._read)

    @classmethod
    async def start(
        cls,
        level: Level,
        program: Program,
        packages: zygote_launch.Packages,
        preload: tuple[str, ...],
        around: zygote_launch.Around,
        devices: Sequence[Device] = (),
        frozen: FrozenModules | None = None,
    ) -> ZygoteLink:
        """Starts a zygote and waits until it is warm. Raises ZygoteLostError with what it said, and
        FrozenImportError where `frozen` can't be imported.
        """
        controller = os.getpid() if Level.LANDLOCK.at_least(level) else 0
        held = None
        if frozen and frozen.modules:
            drivers = {"files": [f for d in devices for f in d.files], "reads": [*_driver_reads(devices)]}
            held = {**frozen.as_json(), "level": level.value, **drivers}
        config = zygote_launch.config(program, packages, preload, controller, held)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the zygote
        config_fd = os.memfd_create("config")
        try:
            rest = memoryview(config)
            while rest:
                rest = rest[os.write(config_fd, rest) :]
            os.lseek(config_fd, 0, os.SEEK_SET)
            process = subprocess.Popen(
                zygote_launch.command(level, theirs.fileno(), config_fd, packages, around, devices),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                # podman needs its user's own; it gives the zygote another.
                env=None if level is Level.CONTAINER else dict(zygote_launch.ENVIRONMENT),
                cwd=os.sep,
                pass_fds=(theirs.fileno(), config_fd),
                # Ctrl-C is for the controller: it decides what its children do.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            errors.close()
            raise ZygoteLostError(f"the zygote did not start: {error}") from None
        finally:
            theirs.close()
            os.close(config_fd)
        ours.setblocking(False)
        link = cls(process, ours, errors, around)
        try:
            patience = program.warm_seconds * (5 if held else 1)
            await asyncio.wait_for(asyncio.shield(link._ready), patience)
        except TimeoutError:
            link._lose(f"the zygote was not warm after {patience:g} s")
        except BaseException:  # whatever it was: cleaned up after, then raised on
            link._lose("cancelled while it warmed up")
            await link.close()
            raise
        if link.refused:
            await link.close()
            raise link.refused
        if link.lost:
            await link.close()
            raise ZygoteLostError(link.lost)
        return link

    @property
    def pid(self) -> int:
        """The process that this link started: the zygote, or the bubblewrap or podman around it."""
        return self._process.pid

    async def run(self, request: Mapping[str, object], fds: list[int]) -> Mapping[str, object]:
        """Hands one job over; returns the zygote's report of its end. Raises ZygoteLostError."""
        number = next(self._ids)
        future: asyncio.Future[Mapping[str, object]] = self._loop.create_future()
        self._waiting[number] = future
        message = json.dumps({**request, "op": "run", "id": number}).encode()
        try:
            await self._send(message, fds)
            patience = float(str(request["wall"])) + GRACE_SECONDS
            return await asyncio.wait_for(future, patience)
        except TimeoutError:
            self._lose("the zygote stopped answering")
            raise ZygoteLostError(self.lost) from None
        except asyncio.CancelledError:
            with contextlib.suppress(OSError, ZygoteLostError):
                self._channel.send(json.dumps({"op": "kill", "id": number, "limit": "cancelled"}).encode())
            raise
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Kills the zygote; its children die with it."""
        self._lose("the zygote was closed")
        self._channel.close()
        await asyncio.to_thread(self._process.wait)
        if self.around.podman:
            # What was killed is podman's front; the zygote ends when its channel does, unless it hangs.
            await asyncio.to_thread(container.end, self.around.podman, self.around.name)
        self._errors.close()

    async def _send(self, message: bytes, fds: list[int]) -> None:
        while True:
            if self.lost:
                raise ZygoteLostError(self.lost)
            try:
                socket.send_fds(self._channel, [message], fds)
                return
            except BlockingIOError:
                # The zygote is busy forking: its queue is short by design.
                await asyncio.sleep(0.005)
            except OSError as error:
                self._lose(f"the zygote is gone: {error}")

    def _read(self) -> None:
        while not self.lost:
            try:
                data = self._channel.recv(_MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(f"the zygote is gone: {error}")
                return
            if not data:
                self._lose("the zygote is gone")
                return
            message = json.loads(data)
            if message["op"] == "ready":
                self._ready.set_result(None)
            elif message["op"] == "refused":
                self.refused = FrozenImportError(message["place"], message["message"], message["missing"])
                self._ready.set_result(None)
                return
            else:
                future = self._waiting.get(message["id"])
                if future is not None and not future.done():
                    future.set_result(message)

    def _lose(self, reason: str) -> None:
        """Ends the zygote, and with it every job that it has."""
        if self.lost:
            return
        self._loop.remove_reader(self._channel.fileno())
        self._process.kill()
        said = self._last_words()
        self.lost = f"{reason}: {said}" if said else reason
        if not self._ready.done():
            self._ready.set_result(None)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ZygoteLostError(self.lost))

    def _last_words(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 2_000))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def _driver_reads(devices: Sequence[Device]) -> Sequence[str]:
    """What children of a locked zygote may still read for their drivers."""
    return [*{path: None for device in devices for path in device.reads}, *(SYSTEM if devices else ())]

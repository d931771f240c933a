"""Serving the review application on loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from evoarch.agent.base.errors import UserError
from evoarch.agent.web.app import create_app

HOST = "127.0.0.1"


def bind(port: int) -> socket.socket:
    """A listening socket on loopback; `port` 0 takes a free one. Raises UserError where the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise UserError(
            f"--port {port}: {error.strerror}; choose another, or 0 for any free one", code=1
        ) from None
    return listening


def serve(
    folders: Sequence[Path], listening: socket.socket, ready: Callable[[], None] = lambda: None
) -> None:
    """Serves one campaign, or the list of several, until SIGINT or SIGTERM. `ready` is called when a page can
    be asked for.
    """
    if len(folders) == 1:
        app = create_app(folders[0])
    else:
        from evoarch.agent.web.many import create_many

        app = create_many(folders)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    server = _Server(config, ready)
    server.run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()

"""Several campaigns in one application: their list, and each campaign's own pages below `/c/N`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from evoarch.agent.base.errors import UserError
from evoarch.agent.web.app import create_app, guards, static_files
from evoarch.agent.web.campaigns import Campaigns
from evoarch.archive.errors import ArchiveError


class Lazy:
    """A campaign's application, made when it is first asked for: its overview takes a moment."""

    def __init__(self, folder: Path, root: str) -> None:
        self._folder, self._root = folder, root
        self._lock = threading.Lock()
        self._app: ASGIApp | None = None

    def _made(self) -> ASGIApp:
        with self._lock:
            self._app = self._app or create_app(self._folder, self._root)
            return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the campaign's own application; one line where it can not be read."""
        try:
            app = await run_in_threadpool(self._made)
        except (ArchiveError, UserError) as error:
            app = PlainTextResponse(str(error), status_code=503)
        await app(scope, receive, send)


def create_many(folders: Sequence[Path]) -> Starlette:
    """The application that shows several campaigns, under the same guards as that of one."""
    campaigns = Campaigns(folders)

    def index(request: Request) -> Response:
        return HTMLResponse(campaigns.page())

    def curves(request: Request) -> Response:
        return JSONResponse(campaigns.curves())

    def events(request: Request) -> Response:
        return JSONResponse(campaigns.events())

    def unreadable(request: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), status_code=503)

    mounts = [Mount(f"/c/{place}", Lazy(folder, f"/c/{place}")) for place, folder in enumerate(folders)]
    return Starlette(
        routes=[
            Route("/", index),
            Route("/api/curves", curves),
            Route("/events", events),
            *mounts,
            Mount("/static", static_files()),
        ],
        middleware=guards(),
        exception_handlers={ArchiveError: unreadable, UserError: unreadable},
    )

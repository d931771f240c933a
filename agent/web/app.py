"""The review application: routes, what a request must prove, and the headers that every answer carries.

Covered: generated code is escaped (autoescape, and a policy that runs no inline script), another site can
neither read a page (Host check against DNS rebinding) nor send a verdict (a token of this process in a
header, which no cross-origin form can set). Not covered: other people with an account on this machine can
open the port.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from evoarch.agent.base.errors import UserError
from evoarch.agent.web.pages import Missing, Pages
from evoarch.agent.web.writing import TOKEN_HEADER, Refused, on_line, verdict_of, written
from evoarch.archive.errors import ArchiveError
from evoarch.archive.filters import FilterError
from evoarch.archive.store import open_archive

__all__ = ["HEADERS", "TOKEN_HEADER", "create_app", "guards", "static_files"]

HOSTS = ("127.0.0.1", "localhost")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guarded(BaseHTTPMiddleware):
    """Sets the headers of every answer, refusals too."""

    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """The answer of `call_next`, with HEADERS."""
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response


def guards() -> list[Middleware]:
    """What every request goes through: the headers, and the check of the host's name."""
    return [
        Middleware(Guarded),
        Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
    ]


def static_files() -> StaticFiles:
    """Scripts and styles of the pages, and what they share with the report."""
    folder = Path(__file__).parent / "static"
    return StaticFiles(directory=folder, packages=[("evoarch.agent.report", "static")])


def create_app(folder: Path, root: str = "") -> Starlette:
    """The application that shows the campaign in `folder`. Each has a token of its own. `root`: the path
    that it is mounted at.
    """
    token = secrets.token_urlsafe(32)
    pages = Pages(folder, token, root)
    return Starlette(
        routes=[
            *_lists(pages),
            *_candidates(pages, folder),
            *_pictures(pages),
            *_verdicts(pages, folder, token),
            Mount("/static", static_files()),
        ],
        middleware=guards(),
        exception_handlers=_problems(pages),
    )


def _lists(pages: Pages) -> list[Route]:
    """The pages of many candidates."""

    def overview(request: Request) -> Response:
        return HTMLResponse(pages.overview(dict(request.query_params)))

    def candidates(request: Request) -> Response:
        return HTMLResponse(pages.candidates(dict(request.query_params)))

    def candidates_csv(request: Request) -> Response:
        headers = {"Content-Disposition": 'attachment; filename="candidates.csv"'}
        text = pages.candidates_csv(dict(request.query_params))
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    def failures(request: Request) -> Response:
        return HTMLResponse(pages.failures(request.query_params.get("q", "")))

    def queue(request: Request) -> Response:
        return HTMLResponse(pages.queue(dict(request.query_params)))

    def events(request: Request) -> Response:
        return JSONResponse(pages.events())

    return [
        Route("/", overview),
        Route("/candidates", candidates),
        Route("/candidates.csv", candidates_csv),
        Route("/failures", failures),
        Route("/queue", queue),
        Route("/events", events),
    ]


def _candidates(pages: Pages, folder: Path) -> list[Route]:
    """The pages of one candidate, or of a few."""

    def candidate(request: Request) -> Response:
        return HTMLResponse(pages.candidate(request.path_params["identity"]))

    def source(request: Request) -> Response:
        with open_archive(folder, write=False) as store:
            return PlainTextResponse(pages.find(store, request.path_params["identity"]).source)

    def lineage(request: Request) -> Response:
        return HTMLResponse(pages.lineage(request.path_params.get("identity")))

    def compare(request: Request) -> Response:
        return HTMLResponse(pages.compare(request.query_params.getlist("ids")))

    return [
        Route("/candidates/{identity:int}", candidate),
        Route("/candidates/{identity:int}/source", source),
        Route("/lineage", lineage),
        Route("/lineage/{identity:int}", lineage),
        Route("/compare", compare),
    ]


def _pictures(pages: Pages) -> list[Route]:
    """Pages that a script draws, and the numbers that it draws."""

    def tree(request: Request) -> Response:
        return HTMLResponse(pages.tree())

    def parallel(request: Request) -> Response:
        return HTMLResponse(pages.parallel(dict(request.query_params)))

    def population(request: Request) -> Response:
        return Response(pages.population(), media_type="application/json")

    def parallel_data(request: Request) -> Response:
        return JSONResponse(pages.parallel_data(dict(request.query_params)))

    def curves(request: Request) -> Response:
        return JSONResponse(pages.curves(request.query_params.getlist("ids")))

    return [
        Route("/tree", tree),
        Route("/parallel", parallel),
        Route("/api/population", population),
        Route("/api/parallel", parallel_data),
        Route("/api/curves", curves),
    ]


def _verdicts(pages: Pages, folder: Path, token: str) -> list[Route]:
    """What writes; each asks for the token."""

    async def verdict(request: Request) -> Response:
        identity = request.path_params["identity"]

        def store_one(said: Mapping[str, object]) -> Mapping[str, object]:
            kind, text = verdict_of(said)
            with open_archive(folder, write=True) as store:
                source = pages.find(store, identity).source
                if (line := said.get("line")) is not None and kind == "note":
                    text = on_line(source, line, text)
                store.verdicts.add(identity, kind, text)
            return {"stored": kind}

        return await written(request, token, store_one)

    async def undo(request: Request) -> Response:
        identity = request.path_params["identity"]

        def take_back(_: Mapping[str, object]) -> Mapping[str, object]:
            with open_archive(folder, write=True) as store:
                pages.find(store, identity)
                try:
                    return {"withdrawn": store.verdicts.withdraw(identity).kind}
                except ArchiveError as error:
                    raise Refused(str(error), 409) from None

        return await written(request, token, take_back)

    async def batch(request: Request) -> Response:
        return await written(request, token, lambda said: _judge_all(pages, folder, said))

    return [
        Route("/candidates/{identity:int}/verdict", verdict, methods=["POST"]),
        Route("/candidates/{identity:int}/undo", undo, methods=["POST"]),
        Route("/queue/verdicts", batch, methods=["POST"]),
    ]


def _judge_all(pages: Pages, folder: Path, said: Mapping[str, object]) -> Mapping[str, object]:
    """One verdict on all that wait and fit a filter, as many as the page showed."""
    kind, _ = verdict_of(said)
    if kind not in ("approve", "veto"):
        raise Refused(f"expected approve or veto for many at once, got {kind}", 400)
    with open_archive(folder, write=True) as store, store.transaction():
        ids = pages.waiting(store, str(said.get("where", "")))
        if said.get("count") != len(ids):
            message = f"the page showed {said.get('count')}, now {len(ids)} wait; look again"
            raise Refused(message, 409)
        for identity in ids:
            store.verdicts.add(identity, kind)
    return {"stored": f"{kind} of {len(ids)}"}


def _problems(pages: Pages) -> Mapping[Any, Callable[[Request, Exception], Response]]:
    """How what goes wrong is told, by its kind."""

    def told(status: int) -> Callable[[Request, Exception], Response]:
        return lambda _, error: HTMLResponse(pages.problem(str(error)), status_code=status)

    def broken(request: Request, error: Exception) -> Response:
        # Answered outside of all middleware, so with the headers here; the server logs the error itself.
        text = pages.problem("this page can not be shown; the terminal of `evoarch review` says why")
        return HTMLResponse(text, status_code=500, headers=HEADERS)

    return {
        Missing: told(404),
        FilterError: told(400),
        ArchiveError: told(503),
        UserError: told(503),
        Exception: broken,
    }

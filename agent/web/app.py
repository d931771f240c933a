"""The review application: routes, what a request must prove, and the headers that every answer carries.

Covered: generated code is escaped (autoescape, and a policy that runs no inline script), another site can
neither read a page (Host check against DNS rebinding) nor send a verdict (a token of this process in a
header, which no cross-origin form can set). Not covered: other people with an account on this machine can
open the port.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from evoarch.agent.base.errors import UserError
from evoarch.agent.web.pages import Missing, Pages
from evoarch.archive.errors import ArchiveError
from evoarch.archive.filters import FilterError
from evoarch.archive.records import VerdictKind
from evoarch.archive.store import open_archive
from evoarch.archive.verdicts import KINDS

HOSTS = ("127.0.0.1", "localhost")
TOKEN_HEADER = "x-evoarch-token"
MOST_BODY = 20_000
"""Bytes of a verdict's request."""

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


def create_app(folder: Path) -> Starlette:
    """The application that shows the campaign in `folder`. Each has a token of its own."""
    token = secrets.token_urlsafe(32)
    pages = Pages(folder, token)

    def overview(request: Request) -> Response:
        return HTMLResponse(pages.overview(dict(request.query_params)))

    def candidates(request: Request) -> Response:
        return HTMLResponse(pages.candidates(dict(request.query_params)))

    def candidate(request: Request) -> Response:
        return HTMLResponse(pages.candidate(request.path_params["identity"]))

    def lineage(request: Request) -> Response:
        return HTMLResponse(pages.lineage(request.path_params.get("identity")))

    def candidates_csv(request: Request) -> Response:
        headers = {"Content-Disposition": 'attachment; filename="candidates.csv"'}
        text = pages.candidates_csv(dict(request.query_params))
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    def compare(request: Request) -> Response:
        return HTMLResponse(pages.compare(request.query_params.getlist("ids")))

    def failures(request: Request) -> Response:
        return HTMLResponse(pages.failures(request.query_params.get("q", "")))

    def queue(request: Request) -> Response:
        return HTMLResponse(
            pages.queue(request.query_params.get("page", "1"), request.query_params.get("at", ""))
        )

    def events(request: Request) -> Response:
        return JSONResponse(pages.events())

    async def verdict(request: Request) -> Response:
        refused = _refusal(request, token)
        if refused:
            return JSONResponse({"error": refused}, status_code=403)
        body = await request.body()
        if len(body) > MOST_BODY:
            return JSONResponse({"error": f"expected at most {MOST_BODY} bytes"}, status_code=413)
        try:
            said = json.loads(body)
            kind, text = said["kind"], str(said.get("text", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return JSONResponse({"error": 'expected {"kind": ..., "text": ...}'}, status_code=400)
        if kind not in KINDS or (kind == "note" and not text.strip()):
            expected = f"expected one of {', '.join(KINDS)}, a note with its text"
            return JSONResponse({"error": expected}, status_code=400)
        try:
            # A run may hold the archive for a moment; the other pages do not wait with this one.
            await run_in_threadpool(store_verdict, request.path_params["identity"], kind, text.strip())
        except Missing as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        except ArchiveError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        return JSONResponse({"stored": kind})

    def store_verdict(identity: int, kind: VerdictKind, text: str) -> None:
        with open_archive(folder, write=True) as store:
            pages.find(store, identity)
            store.verdicts.add(identity, kind, text)

    def missing(request: Request, error: Exception) -> Response:
        return HTMLResponse(pages.problem(str(error)), status_code=404)

    def misread(request: Request, error: Exception) -> Response:
        return HTMLResponse(pages.problem(str(error)), status_code=400)

    def unreadable(request: Request, error: Exception) -> Response:
        return HTMLResponse(pages.problem(str(error)), status_code=503)

    def broken(request: Request, error: Exception) -> Response:
        # Answered outside of all middleware, so with the headers here; the server logs the error itself.
        text = pages.problem("this page can not be shown; the terminal of `evoarch review` says why")
        return HTMLResponse(text, status_code=500, headers=HEADERS)

    static = StaticFiles(
        directory=Path(__file__).parent / "static", packages=[("evoarch.agent.report", "static")]
    )
    return Starlette(
        routes=[
            Route("/", overview),
            Route("/candidates", candidates),
            Route("/candidates.csv", candidates_csv),
            Route("/candidates/{identity:int}", candidate),
            Route("/candidates/{identity:int}/verdict", verdict, methods=["POST"]),
            Route("/lineage", lineage),
            Route("/lineage/{identity:int}", lineage),
            Route("/compare", compare),
            Route("/failures", failures),
            Route("/queue", queue),
            Route("/events", events),
            Mount("/static", static),
        ],
        middleware=[
            Middleware(Guarded),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
        ],
        exception_handlers={
            Missing: missing,
            FilterError: misread,
            ArchiveError: unreadable,
            UserError: unreadable,
            Exception: broken,
        },
    )


def _refusal(request: Request, token: str) -> str:
    """Why this request may not write, or ""."""
    given = request.headers.get(TOKEN_HEADER, "")
    if not secrets.compare_digest(given.encode(), token.encode()):
        return f"expected this page's own token in {TOKEN_HEADER}; reload the page"
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host', '')}":
        return f"expected the page's own origin, got {origin}"
    return ""

"""Requests that write: what they must prove, what they say, and how a refusal is told."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from evoarch.agent.web.pages import Missing
from evoarch.archive.errors import ArchiveError
from evoarch.archive.filters import FilterError
from evoarch.archive.records import VerdictKind
from evoarch.archive.verdicts import KINDS, line_note
from evoarch.sandbox.visible import visible

TOKEN_HEADER = "x-evoarch-token"
MOST_BODY = 20_000
"""Bytes of a request."""


class Refused(Exception):  # noqa: N818 - it reads as what it says
    """What was asked for is not done; `status` as HTTP has it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def verdict_of(said: Mapping[str, object]) -> tuple[VerdictKind, str]:
    """Kind and text of a verdict. Raises Refused where it is none."""
    kind, text = said.get("kind"), str(said.get("text", "")).strip()
    if kind not in KINDS or (kind == "note" and not text):
        raise Refused(f"expected one of {', '.join(KINDS)}, a note with its text", 400)
    return cast(VerdictKind, kind), text


def on_line(source: str, line: object, text: str) -> str:
    """`text` as a note on that line of `source`. Raises Refused where there is none."""
    try:
        return line_note(visible(source), int(str(line)), text)
    except ValueError:
        raise Refused(f"line: expected a number, got {str(line)[:20]}", 400) from None
    except ArchiveError as error:
        raise Refused(str(error), 400) from None


async def written(
    request: Request, token: str, act: Callable[[Mapping[str, object]], Mapping[str, object]]
) -> Response:
    """The answer of `act` to what the request says, as JSON; refused without the page's own token and origin.

    `act` runs in a thread: a run may hold the archive for a moment, and the other pages do not wait with it.
    """
    if refused := _refusal(request, token):
        return JSONResponse({"error": refused}, status_code=403)
    body = await request.body()
    if len(body) > MOST_BODY:
        return JSONResponse({"error": f"expected at most {MOST_BODY} bytes"}, status_code=413)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return JSONResponse({"error": 'expected {"kind": ..., "text": ...}'}, status_code=400)
    try:
        return JSONResponse(await run_in_threadpool(act, said))
    except Refused as error:
        return JSONResponse({"error": str(error)}, status_code=error.status)
    except FilterError as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    except Missing as error:
        return JSONResponse({"error": str(error)}, status_code=404)
    except ArchiveError as error:
        return JSONResponse({"error": str(error)}, status_code=503)


def _refusal(request: Request, token: str) -> str:
    """Why this request may not write, or ""."""
    given = request.headers.get(TOKEN_HEADER, "")
    if not secrets.compare_digest(given.encode(), token.encode()):
        return f"expected this page's own token in {TOKEN_HEADER}; reload the page"
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host', '')}":
        return f"expected the page's own origin, got {origin}"
    return ""

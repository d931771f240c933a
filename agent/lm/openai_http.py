"""The HTTP client below the openai client: it bounds each attempt, and counts what may be charged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpx2
import openai


@dataclass
class Attempts:
    """`open`: requests of one call that a server may have counted, and that gave no answer so far."""

    open: int = 0


UNSENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.LocalProtocolError,
    httpx2.UnsupportedProtocol,
)
"""Errors after which no server has seen the request."""

MOST_BYTES = 16 << 20
"""Bytes of an answer after decompression: 64 samples of a long context stay far below."""

_COUNT: ContextVar[Attempts | None] = ContextVar("attempts", default=None)


@contextmanager
def counted() -> Iterator[Attempts]:
    """Counts what is sent within, by this task."""
    attempts = Attempts()
    token = _COUNT.set(attempts)
    try:
        yield attempts
    finally:
        _COUNT.reset(token)


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """Gives an attempt `seconds` from its first byte to the last of its answer: a body that trickles never
    trips the client's own timeout, which starts again with each byte.

    An answer longer than MOST_BYTES is a ReadError: a few packed megabytes may unpack to gigabytes.

    An attempt counts as open unless its server was never reached or refused it (below 500). Who reads an
    answer closes it.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(timeout=seconds)
        self._seconds = seconds

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As httpx2.AsyncClient.send, bounded in time and size."""
        attempts = _COUNT.get() or Attempts()
        attempts.open += 1
        try:
            async with asyncio.timeout(self._seconds):
                response = await super().send(request, **{**options, "stream": True})
                if not options.get("stream"):
                    await _read(response, request)
        except UNSENT:
            attempts.open -= 1
            raise
        except TimeoutError:
            raise httpx2.ReadTimeout(f"no answer within {self._seconds:g} s", request=request) from None
        if 300 <= response.status_code < 500:
            attempts.open -= 1
        return response


async def _read(response: httpx2.Response, request: httpx2.Request) -> None:
    """Reads the whole body, as the client does where nothing is streamed. Raises httpx2.ReadError."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise httpx2.ReadError(f"an answer of more than {MOST_BYTES >> 20} MiB", request=request)
    finally:
        await response.aclose()
    response._content = b"".join(parts)

"""What tests of language models begin with."""

import asyncio
from collections.abc import Iterator

import pytest

from kit.openai_server import KEY, Server, serving


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """What LMContract wants beside a model."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on loopback, whose key is where `settings` says."""
    monkeypatch.setenv("TEST_KEY", KEY)
    with serving(Server()) as server:
        yield server

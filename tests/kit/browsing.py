"""The review page in a real headless Chromium: the server of a folder, and a page that no error may touch."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from kit.command import SCRIPT

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 30_000
"""Milliseconds that an expected change may take on a busy machine; it is waited for, not slept."""
expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium_browser() -> Iterator[Browser]:
    """Debian's Chromium; a test fails where it is missing."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("these tests need Debian's Chromium: apt-get install -y --no-install-recommends chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def reviewed(*folders: Path) -> Iterator[str]:
    """`evoarch review` of folders; its address."""
    command = [SCRIPT, "review", *map(str, folders), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert "ssh -L" in server.stdout.readline()
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, line
            yield found[0]
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)


@contextmanager
def opened(browser: Browser, address: str, **settings: object) -> Iterator[Page]:
    """A page that fails the test on any console error, script error, or request beyond this address."""
    context = browser.new_context(base_url=address, **settings)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []
    page.on(
        "console", lambda m: wrong.append(f"console: {m.text}") if m.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on(
        "request",
        lambda r: (
            None
            if f"http://{urlsplit(r.url).netloc}" == address or r.url == "data:,"
            else wrong.append(r.url)
        ),
    )
    try:
        yield page
    finally:
        context.close()
    assert wrong == [], wrong

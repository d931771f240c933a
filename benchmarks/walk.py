"""The walk of docs/review.md in headless Chromium, timed, with a picture of each answer.

    python -m benchmarks.walk FOLDER [--into docs/img]

FOLDER is a finished campaign; a copy of it is walked through, in which ten more children wait for a person.
Prints of each question the clicks and keys that it took, and the seconds until the answer was on the screen:
those of the page, since a person reads and thinks besides.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from benchmarks.screenshots import FLAGS, MOST_BYTES
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from evoarch.agent.statistics.front import elites
from evoarch.archive.store import open_archive

WAITING = 10
expect.set_options(timeout=60_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--into", type=Path, default=Path("docs/img"))
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "walked"
        shutil.copytree(arguments.folder, folder, ignore=shutil.ignore_patterns("weights", "run.lock"))
        hold(folder)
        command = [str(Path(sys.executable).parent / "evoarch"), "review", str(folder), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                found = re.search(r"http://[\d.:]+", server.stdout.readline())
                assert found
                walk(found[0], arguments.into)
            finally:
                server.send_signal(signal.SIGINT)


def hold(folder: Path) -> None:
    """Lets ten children of the best one wait: it with another comment each, which is no duplicate to hold."""
    from evoarch.agent.config.load import load

    with open_archive(folder, write=True) as store:
        best = min(elites(store, load(folder)), key=lambda c: c.metrics["error"]).id
        source = store.candidate(best).source
        for number in range(WAITING):
            (draft,) = store.draw("syntactic.mutate", [best], 1, {})
            store.arrive(draft.candidate, f"{source}\nWAITS = {number}\n", f"waits {number}")
            store.start(draft.candidate)
            store.hold(draft.candidate)


def walk(address: str, into: Path) -> None:
    """Asks the five questions one after the other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 860})
        page.set_default_timeout(60_000)
        page.goto(address)
        for number, (question, answer) in enumerate(QUESTIONS.items(), 1):
            began = time.perf_counter()
            hands = answer(page)
            seconds = time.perf_counter() - began
            target = into / f"walk-{number}.png"
            page.screenshot(path=target)
            Image.open(target).convert("RGB").quantize(128).save(target, optimize=True)
            size = target.stat().st_size
            if size > MOST_BYTES:
                sys.exit(f"{target}: expected at most {MOST_BYTES} bytes, got {size}")
            print(f"{question:40} {hands:24} {seconds:5.1f} s (load {psutil.getloadavg()[0]:.0f})")
        browser.close()


def who_is_best(page: Page) -> str:
    page.get_by_role("link", name="Overview").click()
    found = page.get_by_text("Lowest error", exact=False).first
    expect(found).to_be_visible()
    found.evaluate("element => element.scrollIntoView({block: 'center'})")
    return "1 click"


def what_made_it_better(page: Page) -> str:
    page.get_by_role("link", name="Lineage").click()
    page.get_by_role("link", name="The whole population as a tree").click()
    page.locator("#population canvas").first.wait_for()
    steps = page.locator("ol.steps").first
    expect(steps.locator("li").nth(1)).to_be_visible()
    steps.evaluate("element => element.scrollIntoView({block: 'center'})")
    return "2 clicks"


def against_the_seed(page: Page) -> str:
    page.locator("ol.steps").first.locator("li").last.get_by_role("link").first.click()
    page.locator("#verdict-of-numbers").wait_for()
    page.get_by_role("link", name="compare with its seed").click()
    expect(page.locator("h1")).to_have_text("Compare")
    return "2 clicks"


def what_fails(page: Page) -> str:
    page.get_by_role("link", name="Failures").click()
    page.locator("table").last.get_by_role("link").first.click()
    expect(page.locator("#list tbody tr").first).to_be_visible()
    return "2 clicks"


def decide_on_ten(page: Page) -> str:
    page.get_by_role("link", name=re.compile("^Queue")).click()
    head = page.locator("#card h2")
    keys = "avavavavap"
    for place, key in enumerate(keys):
        expect(head).to_contain_text(f"1 of {WAITING - place}")
        page.wait_for_load_state("load")
        page.keyboard.press(key)
    expect(page.locator("main")).to_contain_text("Nothing waits for you")
    # The last one is taken back, so that the picture has a card.
    page.wait_for_load_state("load")
    page.keyboard.press("u")
    expect(head).to_contain_text("1 of 1")
    return f"1 click, {len(keys) + 1} keys"


QUESTIONS: dict[str, Callable[[Page], str]] = {
    "who is best, and is it real": who_is_best,
    "what made it better": what_made_it_better,
    "compare it with the seed": against_the_seed,
    "what fails most, and why": what_fails,
    "decide on ten that wait": decide_on_ten,
}
"""Each by what is to be done on the page; it returns the clicks and keys."""


if __name__ == "__main__":
    main()

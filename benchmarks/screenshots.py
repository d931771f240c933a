"""Screenshots of the review page of a real campaign, for README.md and docs/review.md.

python benchmarks/screenshots.py [FOLDER] [--into docs/img]

Without FOLDER it takes those of `demo`, which `make demo` runs, into a scratch folder, as a check.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from evoarch.agent.config.load import load
from evoarch.agent.statistics.front import elites
from evoarch.archive.store import open_archive

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
MOST_BYTES = 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--into", type=Path, default=Path("docs/img"))
    arguments = parser.parse_args()
    if arguments.folder is None and not Path("demo/archive.db").exists():
        print("no campaign in demo: `make demo` runs one")
        return
    into = arguments.into if arguments.folder else Path(tempfile.mkdtemp())
    folder = arguments.folder or Path("demo")
    into.mkdir(parents=True, exist_ok=True)
    with open_archive(folder, write=False) as store:
        front = elites(store, load(folder))
    # The deepest elite has the most to show; of equals the better one.
    shown = max(front, key=lambda c: (c.generation, -c.metrics["error"])).id
    command = [str(Path(sys.executable).parent / "evoarch"), "review", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://[\d.:]+", server.stdout.readline())
        assert found
        try:
            take(found[0], shown, into)
        finally:
            server.send_signal(signal.SIGINT)


def take(address: str, shown: int, into: Path) -> None:
    """One picture per view; the candidate's is cut to what fits on a page."""
    views = {
        "overview": ("/", 1200, 860, "light"),
        "candidates": ("/candidates?sort=error", 1200, 640, "light"),
        "candidate": (f"/candidates/{shown}", 1200, 1500, "light"),
        "lineage": ("/lineage", 1000, 560, "dark"),
        "narrow": ("/", 400, 860, "dark"),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, (path, width, height, scheme) in views.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(address + path)
            target = into / f"{name}.png"
            page.screenshot(path=target)
            page.close()
            # 128 colours are enough for a page, and a third of the bytes.
            Image.open(target).convert("RGB").quantize(128).save(target, optimize=True)
            size = target.stat().st_size
            print(f"{target} {size:,} bytes")
            if size > MOST_BYTES:
                sys.exit(f"{target}: expected at most {MOST_BYTES} bytes, got {size}")
        browser.close()


if __name__ == "__main__":
    main()

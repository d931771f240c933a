"""How fast the review page answers on a large archive, how fast a browser follows a hand, and whether the
server's memory stays flat.

    python -m benchmarks.review [--candidates 50000] [--folder FOLDER] [--rounds 70] [--no-browser]

Prints the median and the slowest of each view in milliseconds as the client sees them, of each action in
headless Chromium until the next picture is drawn, and the server's resident memory before and after; beside
each the CPU time that it took, of the server or of the browser, which other work on the cores does not
change much: on idle cores it is about what the client waits. Exit code 1 where a view's first answer is
above LIMIT, an action's median above LIMIT_ACTION, or memory grew.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
from benchmarks.screenshots import FLAGS
from benchmarks.synthetic import write
from playwright.sync_api import sync_playwright

LIMIT = 300.0
"""Milliseconds for the first view, a filtered list page, and a candidate."""
LIMIT_ACTION = 100.0
"""Milliseconds from an action of the hand to the next picture."""
ROUNDS = 70
TRIES = 11
"""Times of each action."""
GROWTH = 1.15
"""Resident memory may grow by this factor over all rounds."""

VIEWS = {
    "overview (first view)": "/",
    "list": "/candidates",
    "list, filtered and sorted": "/candidates?state=scored&operator=lm.scoped&sort=error",
    "list, by a filter": "/candidates?q=error%3C0.3+op%3Alm*+-depth%3D0&sort=params",
    "list, by cost": "/candidates?sort=cpu_seconds&way=down",
    "list, deep page": "/candidates?page=900",
    "search in source, common": "/candidates?text=gelu&sort=error",
    "search in source, absent": "/candidates?text=nn.GRU",
    "candidate": "/candidates/{last}",
    "failures": "/failures",
    "lineage of a candidate": "/lineage/{last}",
    "lineage of the front": "/lineage",
    "tree": "/tree",
    "parallel coordinates": "/parallel",
    "population, as numbers": "/api/population",
}

DRAWN = "await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));"
"""Until what was changed is drawn."""

ACTIONS = {
    "frame": ("/", """
        const box = document.querySelector(".canvas").getBoundingClientRect();
        const [left, top] = [(x) => box.left + x * box.width, (y) => box.top + y * box.height];
        const at = (x, y) => ({ bubbles: true, button: 0, clientX: left(x), clientY: top(y) });
        const canvas = document.querySelector(".canvas");
        canvas.dispatchEvent(new PointerEvent("pointerdown", at(0.2, 0.2)));
        canvas.dispatchEvent(new PointerEvent("pointermove", at(0.5 + round / 100, 0.7)));
        window.dispatchEvent(new PointerEvent("pointerup", at(0.5 + round / 100, 0.7)));"""),
    "as of evaluation k": ("/", """
        const slider = document.querySelector("#explore [name=k]");
        slider.value = String(Math.round(slider.max * (0.5 + round / 50)));
        slider.dispatchEvent(new Event("input", { bubbles: true }));"""),
    "other axis": ("/", """
        const box = document.querySelector("#explore [name=ylog]");
        box.checked = !box.checked;
        box.dispatchEvent(new Event("input", { bubbles: true }));"""),
    "hover in the tree": ("/tree", """
        const place = document.querySelector(".canvas");
        const box = place.getBoundingClientRect();
        const [x, y] = [box.left + box.width * (0.2 + round / 40), box.top + box.height * 0.6];
        place.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX: x, clientY: y }));"""),
}  # fmt: skip
"""By name: a page, and the script of one action; `round` counts from 0."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="an archive made by synthetic.py; made anew without")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--no-browser", action="store_true", help="answers alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch) / "synthetic"
        if not (folder / "archive.db").exists():
            write(folder, arguments.candidates)
        sys.exit(measure(folder, arguments))


def measure(folder: Path, arguments: argparse.Namespace) -> int:
    """0 where every view and action is within its limit and memory is flat, else 1."""
    command = [str(Path(sys.executable).parent / "evoarch"), "review", str(folder), "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://[\d.:]+", server.stdout.readline())
            assert found
            ready, spent = time.perf_counter() - began, _cpu(psutil.Process(server.pid))
            print(
                f"ready after {ready:.1f} s, {spent / 1000:.1f} s of CPU; load {psutil.getloadavg()[0]:.1f}"
            )
            failed = _views(found[0], server.pid, arguments)
            return failed if arguments.no_browser else failed | _actions(found[0])
        finally:
            server.send_signal(signal.SIGINT)


def _views(address: str, pid: int, arguments: argparse.Namespace) -> int:
    slow, candidates, rounds, server = 0, arguments.candidates, arguments.rounds, psutil.Process(pid)
    # Each view once for the first answers, which count; then all again for the medians and the memory.
    first = {name: _get(address + view.format(last=candidates)) for name, view in VIEWS.items()}
    before = _resident(pid)
    times: dict[str, list[float]] = {name: [] for name in VIEWS}
    spent = dict.fromkeys(VIEWS, 0.0)
    for _ in range(rounds):
        for name, view in VIEWS.items():
            spent[name] -= _cpu(server)
            times[name].append(_get(address + view.format(last=candidates)))
            spent[name] += _cpu(server)
    after = _resident(pid)
    for name in VIEWS:
        slow += first[name] > LIMIT
        print(f"{name:28} first {first[name]:6.0f} ms, median {statistics.median(times[name]):6.0f} ms, "
              f"slowest {max(times[name]):6.0f} ms, CPU {spent[name] / rounds:4.0f} ms")  # fmt: skip
    print(f"resident memory {before >> 20} MiB, after {rounds * len(VIEWS)} requests {after >> 20} MiB")
    return int(slow > 0 or after > before * GROWTH)


def _actions(address: str) -> int:
    slow = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, (path, action) in ACTIONS.items():
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            began = time.perf_counter()
            page.goto(address + path)
            page.locator(".canvas canvas").first.wait_for()
            page.evaluate(f"async () => {{ {DRAWN} }}")
            shown = (time.perf_counter() - began) * 1000
            timed = f"const began = performance.now(); {action} {DRAWN} return performance.now() - began;"
            script = f"async (round) => {{ {timed} }}"
            spent = _browsers_cpu()
            times = [page.evaluate(script, round) for round in range(TRIES)]
            spent = (_browsers_cpu() - spent) / TRIES
            page.close()
            median = statistics.median(times)
            slow += median > LIMIT_ACTION
            print(f"{name:28} drawn {shown:6.0f} ms, action {median:6.0f} ms, slowest {max(times):6.0f} ms, "
                  f"CPU {spent:4.0f} ms")  # fmt: skip
        browser.close()
    return int(slow > 0)


def _get(address: str) -> float:
    """Milliseconds until the whole answer is here."""
    began = time.perf_counter()
    with urllib.request.urlopen(address) as answer:
        answer.read()
    return (time.perf_counter() - began) * 1000


def _cpu(process: psutil.Process) -> float:
    """Milliseconds that it has taken."""
    times = process.cpu_times()
    return (times.user + times.system) * 1000


def _browsers_cpu() -> float:
    """Of all processes of Chromium."""
    below = psutil.Process().children(recursive=True)
    return sum(_cpu(process) for process in below if "chrom" in process.name())


def _resident(pid: int) -> int:
    """Bytes (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    main()

"""How fast the review page answers on a large archive, and whether its memory stays flat.

    python benchmarks/review.py [--candidates 50000] [--folder FOLDER]

Prints the median and the slowest of each view in milliseconds as the client sees them, and the server's
resident memory before and after. Exit code 1 where a view's slowest first answer is above LIMIT.
"""

from __future__ import annotations

import argparse
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from synthetic import write

LIMIT = 300.0
"""Milliseconds for the first view, a filtered list page, and a candidate."""
ROUNDS = 20
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
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="an archive made by synthetic.py; made anew without")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch) / "synthetic"
        if not (folder / "archive.db").exists():
            write(folder, arguments.candidates)
        sys.exit(measure(folder, arguments.candidates))


def measure(folder: Path, candidates: int) -> int:
    """0 where every view is within LIMIT and memory is flat, else 1."""
    command = [str(Path(sys.executable).parent / "evoarch"), "review", str(folder), "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://[\d.:]+", server.stdout.readline())
            assert found
            print(f"ready after {time.perf_counter() - began:.1f} s")
            return _views(found[0], server.pid, candidates)
        finally:
            server.send_signal(signal.SIGINT)


def _views(address: str, pid: int, candidates: int) -> int:
    slow = 0
    # Each view once for the first answers, which count; then all again for the medians and the memory.
    first = {name: _get(address + view.format(last=candidates)) for name, view in VIEWS.items()}
    before = _resident(pid)
    times: dict[str, list[float]] = {name: [] for name in VIEWS}
    for _ in range(ROUNDS):
        for name, view in VIEWS.items():
            times[name].append(_get(address + view.format(last=candidates)))
    after = _resident(pid)
    for name in VIEWS:
        slow += first[name] > LIMIT
        print(f"{name:28} first {first[name]:6.0f} ms, median {statistics.median(times[name]):6.0f} ms, "
              f"slowest {max(times[name]):6.0f} ms")  # fmt: skip
    print(f"resident memory {before >> 20} MiB, after {ROUNDS * len(VIEWS)} requests {after >> 20} MiB")
    return int(slow > 0 or after > before * GROWTH)


def _get(address: str) -> float:
    """Milliseconds until the whole answer is here."""
    began = time.perf_counter()
    with urllib.request.urlopen(address) as answer:
        answer.read()
    return (time.perf_counter() - began) * 1000


def _resident(pid: int) -> int:
    """Bytes (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    main()

"""Fuzzes the gates of the trusted process, and measures its own time and memory for one child.

    python benchmarks/gate.py [--inputs 20000] [--start 0]

Random and damaged answers of children, archives, servers' replies and data files (tests/kit/gate_fuzz.py):
any exception that is not expected ends it with exit code 1, as do more than 1 GiB of memory, or more than 2
CPU seconds for the largest answer that is allowed.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP), str(TOP / "tests")]

from evoarch.sandbox.limits import Limits  # noqa: E402
from kit import gate_fuzz  # noqa: E402

MOST_SECONDS, MOST_MEMORY = 2.0, 1 << 30


def peak() -> int:
    """Most bytes that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Prints the figures; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sound_in, place = Path(name) / "sound", Path(name) / "fuzz"
        sound_in.mkdir()
        place.mkdir()
        sound = gate_fuzz.sound_archive(sound_in)
        began, at_first = time.process_time(), peak()
        counts = gate_fuzz.fuzz(given.inputs, sound, place, given.start)
    took = time.process_time() - began
    kinds = ", ".join(f"{count:,} {gate}" for gate, count in counts.items())
    print(
        f"{given.inputs:,} inputs ({kinds}): nothing unexpected, {took:.0f} CPU s, {peak() >> 20} MiB at most"
    )
    longest = 0.0
    for kind, answer in gate_fuzz.largest().items():
        began = time.process_time()
        accepted = gate_fuzz.handled(answer, Limits())
        seconds = time.process_time() - began
        longest = max(longest, seconds)
        print(
            f"{kind:<28} {len(answer) >> 20:>4} MiB {seconds:6.2f} CPU s  {'read' if accepted else 'refused'}"
        )
    print(f"at most {longest:.2f} CPU s for one answer, {peak() >> 20} MiB ({at_first >> 20} MiB at first)")
    return int(longest > MOST_SECONDS or peak() > MOST_MEMORY)


if __name__ == "__main__":
    sys.exit(main())

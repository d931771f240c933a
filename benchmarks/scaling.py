"""What more slots bring: children per minute of one, two and four slots, in turns, in one run.

    python -m benchmarks.scaling [--repeats 5] [--children 12]

ConvBase children on MNIST-1D through the real evaluator and the walls of this machine. In every repeat each
number of slots grows the same number of children, and two slots do it twice: how far that ratio strays from
1 is the machine's noise. Ratios are taken within a repeat. On two idle cores, two slots should give at least
1.7 x one slot, and four should not be slower than two (their median below all that the noise explains).
Takes about three minutes; exit status 1 if a mark does not hold. Beside the rates: CPU seconds of a child,
which rise where slots stand in each other's way, and the share of one core that this process and the zygote
took for each busy slot, which is what could serialise the slots.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.children import Block, Nursery

from evoarch.evaluators.program import inside_program
from evoarch.sandbox.runner import start

BLOCKS = (("1", 1), ("2", 2), ("4", 4), ("2 again", 2))
TWO_SLOTS = 1.7


async def measure(repeats: int, children: int) -> tuple[list[dict[str, Block]], float]:
    """The blocks of each repeat by name, and the CPU seconds that the zygote took beside its children."""
    runner = await start(inside_program())
    nursery = Nursery(runner)
    print(f"isolation {runner.level}, load {os.getloadavg()[0]:.2f}", flush=True)
    await nursery.grow(2, 2)
    before = below()
    found: list[dict[str, Block]] = []
    for repeat in range(repeats):
        # Another one begins each time: a busy moment, or a cooling processor, hits all alike.
        turned = BLOCKS[repeat % len(BLOCKS) :] + BLOCKS[: repeat % len(BLOCKS)]
        blocks = {name: await nursery.grow(children, slots) for name, slots in turned}
        found.append(blocks)
        print(
            f"repeat {repeat}: " + ", ".join(f"{n} {blocks[n].rate:.1f}/min" for n, _ in BLOCKS), flush=True
        )
    zygote = below() - before
    await runner.close()
    return found, zygote


def below() -> float:
    """CPU seconds so far of the processes below this one: the zygote, and bubblewrap around it."""
    ticks, waiting = 0, [os.getpid()]
    while waiting:
        pid = waiting.pop()
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            waiting += [int(child) for child in children]
            for child in children:
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def spread(values: Sequence[float]) -> str:
    return f"{min(values):8.2f} {statistics.median(values):8.2f} {max(values):8.2f}"


def ratios(found: Sequence[dict[str, Block]], one: str, other: str) -> list[float]:
    return [blocks[one].rate / blocks[other].rate for blocks in found]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--children", type=int, default=12, help="children of a block; a multiple of 4")
    arguments = parser.parse_args()
    found, zygote = asyncio.run(measure(arguments.repeats, arguments.children))
    print(f"\n{'':28} {'min':>8} {'median':>8} {'max':>8}")
    for name, _ in BLOCKS:
        print(f"{f'children/minute, {name}':28} {spread([blocks[name].rate for blocks in found])}")
    for name, _ in BLOCKS:
        each = [blocks[name].cpu / blocks[name].children for blocks in found]
        print(f"{f'CPU s a child, {name}':28} {spread(each)}")
    two, four, noise = ratios(found, "2", "1"), ratios(found, "4", "2"), ratios(found, "2 again", "2")
    for name, values in (("2 slots / 1", two), ("4 slots / 2", four), ("2 again / 2", noise)):
        print(f"{name:28} {spread(values)}")
    blocks = [block for each in found for block in each.values()]
    grown = sum(block.cpu for block in blocks)
    own = sum(block.own for block in blocks)
    print(f"of a busy slot's CPU time: this process {own / grown:.2%}, the zygote {zygote / grown:.2%}")
    holds = {
        f"two slots give at least {TWO_SLOTS} x one": statistics.median(two) >= TWO_SLOTS,
        "four slots are not slower than two": statistics.median(four) >= min(1.0, *noise),
    }
    for mark, held in holds.items():
        print(f"{'holds' if held else 'DOES NOT HOLD'}: {mark} ({os.cpu_count()} cores)")
    sys.exit(0 if all(holds.values()) else 1)


if __name__ == "__main__":
    main()

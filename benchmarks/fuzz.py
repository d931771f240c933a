"""Fuzzes vetting, the canonical form and the digests with damaged model files, and times vetting.

    python benchmarks/fuzz.py [--sources 20000]

Prints sources per second, how many still parsed, and the median CPU milliseconds to vet a 200-line
file without and with findings (limit: 50). Exits 1 at the first source for which something does not hold.
"""

import argparse
import random
import statistics
import sys
import time
from pathlib import Path

from evoarch.sandbox.fuzzing import damaged, holds
from evoarch.sandbox.vet import vet

ROOT = Path(__file__).parent.parent
OFFERS = {"input_shape": (40,), "num_classes": 10}
LIMIT_MS = 50.0


def sources() -> list[str]:
    folders = (ROOT / "tests/corpus/sources", ROOT / "evaluators/tasks")
    return [
        path.read_text() for folder in folders for path in sorted(folder.glob("**/*.py")) if _is_model(path)
    ]


def _is_model(path: Path) -> bool:
    return "seeds" in path.parts or path.parent.name == "sources"


def milliseconds(source: str, repeats: int = 21) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        vet(source, offers=OFFERS)
        taken.append(time.process_time() - start)
    return 1000 * statistics.median(taken)


def two_hundred_lines() -> str:
    """A 200-line model file: the residual baseline's class, again and again under other names."""
    seed = (ROOT / "evaluators/tasks/mnist1d/seeds/residual_cnn.py").read_text()
    _, _, body = seed.partition("class Model")
    text = seed + "".join(f"\n\nclass Block{index}{body}" for index in range(8))
    lines = text.splitlines()[:199]
    while lines[-1].startswith("class") or not lines[-1].startswith("        "):
        lines.pop()
    return "\n".join([*lines, "", "    def forward(self, x):", "        return x"]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--sources", type=int, default=20_000, help="how many damaged files")
    parser.add_argument("--start", type=int, default=0, help="number of the first one")
    options = parser.parse_args()
    models = sources()
    start, parsed = time.perf_counter(), 0
    for number in range(options.start, options.start + options.sources):
        source = damaged(models, random.Random(number))
        try:
            parsed += holds(source, OFFERS)
        except Exception as error:  # noqa: BLE001 (any exception is what this looks for)
            print(f"source {number}: {type(error).__name__}: {error}\n{source!r}")
            return 1
    seconds = time.perf_counter() - start
    print(
        f"{options.sources} sources, {parsed} parsed, all properties held, {options.sources / seconds:.0f}/s"
    )
    clean = two_hundred_lines()
    broken = clean.replace("class Model", "import os\nclass Modell", 1)
    quiet, loud = milliseconds(clean), milliseconds(broken)
    lines = len(clean.splitlines())
    print(
        f"vet of {lines} lines, CPU: {quiet:.1f} ms clean, {loud:.1f} ms with findings, limit {LIMIT_MS:.0f}"
    )
    return int(max(quiet, loud) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())

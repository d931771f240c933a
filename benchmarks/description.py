"""How much data ordinary model files hold: what the free allowance of sandbox/description.py rests on.

    python benchmarks/description.py

Prints, of each collection, the largest and the middle number of bits of literals and of compressed code, and
how many files have parameters in their source: the baselines of the tasks, the zoo, the model files of
packages that `make setup` installs as a corpus of seeds, and the candidates of every archive in results/.
Files of packages are measured whole, with all builders and tables: more than a seed's open definitions hold.
Takes two minutes.
"""

from __future__ import annotations

import importlib.util
import lzma
import sqlite3
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path

from evoarch.sandbox.description import FREE_CODE, FREE_LITERALS, describe

TOP = Path(__file__).parents[1]
CORPUS = ("vit_pytorch", "pytorchcv")
"""Packages of model files that others wrote (the Makefile's CORPUS)."""


def bred(packed: Path) -> list[str]:
    """The sources of all candidates in a packed archive."""
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        file.write(lzma.decompress(packed.read_bytes()))
        file.flush()
        connection = sqlite3.connect(file.name)
        rows = connection.execute("SELECT source FROM candidates WHERE source <> ''").fetchall()
        connection.close()
    return [row[0] for row in rows]


def line(name: str, sources: Iterable[str]) -> str:
    """One row of the table; text that is no Python, which a rejected child may be, is left out."""
    found = []
    for source in sources:
        try:
            found.append(describe(source))
        except SyntaxError:
            continue
    literals, code = [each.literal_bits for each in found], [each.code_bits for each in found]
    counted = sum(each.params() > 0 for each in found)
    middle = f"{statistics.median(literals):>8,.0f} {statistics.median(code):>8,.0f}"
    return f"{name:<28} {len(found):>6} {max(literals):>8,} {max(code):>8,} {middle} {counted:>8}"


def package_files(name: str) -> list[Path]:
    """The Python files of an installed package, which is not imported; none where it is not there."""
    spec = importlib.util.find_spec(name)
    folders = spec.submodule_search_locations if spec else None
    return sorted(path for folder in folders or () for path in Path(folder).rglob("*.py"))


def main() -> None:
    """Prints the table."""
    print(f"free: {FREE_LITERALS:,} bits of literals, {FREE_CODE:,} of compressed code")
    print(f"{'':<28} {'files':>6} {'literals':>8} {'code':>8} {'middle':>8} {'middle':>8} {'counted':>8}")
    evaluators = TOP / "evaluators"
    print(line("baselines", [p.read_text() for p in sorted((evaluators / "tasks").glob("*/seeds/**/*.py"))]))
    print(line("zoo", [p.read_text() for p in sorted((evaluators / "zoo" / "families").glob("*.py"))]))
    for name in CORPUS:
        if sources := [path.read_text(encoding="utf-8") for path in package_files(name)]:
            print(line(name, sources))
    for packed in sorted((TOP / "results").glob("**/*.db.xz")):
        print(line(str(packed.relative_to(TOP / "results")).removesuffix(".db.xz"), bred(packed)))


if __name__ == "__main__":
    main()

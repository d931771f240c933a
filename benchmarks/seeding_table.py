"""The table of docs/seeding.md, from the results of benchmarks/seeding_corpus.py.

python -m benchmarks.seeding_table [RESULTS.jsonl] [--page docs/seeding.md]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "results" / "seeding.jsonl", ROOT / "docs" / "seeding.md"
BEGIN, END = "<!-- benchmarks/seeding_table.py: begin -->", "<!-- benchmarks/seeding_table.py: end -->"
SAME = "same"

Row = Mapping[str, str]


def read(results: Path) -> list[Row]:
    """What was measured, a model each."""
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]


def table(rows: Sequence[Row]) -> str:
    """The results as a Markdown table, package by package, and what was found of the others."""
    lines = [
        "| package | models | added, the same bit for bit | not added | the original does not run here |",
        "|---|---|---|---|---|",
    ]
    packages = sorted({row["package"] for row in rows})
    for package in packages:
        own = [row for row in rows if row["package"] == package]
        cells = " | ".join(str(n) for n in (len(own), *counts(own)))
        lines.append(f"| {package} {own[0]['version']} | {cells} |")
    cells = " | ".join(f"**{n}**" for n in (len(rows), *counts(rows)))
    lines.append(f"| **{len(packages)} packages** | {cells} |")
    others = [row for row in rows if row["what"] != SAME]
    if others:
        lines += ["", "| the others | finding |", "|---|---|"]
        lines += [f"| {row['file']}:{row['entry']} | {_cell(row['what'])} |" for row in others]
    return "\n".join(lines)


def counts(rows: Sequence[Row]) -> tuple[int, int, int]:
    """How many are the same, how many are not, and how many fail where they are installed, so that nothing
    can be compared.
    """
    same = sum(row["what"] == SAME for row in rows)
    failing = sum(row["what"].startswith("original:") for row in rows)
    return same, len(rows) - same - failing, failing


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def placed(page: str, made: str) -> str:
    """The page with the table between its marks. Raises ValueError for a page without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END} on the page")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    page = options.page.read_text(encoding="utf-8")
    options.page.write_text(placed(page, table(read(options.results))), encoding="utf-8")


if __name__ == "__main__":
    main()

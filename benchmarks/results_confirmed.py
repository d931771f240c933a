"""A confirmed campaign on the page of results: its claim in a sentence, its table, the bred code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]
"""Of what `evoarch confirm DIR --show --json` printed."""

ELSEWHERE = (
    "ResNet1D, 26,250 parameters: 1.3 to 1.4% on the public 1,000, as published (arXiv 2602.13348); "
    "not retrained here."
)


def claim(task: str, rows: Sequence[Row]) -> str:
    """What was bred beside the baselines, small models first, on the test that tells most; "" without one."""
    tested = sorted((row for row in rows if row["tests"]), key=lambda row: int(row["params"]))
    bred, baselines = ([row for row in tested if row["baseline"] is each] for each in (False, True))
    if not bred:
        return ""
    test = sharpest([row["tests"] for row in tested])
    ours = ", ".join(f"{row['params']:,} parameters {estimate(row['tests'][test])}" for row in bred)
    theirs = ", ".join(
        f"{row['name']} ({row['params']:,}) {estimate(row['tests'][test])}" for row in baselines
    )
    beside = f"; the baselines, retrained in the same way: {theirs}" if theirs else ""
    return f"**{task}, bred from the baselines and confirmed:** error on the {test} test, {ours}{beside}."


def sharpest(tests: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """The test with the narrowest intervals: the one of most examples."""
    return min(tests[0], key=lambda test: sum(each[test]["high"] - each[test]["low"] for each in tests))


def confirmed(name: str, rows: Sequence[Row], code: Mapping[int, str]) -> list[str]:
    """One confirmation, the best first by the selection split. `code`: model files by candidate."""
    tests = list(dict.fromkeys(test for row in rows for test in row["tests"]))
    heads = ["candidate", "params", "FLOPs", "latency", "seeds", "selection error", "of one seed"]
    heads += [*[f"{test} test" for test in tests], "openings"]
    lines = [f"## {name}: confirmed\n", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        if row["selection"] is None:
            continue
        flops, latency = row.get("flops"), row.get("latency")
        cells = [f"#{row['id']} {row['name'] or ''}".strip(), f"{row['params']:,}"]
        cells.append("" if flops is None else f"{flops:,.0f}")
        cells.append("" if latency is None else "{ratio:.2f} [{low:.2f}, {high:.2f}]".format(**latency))
        low, high = (100 * float(error) for error in row["spread"])
        cells += [str(row["seeds"]), f"{100 * float(row['selection']):.2f}%", f"{low:.2f} to {high:.2f}"]
        cells += [estimate(row["tests"][test]) if test in row["tests"] else "" for test in tests]
        # Without a result the reason stands in for it; it may quote what a candidate raised.
        reason = f"; {row['reason']}".replace("|", "\\|") if row.get("reason") else ""
        opened = (
            f"{row['openings']}, {_moment(row['opening'])}" if row.get("opening") else str(row["openings"])
        )
        lines.append(f"| {' | '.join([*cells, opened + reason])} |")
    recipes = dict.fromkeys(row["opening"]["recipe"] for row in rows if row.get("opening"))
    lines += [
        f"\nConfirmed under recipe {', '.join(f'`{recipe}`' for recipe in recipes)}. "
        "Intervals at 95% over training seeds and examples; rows by the selection split. Latency is "
        "a ratio to the first baseline's, 32 examples at a time on one core. Openings with the time (UTC) of "
        "the last: who was added later was chosen by somebody who had seen the earlier results.\n",
        f"{ELSEWHERE}\n",
    ]
    for identity, text in code.items():
        lines.append(f"#{identity}, as `evoarch export` writes it:\n\n```python\n{text.rstrip()}\n```\n")
    return lines


def _moment(opening: Mapping[str, Any]) -> str:
    return datetime.fromtimestamp(opening["time"], UTC).strftime("%Y-%m-%d %H:%M")


def command(name: str, rows: Sequence[Row]) -> str:
    """The commands that make all of it again."""
    ids = " ".join(f"--candidate {row['id']}" for row in rows if not row["baseline"])
    return f"cp -r results/{name} again && evoarch run again && evoarch confirm again {ids}"


def estimate(found: Mapping[str, float]) -> str:
    return f"{100 * found['mean']:.2f}% [{100 * found['low']:.2f}, {100 * found['high']:.2f}]"

"""What `evoarch explain` found of confirmed models, on the page of results: results/NAME/explain-ID.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def explained(kept: Path) -> list[str]:
    """A table for each explained candidate of a kept campaign."""
    lines = []
    for path in sorted(kept.glob("explain-*.json")):
        lines += _table(kept.name, json.loads(path.read_text(encoding="utf-8")))
    return lines


def _table(name: str, found: Mapping[str, Any]) -> list[str]:
    winner, seed = found["candidate"], found["seed"]
    lines = [f"### {name}: which edits of #{found['id']} carried its gain\n"]
    lines.append(
        f"The model trained without each edit of its descent, {len(winner['errors'])} new training seeds "
        f"each. As it is: {winner['params']:,} parameters, error {winner['error']:.2%}; "
        f"its seed {seed['name']}: {seed['params']:,}, {seed['error']:.2%}.\n"
    )
    lines += ["| step | the edit | parameters without it | error without it | points more | verdict |"]
    lines.append("|---|---|---|---|---|---|")
    for each in found["edits"]:
        error, points = "", ""
        if each["effect"] is not None:
            low, high = (100 * end for end in each["interval"])
            error = f"{each['error']:.2%}"
            points = f"{100 * each['effect']:+.2f} [{low:+.2f}, {high:+.2f}]"
        edit = each["edit"].replace("|", "\\|")
        size = f"{each['params']:,}" if each["params"] else ""
        lines.append(f"| #{each['step']} | `{edit}` | {size} | {error} | {points} | {each['verdict']} |")
    lines.append(
        f"\nErrors on the validation examples. Intervals at 95% for all edits together, over training seeds "
        f"and examples; {found['cpu_s']:,.0f} CPU seconds of training. `evoarch explain again {found['id']} "
        f"--seeds {len(winner['errors'])}` ([explain.md](explain.md)).\n"
    )
    return lines

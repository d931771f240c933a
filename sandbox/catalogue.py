"""All vetting rules, and docs/vetting.md made from them: `python -m sandbox.catalogue > docs/vetting.md`."""

from __future__ import annotations

import sys

from evoarch.sandbox.rules import entry, imports, names, recipe, text, toplevel
from evoarch.sandbox.rules.base import Rule
from evoarch.sandbox.visible import visible

RULES: tuple[Rule, ...] = (
    *text.RULES,
    *imports.RULES,
    *entry.RULES,
    *toplevel.RULES,
    *recipe.RULES,
    *names.RULES,
)
"""Every rule, in the order in which docs/vetting.md shows them."""

CHECKS = (imports.check, entry.check, toplevel.check, recipe.check, names.check)
"""What looks at a parsed file."""

_HEAD = """# Vetting

Every model file is vetted before it runs, for quality and early feedback: a finding names the place,
what was expected and what to do. Vetting is not the wall; the process that runs the file is. All findings
come at once. `evoarch check FILE` shows them. Each rule below has a file that breaks
it and one that does not.

This page is made from the rules: `make vetting-docs`.
"""

_LONG = 30
"""Lines of an example that are shown."""


def page() -> str:
    """docs/vetting.md."""
    parts = [_HEAD]
    for rule in RULES:
        parts.append(f"\n## `{rule.id}`\n\n{rule.why}\n")
        parts.append(f"\nFails:\n\n```python\n{_shown(rule.bad)}\n```\n")
        parts.append(f"\nPasses:\n\n```python\n{_shown(rule.good)}\n```\n")
    return "".join(parts)


def _shown(source: str) -> str:
    lines = visible(source).rstrip().splitlines()
    left = source.count("\n") - _LONG
    return "\n".join(lines if left <= 0 else [*lines[:_LONG], f"# ... and {left} more lines"])


if __name__ == "__main__":
    sys.stdout.write(page())

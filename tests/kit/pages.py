"""The files that a page of docs/ shows."""

import re
from pathlib import Path

from kit.paths import ROOT


def blocks_of(page: str) -> dict[str, str]:
    """The Python blocks of docs/`page` whose first line is a name, `# my_task.py`, by that name."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    found = re.findall(r"```python\n(# \w+\.py\n.*?)```", text, re.DOTALL)
    return {block.split("\n", 1)[0].removeprefix("# "): block for block in found}


def files_of(page: str, folder: Path) -> Path:
    """The folder, made where it is missing, with these blocks as files."""
    folder.mkdir(exist_ok=True)
    for name, block in blocks_of(page).items():
        (folder / name).write_text(block, encoding="utf-8")
    return folder

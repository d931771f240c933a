"""The files that a page of docs/ shows."""

import re
from pathlib import Path

from kit.paths import ROOT


def files_of(page: str, folder: Path) -> Path:
    """The folder, with each Python block of docs/`page` in it whose first line is a name: `# my_task.py`."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    for block in re.findall(r"```python\n(# \w+\.py\n.*?)```", text, re.DOTALL):
        (folder / block.split("\n", 1)[0].removeprefix("# ")).write_text(block, encoding="utf-8")
    return folder

"""Runs docs/notebook.ipynb and writes what its cells show into it, without a Jupyter kernel.

    python -m benchmarks.notebook     # a minute of CPU

The cells of code run in one namespace, as in a kernel. The value of a cell's last line, where it is an
expression, is shown as SVG or HTML where it can be drawn so, else as text.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"


def executed(notebook: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The notebook (format 4) with the outputs of its cells, run in `folder`. Raises what they raise."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.chdir(folder):
        cells = [
            {**cell, "execution_count": None, "outputs": outputs("".join(cell["source"]), names)}
            if cell["cell_type"] == "code"
            else cell
            for cell in notebook["cells"]
        ]
    return {**notebook, "cells": cells}


def outputs(source: str, names: dict[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What a cell prints, and what its last expression is."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    found: list[Mapping[str, Any]] = []
    if text := printed.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)})
    if value is not None:
        found.append(
            {
                "output_type": "execute_result",
                "execution_count": None,
                "metadata": {},
                "data": {kind: shown.splitlines(keepends=True) for kind, shown in shows(value).items()},
            }
        )
    return found


def shows(value: object) -> Mapping[str, str]:
    """A value by MIME type, as it shows itself."""
    for kind, method in (("image/svg+xml", "_repr_svg_"), ("text/html", "_repr_html_")):
        if hasattr(value, method):
            return {kind: getattr(value, method)()}
    return {"text/plain": repr(value)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = executed(json.loads(NOTEBOOK.read_text(encoding="utf-8")), Path(folder))
    NOTEBOOK.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{NOTEBOOK.name}: {os.path.getsize(NOTEBOOK):,} bytes")


if __name__ == "__main__":
    main()

"""What differs between two model files, in the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from evoarch.agent.base.formatting import printable
from evoarch.agent.report.diff import DiffPiece, Row

COLOURS = {"changed": "yellow", "removed": "red", "added": "green", "same": ""}


def difference(rows: list[Row], left: str, right: str, *, wide: bool) -> RenderableType:
    """What differs between the sources called `left` and `right`: in two columns if `wide`, else in one."""
    return _side_by_side(rows, left, right) if wide else _stacked(rows, left, right)


def _side_by_side(rows: list[Row], left: str, right: str) -> Table:
    built = Table(box=None, pad_edge=False, expand=True)
    built.add_column("", width=1)
    built.add_column(left, ratio=1)
    built.add_column("", width=1)
    built.add_column(right, ratio=1)
    for each in rows:
        # A mark beside the colour, which not everybody sees.
        changed = each.kind != "same"
        marks = ("-" if changed and each.left else "", "+" if changed and each.right else "")
        sides = _side(each.left, each.kind), _side(each.right, each.kind)
        built.add_row(marks[0], sides[0], marks[1], sides[1])
    return built


def _side(pieces: tuple[DiffPiece, ...], kind: str) -> Text:
    text = Text()
    for piece in pieces:
        text.append(
            printable(piece.text), f"bold reverse {COLOURS[kind]}" if piece.changed else COLOURS[kind]
        )
    return text


def _stacked(rows: list[Row], left: str, right: str) -> Text:
    text = Text(f"--- {left}\n+++ {right}\n")
    for each in rows:
        if each.kind == "same":
            text.append(f"  {printable(each.left_text)}\n")
            continue
        if each.left:
            text.append("- ", "red").append_text(_side(each.left, "removed")).append("\n")
        if each.right:
            text.append("+ ", "green").append_text(_side(each.right, "added")).append("\n")
    text.rstrip()
    return text

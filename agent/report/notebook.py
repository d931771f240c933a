"""Figures and differences as values that a notebook shows."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from evoarch.agent.config.load import Config
from evoarch.agent.report.diff import DiffPiece, Row, compare
from evoarch.agent.report.document import figures, read_report
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store

COLOURS = {"changed": "#fff3c4", "removed": "#fbd5d5", "added": "#d3f2d9"}
"""Behind a row of a difference, by its kind."""

CELL = "text-align:left;white-space:pre;font-family:monospace;padding:0 1em 0 0"


@dataclass(frozen=True)
class Figure:
    """A figure as SVG, which a notebook draws."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


@dataclass(frozen=True)
class Differences:
    """What differs between two model files, by statement. `left` and `right`: what they are called."""

    left: str
    right: str
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        """Only what differs: lines that begin with - and +."""
        lines = [f"--- {self.left}", f"+++ {self.right}"]
        for row in self.rows:
            if row.kind != "same":
                lines += [f"- {row.left_text}"] if row.left else []
                lines += ["+ " + "".join(piece.text for piece in row.right)] if row.right else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f'<th style="text-align:left">{html.escape(n)}</th>' for n in (self.left, self.right))
        return f"<table><tr>{head}</tr>{''.join(map(_row, self.rows))}</table>"


def drawn(store: Store, config: Config) -> Mapping[str, Figure]:
    """Every figure of a campaign's report by its name: the front, what was reached, and the lineage."""
    report = read_report(store, config)
    return {name: Figure(str(svg)) for name, svg in figures(report, alone=True).items()}


def differences(left: Candidate, right: Candidate) -> Differences:
    """What changed from one candidate to another."""
    return Differences(_title(left), _title(right), tuple(compare(left.source, right.source)))


def _title(candidate: Candidate) -> str:
    return f"#{candidate.id} {candidate.name or candidate.operator}"


def _row(row: Row) -> str:
    colour = f' style="background:{COLOURS[row.kind]};color:#111"' if row.kind in COLOURS else ""
    cells = "".join(f'<td style="{CELL}">{"".join(map(_piece, side))}</td>' for side in (row.left, row.right))
    return f"<tr{colour}>{cells}</tr>"


def _piece(piece: DiffPiece) -> str:
    text = html.escape(piece.text)
    return f"<b>{text}</b>" if piece.changed else text

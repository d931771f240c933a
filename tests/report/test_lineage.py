"""Pictures of families: who comes from whom can be read off them, and no edge hides behind a box."""

from __future__ import annotations

import lzma
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoarch.agent.report.lineage import draw_tree, lay_out
from evoarch.archive.records import Candidate, State
from evoarch.archive.store import open_archive
from kit.paths import ROOT

Point = tuple[float, float]
NODE = re.compile(
    r'data-candidate="(\d+)"><rect x="([\d.]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)"'
)
EDGE = re.compile(r'data-edge="(\d+) (\d+)" d="([^"]+)"')


def boxes_and_edges(
    drawn: str,
) -> tuple[dict[int, tuple[float, float, float, float]], list[tuple[int, int, str]]]:
    boxes = {}
    for identity, *sizes in NODE.findall(drawn):
        x, y, wide, tall = map(float, sizes)
        boxes[int(identity)] = (x, y, x + wide, y + tall)
    return boxes, [(int(one), int(other), d) for one, other, d in EDGE.findall(drawn)]


def points_on(d: str) -> list[Point]:
    """Many points of a path of M, C and H."""
    found: list[Point] = []
    for letter, numbers in re.findall(r"([MCH])([^MCH]*)", d):
        values = [float(number) for number in numbers.split()]
        if letter == "M":
            found.append((values[0], values[1]))
        elif letter == "H":
            x, y = found[-1]
            found += [(x + (values[0] - x) * step / 20, y) for step in range(1, 21)]
        else:
            (x0, y0), (x1, y1, x2, y2, x3, y3) = found[-1], values
            for step in range(1, 41):
                t = step / 40
                a, b, c, e = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
                found.append((a * x0 + b * x1 + c * x2 + e * x3, a * y0 + b * y1 + c * y2 + e * y3))
    return found


def assert_it_tells_the_truth(family: list[Candidate]) -> None:
    boxes, edges = boxes_and_edges(str(draw_tree(lay_out(family), lambda _: None)))
    known = {c.id for c in family}
    assert boxes.keys() == known
    assert {(one, other) for one, other, _ in edges} == {
        (parent, c.id) for c in family for parent in c.parents if parent in known
    }
    for one, other, d in edges:
        points = points_on(d)
        assert points[0][0] == boxes[one][2]
        assert points[-1][0] == boxes[other][0]
        for identity, (left, top, right, bottom) in boxes.items():
            if identity not in (one, other):
                assert not any(left <= x <= right and top <= y <= bottom for x, y in points), (one, other)
    places = sorted(boxes.values())
    for (left, _, _, bottom), (other_left, other_top, _, _) in pairwise(places):
        assert left != other_left or bottom < other_top


def test_edges_of_a_real_family_run_behind_no_box(tmp_path: Path) -> None:
    packed = ROOT / "results" / "mnist1d-small" / "archive.db.xz"
    (tmp_path / "archive.db").write_bytes(lzma.decompress(packed.read_bytes()))
    with open_archive(tmp_path, write=False) as store:
        assert_it_tells_the_truth(store.browse.ancestors([888, 511], most=300))
        assert_it_tells_the_truth(store.browse.descendants(30, most=150))


@st.composite
def families(draw: st.DrawFn) -> list[Candidate]:
    family: list[Candidate] = []
    for identity in range(1, draw(st.integers(1, 14)) + 1):
        some = st.lists(st.sampled_from(family or [None]), max_size=3, unique_by=id)
        parents = [parent for parent in draw(some) if parent is not None]
        generation = 1 + max((parent.generation for parent in parents), default=-1)
        ids = tuple(parent.id for parent in parents)
        family.append(Candidate(identity, "random", State.SCORED, "", ids, generation))
    return draw(st.permutations(family))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(families())
def test_edges_of_any_family_run_behind_no_box(family: list[Candidate]) -> None:
    assert_it_tells_the_truth(family)


@pytest.mark.parametrize("left_out", [2, 3])
def test_who_is_not_shown_has_no_edge(left_out: int) -> None:
    family = [
        Candidate(1, "seed", State.SCORED),
        Candidate(2, "random", State.SCORED, "", (1,), 1),
        Candidate(3, "random", State.SCORED, "", (2, 1), 2),
        Candidate(4, "random", State.SCORED, "", (3, 2), 3),
    ]
    assert_it_tells_the_truth([c for c in family if c.id != left_out])

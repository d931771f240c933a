"""Scores of kept campaigns are what the program of today gives: every defence stands in between."""

import asyncio

import pytest
from benchmarks.kept_scores import TOP, Again, trained_again


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["mnist1d/syntactic/seed-100", "mnist1d-screening/screened/seed-100"])
def test_candidates_of_a_kept_archive_score_the_same_again(kept: str) -> None:
    async def rows() -> list[Again]:
        return [row async for row in trained_again(TOP / f"{kept}.db.xz", each=2)]

    found = asyncio.run(asyncio.wait_for(rows(), 900))
    assert len(found) == 6  # Four baselines beside them.
    assert [row for row in found if not row.same] == []

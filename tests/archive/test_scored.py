"""The view of the scored, held against what the archive says."""

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.archive.records import Evaluation, Failed, Scored
from evoarch.archive.scored import ScoredView
from evoarch.archive.store import create


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_the_view_has_what_the_archive_has_after_any_changes(tmp_path_factory: object, seed: int) -> None:
    rng = random.Random(seed)
    folder = Path(tmp_path_factory.mktemp("scored"))  # type: ignore[attr-defined]
    with create(folder, name="c", seed=1) as store:
        view = ScoredView(store)
        queued, scored = list[int](), list[int]()
        for step in range(25):
            match rng.choice(("add", "settle", "settle", "fail", "repeat", "read", "recover")):
                case "add":
                    (drawn,) = store.draw("random", [], 1, {})
                    store.arrive(drawn.candidate, "x", f"{step}")
                    queued.append(drawn.candidate)
                case "settle" if queued:
                    store.start(queued[0])
                    store.settle(_evaluation(queued[0], 0, rng.random()))
                    scored.append(queued.pop(0))
                case "fail" if queued:
                    store.start(queued[0])
                    outcome = Failed("train", "no")
                    store.settle(Evaluation(queued.pop(0), "full", 0, outcome, 1.0, 1.0))
                case "repeat" if scored:
                    store.settle(_evaluation(rng.choice(scored), step + 1, rng.random()))
                case "read":
                    assert view.read() == store.scored(sources=False)
                case "recover":
                    store.recover()
        assert view.read() == store.scored(sources=False)
        assert view.read() is view.read()


def _evaluation(candidate: int, seed: int, error: float) -> Evaluation:
    outcome = Scored({"error": error, "params": 10.0})
    kind = "repeat" if seed else "search"
    return Evaluation(candidate, "full", seed, outcome, 1.0, 1.0, kind=kind)

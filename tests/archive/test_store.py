"""The store through its public seam: states, totals, language model calls, versions, recovery."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Candidate, Evaluation, Failed, Fault, LMCall, Scored, State
from evoarch.archive.schema import VERSION
from evoarch.archive.store import Store, create, open_archive


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with create(tmp_path, name="trial", seed=7, facts={"task": "mnist1d"}) as store:
        yield store


def scored(candidate: int, error: float = 0.2, seed: int = 0, kind: str = "search") -> Evaluation:
    outcome = Scored({"error": error, "params": 100.0})
    return Evaluation(candidate, "full", seed, outcome, 2.0, 1.5, kind, b"\x0f", {"curve": [1.0]})


def failed(candidate: int, stage: str = "train", fault: Fault = Fault.CANDIDATE, seed: int = 0) -> Evaluation:
    return Evaluation(candidate, "full", seed, Failed(stage, "it raised", fault), 1.0, 0.5)


def seeded(store: Store, name: str = "conv", error: float = 0.2) -> int:
    candidate = store.add_seed(name, f"# {name}\n", f"digest {name}").id
    store.start(candidate)
    store.settle(scored(candidate, error, kind="seed"))
    return candidate


def running(store: Store, parents: tuple[int, ...] = (), operator: str = "random") -> int:
    (proposal,) = store.draw(operator, parents, 1, {})
    store.arrive(proposal.candidate, "source", f"digest {proposal.number}")
    store.start(proposal.candidate)
    return proposal.candidate


def call(batch: int = 1) -> LMCall:
    return LMCall(batch, "smol", "abc", "prompt", {"n": 4, "max_tokens": 50})


def settled_reply(prompt: int, completion: int) -> dict[str, object]:
    return {
        "replies": ("a", "\ud800"),
        "finish_reasons": ("stop", "length"),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "seconds": 1.5,
        "price": 0.25,
    }


def dump(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "archive.db") as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


def test_a_new_archive_says_what_it_is(store: Store) -> None:
    assert store.facts() == {"name": "trial", "seed": 7, "task": "mnist1d", "schema_version": VERSION}
    assert store.totals.counts() == {}
    assert store.totals.elapsed() == 0.0


def test_a_second_create_is_refused_and_changes_nothing(store: Store) -> None:
    seeded(store)
    before = dump(store.folder)
    with pytest.raises(ArchiveError, match="an archive already"):
        create(store.folder, name="other", seed=1)
    assert dump(store.folder) == before


def test_a_child_goes_from_proposal_to_score(store: Store) -> None:
    parent = seeded(store)
    one, two = store.draw("lm.rewrite", [parent], 2, {"targets": {"error": 0.1}})
    assert (one.number, two.number, one.batch, two.batch, one.ordinal, two.ordinal) == (1, 2, 1, 1, 0, 1)
    assert store.events(after=one.saw)[0].kind == "drawn"
    assert store.proposals(state=State.PROPOSED) == [one, two]
    store.arrive(two.candidate, "class Model: ...", "d2", "wider", "raw reply")
    store.start(two.candidate)
    store.repaired(two.candidate, "class Model: pass", "d2b", ["in_features 3 -> 4"])
    store.set_function_digest(two.candidate, "f2")
    evaluation = scored(two.candidate, 0.1)
    identity = store.settle(evaluation)
    assert store.candidate(two.candidate) == Candidate(
        id=two.candidate,
        operator="lm.rewrite",
        state=State.SCORED,
        source="class Model: pass",
        parents=(parent,),
        generation=1,
        number=2,
        source_digest="d2b",
        function_digest="f2",
        repairs=("in_features 3 -> 4",),
        metrics={"error": 0.1, "params": 100.0},
        seeds=1,
    )
    assert store.change(two.candidate) == ("wider", "raw reply")
    assert store.evaluations(two.candidate) == [replace(evaluation, id=identity)]
    assert store.children(parent) == [one.candidate, two.candidate]
    assert store.proposals(state=State.PROPOSED) == [one]
    kinds = [event.kind for event in store.events(candidate=two.candidate)]
    assert kinds == ["arrived", "started", "repaired", "fingerprinted", "settled"]


def test_generations_follow_the_oldest_line(store: Store) -> None:
    seed = seeded(store)
    child = running(store, (seed,))
    store.settle(scored(child))
    grandchild = running(store, (seed, child))
    assert store.candidate(grandchild).generation == 2
    assert store.candidate(grandchild).parents == (seed, child)
    assert store.candidate(running(store)).generation == 0


def test_a_failed_candidate_has_no_metrics_and_is_never_a_parent(store: Store) -> None:
    child = running(store)
    store.settle(failed(child))
    assert store.candidate(child).state is State.FAILED
    assert store.candidate(child).metrics == {}
    assert store.scored() == []
    with pytest.raises(ArchiveError, match=f"candidate {child} as a parent: expected scored, got failed"):
        store.draw("syntactic.mutate", [child], 1, {})
    assert store.next_number() == 2


def test_an_infrastructure_fault_costs_the_candidate_nothing(store: Store) -> None:
    child = running(store)
    for _ in range(2):
        store.settle(failed(child, fault=Fault.INFRASTRUCTURE))
        assert store.candidate(child).state is State.QUEUED
        assert not store.has_evaluation(child, 0)
        store.start(child)
    store.settle(scored(child))
    assert store.candidate(child).state is State.SCORED
    assert (store.totals.entered_training(), store.totals.retries(), len(store.evaluations(child))) == (
        1,
        2,
        3,
    )


def test_further_seeds_are_pooled_and_their_failure_leaves_the_score(store: Store) -> None:
    child = running(store)
    store.settle(scored(child, 0.1))
    store.settle(scored(child, 0.3, seed=1, kind="repeat"))
    store.settle(replace(failed(child, seed=2), kind="repeat"))
    found = store.candidate(child)
    assert found.metrics == {"error": pytest.approx(0.2), "params": 100.0}
    assert (found.seeds, found.state) == (2, State.SCORED)
    assert (store.totals.repeats_made(), store.totals.entered_training()) == (2, 1)
    assert store.has_evaluation(child, 2)


def test_nothing_is_scored_twice_on_the_same_rung_and_seed(store: Store) -> None:
    child = running(store)
    store.settle(scored(child, 0.1))
    before = dump(store.folder)
    for again in (scored(child, 0.9), failed(child)):
        with pytest.raises(
            ArchiveError, match=rf"candidate {child} has an outcome on rung 'full' with seed 0"
        ):
            store.settle(again)
    assert dump(store.folder) == before
    with pytest.raises(sqlite3.IntegrityError), sqlite3.connect(store.path) as other:
        # The file itself refuses too, whatever program writes.
        other.execute(
            "INSERT INTO evaluations (candidate, rung, seed, kind, outcome, error, params, seconds,"
            " cpu_seconds, metrics, correct, detail) SELECT candidate, rung, seed, kind, outcome, error,"
            " params, seconds, cpu_seconds, metrics, correct, detail FROM evaluations"
        )
    other.close()


@pytest.mark.parametrize("metrics", [{"error": float("nan"), "params": 1.0}, {"error": 0.1}])
def test_a_score_without_finite_error_and_params_is_refused(store: Store, metrics: dict[str, float]) -> None:
    child = running(store)
    with pytest.raises(ArchiveError, match=f"candidate {child}"):
        store.settle(replace(scored(child), outcome=Scored(metrics)))
    assert store.evaluations() == []


def test_duplicates_are_found_by_source_and_by_function(store: Store) -> None:
    first = running(store)
    store.set_function_digest(first, "f")
    digest = store.candidate(first).source_digest or ""
    store.settle(failed(first))
    assert store.find_source(digest) == first
    assert store.find_function("f") == first
    assert store.find_source(digest, exclude=first) is None
    (proposal,) = store.draw("random", [], 1, {})
    store.duplicate(proposal.candidate, first, reason="same source", source="s", source_digest=digest)
    later = running(store)
    store.duplicate(later, first, reason="same function", cpu_seconds=0.25)
    assert store.candidate(later).duplicate_of == first
    assert store.candidate(later).note == f"same function as candidate {first}"
    assert store.candidate(proposal.candidate).source == "s"
    assert store.totals.cpu_seconds() == 0.75
    assert store.find_source(digest) == first


def test_what_was_rejected_or_never_arrived_is_no_original(store: Store) -> None:
    (proposal,) = store.draw("random", [], 1, {})
    store.reject(proposal.candidate, "import os", "1:0 import: not allowed")
    assert store.candidate(proposal.candidate).note == "1:0 import: not allowed"
    assert store.find_source("digest") is None
    with pytest.raises(ArchiveError, match="to arrive: expected proposed, got rejected"):
        store.arrive(proposal.candidate, "s", "d")


def test_the_budget_counts_candidates_that_entered_training(store: Store) -> None:
    seeded(store)
    for stage in ("dry_run", "build", "static", "train", "constraint"):
        child = running(store)
        store.settle(failed(child, stage))
        assert store.has_trained(child) == (stage in ("train", "constraint"))
    running(store)
    assert store.totals.entered_training() == 2
    assert store.totals.counts() == {State.FAILED: 5, State.RUNNING: 1}


def test_yields_of_the_operators(store: Store) -> None:
    seed = seeded(store, error=0.2)
    for error in (0.1, 0.2):
        store.settle(scored(running(store, (seed,), "lm.rewrite"), error))
    batch = store.draw("lm.rewrite", [seed], 3, {})
    store.reject(batch[0].candidate, "", "prose")
    store.duplicate(batch[1].candidate, seed, reason="same source")
    store.reject(batch[2].candidate, "x = 1", "1:0 entry: no Model", parsed=True)
    answered = store.calls.sent(replace(call(), batch=batch[0].batch))
    store.calls.settled(answered, settled_reply(10, 20), cpu_seconds=3.0)
    counts = {"proposed": 5, "parsed": 4, "vetted": 3, "new": 2, "scored": 2, "failed": 0, "improved": 1}
    costs = {"cpu_s": 2 * 1.5 + 3.0, "tokens": 30, "money": 0.25}
    assert store.yields.by_operator() == {"lm.rewrite": {**counts, **costs}}


def test_a_rung_ends_a_trial_and_leaves_a_slot_only_where_it_stops(store: Store) -> None:
    seed = seeded(store, error=0.2)
    goes_on, stopped = running(store, (seed,)), running(store, (seed,))
    store.reach(replace(scored(goes_on, 0.01), rung="early"), "promoted")
    store.reach(replace(scored(stopped, 0.01), rung="early"), "stopped", note="below the better half")
    ended = [(e.kind, e.candidate) for e in store.yields.slot_events() if e.kind != "started"]
    assert ended == [("rung", stopped)]
    (trial,) = store.yields.trials_after(0)
    # A score on an early rung improves on nothing.
    assert (trial.operator, trial.improved, trial.cpu_seconds) == ("random", False, 1.5)
    store.settle(scored(goes_on, 0.01))
    (later,) = store.yields.trials_after(trial.event)
    assert later.cpu_seconds == 3.0


def test_yields_of_two_models_with_one_operator(store: Store) -> None:
    seed = seeded(store, error=0.2)
    for name in ("large", "small", "small"):
        store.draw("lm.rewrite", [seed], 1, {"lm": name})
    store.draw("random", [], 1, {})
    proposed = {arm: each["proposed"] for arm, each in store.yields.by_operator(models=True).items()}
    assert proposed == {"lm.rewrite, large": 1, "lm.rewrite, small": 2, "random": 1}


def test_tokens_stand_at_their_bound_until_they_are_counted(store: Store) -> None:
    counted, refused, silent, flying = (store.calls.sent(call()) for _ in range(4))
    store.calls.settled(counted, settled_reply(10, 20), cpu_seconds=3.0)
    store.calls.failed(refused, "401")
    store.calls.lost(silent, "timeout")
    bound = len("prompt") + 64 + 4 * 50
    tokens = store.totals.tokens()
    assert (tokens.prompt, tokens.completion, tokens.lost, tokens.total) == (10, 20, bound, 30 + bound)
    assert store.totals.price() == 0.25
    assert store.totals.cpu_seconds() == 3.0
    known = store.calls.find_settled(1, "abc")
    assert known is not None
    assert (known.id, known.replies, known.prompt_tokens) == (counted, ("a", "\ud800"), 10)
    assert [each.id for each in store.calls.all(state="sent")] == [flying]
    with pytest.raises(ArchiveError, match="expected sent, got settled"):
        store.calls.failed(counted, "late")


def test_recovery_takes_up_what_was_in_flight(store: Store) -> None:
    child = running(store)
    pending = store.draw("lm.rewrite", [], 2, {"temperature": 0.8})
    sent = store.calls.sent(call(pending[0].batch))
    assert store.recover() == pending
    assert store.candidate(child).state is State.QUEUED
    assert store.calls.all()[0].state == "lost"
    assert store.totals.tokens().lost == 270
    last = store.last_event()
    assert last is not None
    assert (last.kind, last.detail) == ("recovered", {"requeued": [child], "lost": [sent]})
    assert store.recover() == pending
    assert store.last_event() == last


def test_elapsed_counts_runs_and_not_the_pauses_between_them(tmp_path: Path) -> None:
    create(tmp_path, name="t", seed=0).close()
    times = iter([100.0, 103.0, 110.0, 200.0, 205.0, 300.0])
    with open_archive(tmp_path, write=True, clock=lambda: next(times)) as store:
        for kind in ("run", "noted", "stop", "verdict", "noted"):
            store.event(kind)
        assert store.totals.elapsed() == 10.0
        store.event("run")
        assert store.totals.elapsed() == 10.0
    times = iter([307.0])
    with open_archive(tmp_path, write=True, clock=lambda: next(times)) as store:
        store.event("noted")
        assert store.totals.elapsed() == 17.0


def test_several_changes_in_one_transaction_are_all_or_none(store: Store) -> None:
    before = dump(store.folder)

    def draw_and_start() -> None:
        with store.transaction():
            store.start(store.draw("random", [], 2, {})[0].candidate)

    with pytest.raises(ArchiveError, match="to start: expected queued, got proposed"):
        draw_and_start()
    assert dump(store.folder) == before


def test_pages_are_ordered_with_missing_values_last(store: Store) -> None:
    seeds = [seeded(store, name, error) for name, error in (("a", 0.3), ("b", 0.1), ("c", 0.3))]
    waiting = store.add_seed("d", "s", "d").id
    a, b, c = seeds
    assert [each.id for each in store.candidates(order_by="error")] == [b, a, c, waiting]
    assert [each.id for each in store.candidates(order_by="error", descending=True)] == [a, c, b, waiting]
    assert [each.id for each in store.candidates(limit=2, offset=1)] == [b, c]
    assert [each.name for each in store.candidates(state=State.QUEUED, operator="seed")] == ["d"]
    assert {each.source for each in store.scored(sources=False)} == {""}
    with pytest.raises(ValueError, match="order_by"):
        store.candidates(order_by="error; DROP TABLE candidates")


def test_seed_names_are_unique(store: Store) -> None:
    seeded(store)
    with pytest.raises(ArchiveError, match="seed name 'conv' belongs to candidate 1"):
        store.add_seed("conv", "s", "d")


def test_a_missing_candidate_is_named(store: Store) -> None:
    with pytest.raises(ArchiveError, match="no candidate 9"):
        store.candidate(9)


def test_a_diverged_curve_stays_readable_json(store: Store) -> None:
    child = running(store)
    store.settle(replace(scored(child), detail={"curve": [1.0, float("nan"), float("inf")]}))
    assert store.evaluations(child)[0].detail == {"curve": [1.0, None, None]}


def test_no_archive_foreign_files_and_damage_get_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"archive\.db: no archive here yet; `evoarch run .*` makes it"):
        open_archive(tmp_path, write=False)
    path = tmp_path / "archive.db"
    sqlite3.connect(path).execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(ArchiveError, match="not an evoarch archive"):
        open_archive(tmp_path, write=True)
    path.write_bytes(b"not a database, and long enough to be read as one " * 9)
    with pytest.raises(ArchiveError, match=r"archive\.db: file is not a database"):
        open_archive(tmp_path, write=True)


def test_a_newer_archive_is_left_alone(tmp_path: Path) -> None:
    create(tmp_path, name="t", seed=0).close()
    with sqlite3.connect(tmp_path / "archive.db") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    before = (tmp_path / "archive.db").read_bytes()
    for write in (False, True):
        with pytest.raises(ArchiveError, match="schema version 99 is newer than"):
            open_archive(tmp_path, write=write)
    assert (tmp_path / "archive.db").read_bytes() == before


def test_the_archive_room_imports_no_torch() -> None:
    modules = "store, schema, queries, totals, database, call_log, lock, weights, filesystem, pareto"
    script = f"import sys\nfrom evoarch.archive import {modules}\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

"""The archive under SIGKILL, a full disk, concurrent readers, and against a model of its states."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Evaluation, Failed, Fault, LMCall, Scored, State
from evoarch.archive.store import Store, create, open_archive

LIFE = """
import sys
from pathlib import Path
from evoarch.archive.records import Evaluation, LMCall, Scored, State
from evoarch.archive.store import open_archive

store = open_archive(Path(sys.argv[1]), write=True)
pending = store.recover()
waiting = [candidate.id for candidate in store.candidates(state=State.QUEUED)]

def train(candidate):
    store.start(candidate)
    outcome = Scored({"error": 0.1, "params": 10.0})
    store.settle(Evaluation(candidate, "full", 0, outcome, 1.0, 1.0))
    print(candidate, flush=True)

for candidate in waiting:
    train(candidate)
while True:
    for proposal in pending or store.draw("random", [], 3, {}):
        call = store.calls.sent(LMCall(proposal.batch, "m", "d", "p" * 500, {"max_tokens": 5}))
        reply = dict(replies=("r",), finish_reasons=("stop",), prompt_tokens=1, completion_tokens=1,
                     seconds=0.0, price=0.0)
        store.calls.settled(call, reply)
        store.arrive(proposal.candidate, "source " * 300, f"d{proposal.number}")
        train(proposal.candidate)
    pending = []
"""


def test_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    create(tmp_path, name="t", seed=0).close()
    rng = random.Random(5)
    acknowledged: list[int] = []
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", LIFE, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            acknowledged += [int(child.stdout.readline()) for _ in range(rng.randrange(1, 40))]
            child.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in child.stdout if line.endswith("\n")]
        assert child.returncode == -signal.SIGKILL
    with open_archive(tmp_path, write=False) as reader:
        assert set(acknowledged) <= {candidate.id for candidate in reader.scored()}
    with open_archive(tmp_path, write=True) as store:
        store.recover()
        candidates = store.candidates()
        scored = [candidate.id for candidate in store.scored()]
        assert len(acknowledged) == len(set(acknowledged))
        assert set(acknowledged) <= set(scored)
        # A kill between the commit and the print leaves one that was scored and not heard of.
        assert len(scored) <= len(acknowledged) + 6
        assert [candidate.id for candidate in candidates] == list(range(1, len(candidates) + 1))
        assert [candidate.number for candidate in candidates] == list(range(1, len(candidates) + 1))
        assert [proposal.candidate for proposal in store.proposals()] == [each.id for each in candidates]
        assert [each.candidate for each in store.evaluations()] == sorted(scored)
        assert not store.calls.all(state="sent")
        assert all(candidate.source for candidate in store.scored())
        assert store.totals.entered_training() == len(scored)


def test_a_new_archive_takes_nothing_of_a_deleted_one(tmp_path: Path) -> None:
    with create(tmp_path / "old", name="old", seed=0) as store:
        store.add_seed("old", "old source", "digest")
        # As a kill leaves it: the last commits stand only in the log.
        shutil.copytree(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "new" / "archive.db-wal").stat().st_size
    (tmp_path / "new" / "archive.db").unlink()
    with create(tmp_path / "new", name="new", seed=1) as store:
        assert store.facts()["name"] == "new"
        assert store.candidates() == []
        assert store.add_seed("new", "new source", "digest").id == 1


FILL = """
import json, resource, sys
from pathlib import Path
import numpy as np
from evoarch.archive.errors import ArchiveError
from evoarch.archive.store import create, open_archive
from evoarch.archive.weights import save_weights

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
store = None if limit < 100_000 else open_archive(folder, write=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
said, done = [], 0
try:
    if store is None:
        create(folder, name="t", seed=0)
    while True:
        store.add_seed(f"seed {done}", "x" * 20_000, f"d{done}")
        done += 1
except ArchiveError as error:
    said.append(str(error))
if store is not None:
    try:
        save_weights(folder, 1, "full", 0, {"w": np.zeros(limit)})
    except ArchiveError as error:
        said.append(str(error))
    # What SQLite still holds must not be lost on the way out either.
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.close()
print(json.dumps({"said": said, "done": done}))
"""


def fill(folder: Path, limit: int) -> dict[str, object]:
    command = [sys.executable, "-c", FILL, str(folder), str(limit)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def test_a_full_disk_gets_one_line_and_changes_nothing(tmp_path: Path) -> None:
    create(tmp_path, name="t", seed=0).close()
    answer = fill(tmp_path, 400_000)
    said, done = answer["said"], answer["done"]
    assert isinstance(said, list)
    assert isinstance(done, int)
    assert len(said) == 2
    assert said[0].startswith(f"{tmp_path / 'archive.db'}: ")
    assert "File too large" in said[1]
    assert not any("\n" in line for line in said)
    assert list((tmp_path / "weights").iterdir()) == []
    with open_archive(tmp_path, write=True) as store:
        assert done > 0
        assert [candidate.id for candidate in store.candidates()] == list(range(1, done + 1))
        assert len(store.events()) == done
        store.add_seed("after", "source", "digest")


def test_a_full_disk_leaves_no_half_archive_behind(tmp_path: Path) -> None:
    answer = fill(tmp_path, 20_000)
    assert isinstance(answer["said"], list)
    assert len(answer["said"]) == 1
    assert list(tmp_path.iterdir()) == []
    create(tmp_path, name="t", seed=0).close()


def test_readers_read_while_a_writer_is_in_a_transaction(tmp_path: Path) -> None:
    with create(tmp_path, name="t", seed=0) as store, open_archive(tmp_path, write=False) as reader:
        with store.transaction():
            store.add_seed("one", "source", "d")
            assert reader.candidates() == []
        assert [candidate.name for candidate in reader.candidates()] == ["one"]
        with reader.snapshot():
            assert len(reader.candidates()) == 1
            store.add_seed("two", "source", "d2")
            assert len(reader.candidates()) == 1
        assert len(reader.candidates()) == 2
        with pytest.raises(ArchiveError, match="readonly"):
            reader.event("noted")
        with pytest.raises(ArchiveError, match="readonly"):
            reader.start(1)


def test_two_writers_take_turns(tmp_path: Path) -> None:
    create(tmp_path, name="t", seed=0).close()

    def write(writer: int) -> None:
        with open_archive(tmp_path, write=True) as store:
            for number in range(40):
                store.add_seed(f"{writer}-{number}", "source", f"d{writer}-{number}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    with open_archive(tmp_path, write=False) as store:
        assert [candidate.id for candidate in store.candidates()] == list(range(1, 81))


TEXT = st.text(st.characters() | st.sampled_from("\0\ud800\n'\""), max_size=20)


class States(RuleBasedStateMachine):
    """Whatever the order of legal steps, the archive says what a dict would, also after reopening."""

    proposed = Bundle("proposed")
    queued = Bundle("queued")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store: Store = create(self.folder, name="t", seed=0)
        self.states: dict[int, State] = {}
        self.sources: dict[int, str] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def kept(self, text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode()

    @rule(target=queued, source=TEXT)
    def seed(self, source: str) -> int:
        number = len(self.states) + 1
        candidate = self.store.add_seed(f"seed {number}", source, f"d{number}").id
        self.states[candidate], self.sources[candidate] = State.QUEUED, self.kept(source)
        return candidate

    @rule(target=proposed, count=st.integers(1, 3), note=TEXT)
    def draw(self, count: int, note: str) -> object:
        parents = [candidate for candidate, state in self.states.items() if state is State.SCORED][:2]
        batch = self.store.draw("op", parents, count, {"note": note})
        assert [each.candidate for each in batch] == [len(self.states) + 1 + i for i in range(count)]
        self.states |= {proposal.candidate: State.PROPOSED for proposal in batch}
        self.sources |= {proposal.candidate: "" for proposal in batch}
        return multiple(*(proposal.candidate for proposal in batch))

    @rule(target=queued, candidate=consumes(proposed), source=TEXT)
    def arrive(self, candidate: int, source: str) -> int:
        self.store.arrive(candidate, source, f"d{candidate}", source, source)
        self.states[candidate], self.sources[candidate] = State.QUEUED, self.kept(source)
        return candidate

    @rule(candidate=consumes(proposed), reason=TEXT)
    def reject(self, candidate: int, reason: str) -> None:
        self.store.reject(candidate, reason, reason)
        assert self.store.candidate(candidate).note == self.kept(reason)
        self.states[candidate], self.sources[candidate] = State.REJECTED, self.kept(reason)

    @rule(candidate=consumes(queued), reason=TEXT)
    def duplicate(self, candidate: int, reason: str) -> None:
        self.store.duplicate(candidate, 1, reason=reason)
        self.states[candidate] = State.DUPLICATE

    @rule(candidate=consumes(queued), error=st.floats(0, 1), params=st.integers(0, 10**9))
    def score(self, candidate: int, error: float, params: int) -> None:
        self.store.start(candidate)
        metrics = {"error": error, "params": float(params)}
        self.store.settle(Evaluation(candidate, "full", 0, Scored(metrics), 1.0, 1.0))
        assert self.store.candidate(candidate).metrics == metrics
        self.states[candidate] = State.SCORED

    @rule(candidate=consumes(queued), reason=TEXT)
    def fail(self, candidate: int, reason: str) -> None:
        self.store.start(candidate)
        self.store.settle(Evaluation(candidate, "full", 0, Failed("train", reason), 1.0, 1.0))
        self.states[candidate] = State.FAILED

    @rule(target=queued, candidate=consumes(queued))
    def lose(self, candidate: int) -> int:
        self.store.start(candidate)
        lost = Failed("train", "worker lost", Fault.INFRASTRUCTURE)
        self.store.settle(Evaluation(candidate, "full", 0, lost, 1.0, 1.0))
        return candidate

    @rule(target=queued, candidate=consumes(queued))
    def crash(self, candidate: int) -> int:
        """Closes in the middle of things, as a kill would, and recovers."""
        self.store.start(candidate)
        self.store.calls.sent(LMCall(1, "m", "d", "p", {}))
        self.store.close()
        self.store = open_archive(self.folder, write=True)
        pending = [proposal.candidate for proposal in self.store.recover()]
        assert pending == [each for each, state in self.states.items() if state is State.PROPOSED]
        assert not self.store.calls.all(state="sent")
        return candidate

    @invariant()
    def says_what_the_model_says(self) -> None:
        found = self.store.candidates()
        assert {each.id: each.state for each in found} == self.states
        assert {each.id: each.source for each in found} == self.sources
        trained = [each for each in found if each.state in (State.SCORED, State.FAILED)]
        assert self.store.totals.entered_training() == len(trained)
        assert all(bool(each.metrics) == (each.state is State.SCORED) for each in found)
        bred = [each.state for each in found if each.number is not None]
        assert self.store.totals.counts() == {state: bred.count(state) for state in set(bred)}


TestStates = States.TestCase
TestStates.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

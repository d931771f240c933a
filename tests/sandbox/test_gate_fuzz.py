"""Random and damaged answers, archives, replies and data files at their gates: no exception beyond the listed
ones, and no more time and memory of the trusted process than is said.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evoarch.sandbox.limits import Limits
from evoarch.sandbox.own_time import OwnTimeError, own_time
from kit import gate_fuzz
from kit.paths import BENCHMARKS


def test_no_input_raises_what_is_not_expected(tmp_path: Path) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "fuzz").mkdir()
    sound = gate_fuzz.sound_archive(tmp_path / "sound")
    counts = gate_fuzz.fuzz(1000, sound, tmp_path / "fuzz")
    assert min(counts.values()) > 50


def test_the_mutations_get_through_and_are_stopped() -> None:
    answers = [gate_fuzz.damaged(gate_fuzz._answer(random.Random(n)), random.Random(n)) for n in range(200)]
    accepted = sum(gate_fuzz.handled(data) for data in answers)
    assert 20 < accepted < 180, "a fuzz that is all refused, or all accepted, looks at nothing"


@pytest.mark.parametrize("kind", gate_fuzz.largest())
def test_the_largest_answers_are_read_or_refused(kind: str) -> None:
    gate_fuzz.handled(gate_fuzz.largest()[kind], Limits())


@pytest.mark.slow
def test_twenty_thousand_inputs_at_the_gates(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "gate.py"), "--inputs", "20000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_work_of_our_own_ends_at_its_deadline() -> None:
    before = signal.getsignal(signal.SIGVTALRM)

    @own_time(0.05)
    def endless() -> None:
        while True:
            pass

    with pytest.raises(OwnTimeError, match=r"more than 0\.05 s"):
        endless()
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0


def test_the_outer_deadline_holds_and_other_threads_have_none() -> None:
    with own_time(100), own_time(0.001):
        assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 1
    seen = []

    def work() -> None:
        with own_time(0.001):
            seen.append(signal.getitimer(signal.ITIMER_VIRTUAL)[0])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0]

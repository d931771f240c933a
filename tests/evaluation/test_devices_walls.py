"""Children on a device with a driver, whose place a file and a thread take: the real locks, no GPU."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.device import Device
from evoarch.sandbox.job import Job, Program
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Killed, Raised
from evoarch.sandbox.runner import ZygoteRunner, start

BEST = detect().level
LEVELS = (
    [] if BEST is Level.NONE else sorted({Level.LANDLOCK, BEST if BEST is Level.FULL else Level.LANDLOCK})
)
QUICK = Limits(wall_clock=30.0, cpu_seconds=20.0, memory=512 << 20, output=4 << 20)

# A driver as the locks know one: a device node, and a thread that was there before the last lock.
INSIDE = """
import os, queue, threading

ASKED, ANSWERED = queue.Queue(), queue.Queue()

def warmup():
    import torch
    torch.ones(2).sum()

def attend():
    while True:
        work = ASKED.get()
        try:
            ANSWERED.put(("did", work()))
        except BaseException as error:  # a hostile program of the test: it hands over whatever it met
            # Where the packages lie below /tmp, that folder is there, and cannot be written to.
            read_only = getattr(error, "errno", 0) == 30
            ANSWERED.put(("ReadOnly" if read_only else type(error).__name__, None))

def on_driver_thread(work):
    ASKED.put(work)
    return ANSWERED.get()

def open_device(request):
    if request["visible"] == "gone":
        raise RuntimeError("no CUDA-capable device is detected")
    os.close(os.open("/dev/zero", os.O_RDWR))
    threading.Thread(target=attend, daemon=True).start()

def call(genome, arrays, options, announce):
    announce("train")
    return {}, {"said": genome.go(on_driver_thread), "options": options}
"""
DEVICE = Device("cpu", "stand-in:0", "0", files=("/dev/zero",), reads=("/proc/devices",))

# Whatever it is, it must fail in the same way in the genome's own thread and in the driver's.
ATTACKS = {
    "a file": "open('/etc/passwd').read()",
    "the user's file": "open(SECRET).read()",
    "another device": "os.open('/dev/null', os.O_RDWR)",
    "a new file": "os.open('/tmp/evoarch-made-this', os.O_CREAT | os.O_RDWR)",
    "a folder": "os.listdir('/')",
    "another process": "open('/proc/1/environ').read()",
    "a socket": "__import__('socket').socket()",
    "a process": "os.fork()",
    "a program": "os.execv('/bin/true', ['true'])",
    "a thread": "__import__('_thread').start_new_thread(print, ())",
    "a signal": "os.kill(os.getppid(), 0)",
}


REFUSED = ("PermissionError", "FileNotFoundError", "BlockingIOError", "RuntimeError", "ReadOnly")


class Walls:
    def __init__(self, loop: asyncio.Runner, runner: ZygoteRunner) -> None:
        self.loop, self.runner = loop, runner

    def run(self, source: str, device: Device = DEVICE, limits: Limits = QUICK) -> ChildOutcome:
        job = Job("call", textwrap.dedent(source), options={"n": 1}, limits=limits, device=device)
        return self.loop.run(self.runner.run(job))


@pytest.fixture(scope="module", params=LEVELS)
def walls(request: pytest.FixtureRequest) -> Iterator[Walls]:
    with asyncio.Runner() as loop:
        runner = loop.run(start(Program({"inside": INSIDE}, "inside"), level=request.param, devices=[DEVICE]))
        yield Walls(loop, runner)
        loop.run(runner.close())


def test_the_driver_s_own_files_can_be_opened_and_the_options_say_where_one_is(walls: Walls) -> None:
    outcome = walls.run("""
        import os
        def go(driver):
            mine = os.read(os.open("/dev/zero", os.O_RDONLY), 4)
            return [mine.hex(), driver(lambda: open("/proc/devices").read(9))]
    """)
    assert isinstance(outcome, Finished), outcome
    assert outcome.notes["said"] == ["00000000", ["did", "Character"]]
    assert outcome.notes["options"] == {"n": 1, "device": "cpu", "autocast": False}


def test_the_locks_hold_in_every_thread(walls: Walls, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the user's own", encoding="utf-8")
    tmp_path.chmod(0o755)
    outcome = walls.run(f"""
        import os
        SECRET = {str(secret)!r}
        ATTACKS, REFUSED = {ATTACKS!r}, {REFUSED!r}
        def go(driver):
            said = {{}}
            for name, attack in ATTACKS.items():
                def work():
                    return repr(eval(attack, {{"os": os, "SECRET": SECRET}}))
                try:
                    said[name] = "did " + work()
                except (OSError, RuntimeError) as error:
                    said[name] = "refused"
                there, _ = driver(work)
                if there not in REFUSED:
                    said[name + ", by the driver"] = there
            return said
    """)
    assert isinstance(outcome, Finished), outcome
    assert outcome.notes["said"] == dict.fromkeys(ATTACKS, "refused")
    assert not Path("/tmp/evoarch-made-this").exists()


def test_memory_and_time_are_limited_from_the_opening_on(walls: Walls) -> None:
    eats = walls.run("""
        import torch
        def go(driver):
            return len([torch.ones(1 << 22) for _ in range(200)])
    """)
    assert isinstance(eats, Killed)
    assert eats.limit == "evaluation.memory"
    sleeps = walls.run(
        "import time\ndef go(driver):\n    time.sleep(60)", limits=replace(QUICK, wall_clock=0.5)
    )
    assert isinstance(sleeps, Killed)
    assert sleeps.limit == "evaluation.wall_clock"


def test_out_of_memory_on_the_device_is_the_candidate_s_and_names_the_key(walls: Walls) -> None:
    outcome = walls.run("""
        import torch
        def go(driver):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    """)
    assert isinstance(outcome, Killed)
    assert (outcome.stage, outcome.limit) == ("train", "evaluation.device_memory")
    assert "Tried to allocate 20.00 GiB" in outcome.reason


def test_a_device_that_does_not_open_is_the_machine_s_fault(walls: Walls) -> None:
    outcome = walls.run("def go(driver): return 1", replace(DEVICE, visible="gone"))
    assert isinstance(outcome, Broken)
    assert outcome.reason.startswith("stand-in:0: ")
    assert "no CUDA-capable device" in outcome.reason


def test_a_genome_that_says_its_device_is_lost_is_not_believed(walls: Walls) -> None:
    lies = walls.run("""
        def go(driver):
            raise RuntimeError("CUDA error: uncorrectable ECC error encountered")
    """)
    assert isinstance(lies, Killed)
    assert "uncorrectable ECC" in lies.reason


def test_on_the_cpu_such_words_are_just_an_exception(walls: Walls) -> None:
    plain = walls.run("def go(driver): raise RuntimeError('CUDA out of memory')", Device())
    assert isinstance(plain, Raised)


def test_a_lost_device_is_checked_by_a_child_without_a_genome(
    walls: Walls, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []
    honest = walls.runner._run

    async def dies_meanwhile(job: Job, *given: Any) -> ChildOutcome:
        jobs.append(job)
        gone = job if len(jobs) == 1 else replace(job, device=replace(DEVICE, visible="gone"))
        return await honest(gone, *given)

    monkeypatch.setattr(walls.runner, "_run", dies_meanwhile)
    outcome = walls.run("def go(driver): raise RuntimeError('CUDA error: uncorrectable ECC error')")
    assert isinstance(outcome, Broken)
    assert "uncorrectable ECC" in outcome.reason
    assert [job.genome != "" for job in jobs] == [True, False]


def test_the_whole_evaluation_through_a_device_is_that_of_the_cpu() -> None:
    task, recipe = Mnist1d(), Recipe("short", rate=0.02, steps=40, batch=100)
    source = task.seeds["conv_base"]

    async def both() -> None:
        runner = await start(inside_program(), devices=[DEVICE])

        class Through:
            level = runner.level

            def __init__(self, device: Device) -> None:
                self.device = device

            async def run(self, job: Job) -> ChildOutcome:
                return await runner.run(replace(job, device=self.device))

            async def close(self) -> None: ...

        async def measured(device: Device) -> tuple[DryRunPassed, dict[str, np.ndarray], float]:
            evaluator = Evaluator(task, recipe, Through(device), ceiling=1.0)
            sound = await evaluator.dry_run(source)
            assert isinstance(sound, DryRunPassed), sound
            evaluated = await evaluator.evaluate(source, digest="one", repeat=0)
            assert isinstance(evaluated.outcome, Scored), evaluated.outcome
            return sound, dict(evaluated.weights), evaluated.outcome.metrics["error"]

        plain, weights, error = await measured(Device())
        there, the_same, also = await measured(DEVICE)
        assert (plain.function_digest, plain.params, error) == (there.function_digest, there.params, also)
        assert all(np.array_equal(weights[name], the_same[name]) for name in weights)
        half, rounded, _ = await measured(replace(DEVICE, autocast=True))
        assert half.function_digest == plain.function_digest
        assert all(rounded[name].dtype == weights[name].dtype for name in weights)
        assert any(not np.array_equal(weights[name], rounded[name]) for name in weights)
        await runner.close()

    with asyncio.Runner() as loop:
        loop.run(both())

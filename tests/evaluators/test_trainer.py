"""Training by an external program: what it leaves, how it ends, and what it can't reach."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from safetensors.torch import save as save_torch
from safetensors.torch import save_model

from evoarch.evaluators.params import count_params
from evoarch.evaluators.trainer import Trainer, Training
from evoarch.sandbox.external import Bounds
from evoarch.sandbox.job import Job
from evoarch.sandbox.level import bwrap_problem, find_bwrap
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Killed
from kit.paths import ROOT

NO_BWRAP = bwrap_problem()
WALLS = [
    "",
    pytest.param("bwrap", marks=pytest.mark.skipif(bool(NO_BWRAP), reason=NO_BWRAP or "bubblewrap works")),
]
BOUNDS = Bounds(wall_clock=60.0, output=4 << 20)
ARRAYS = {"inputs": np.arange(6, dtype=np.float32).reshape(2, 3), "targets": np.array([0, 1])}


class Children:
    """The runner of the children: it says what it was asked."""

    level = Level.LANDLOCK

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def run(self, job: Job) -> ChildOutcome:
        self.asked.append(job.function)
        return Finished({})

    async def close(self) -> None:
        pass


Train = Callable[..., ChildOutcome]


@pytest.fixture(params=WALLS)
def walls(request: pytest.FixtureRequest) -> str:
    return (find_bwrap() or "") if request.param else ""


@pytest.fixture
def train(tmp_path: Path, walls: str) -> Train:
    """Runs a shell script as the trainer, once."""

    def run(script: str, bounds: Bounds = BOUNDS, shows: tuple[Path, ...] = ()) -> ChildOutcome:
        training = a_training(tmp_path, script, walls, bounds, shows)

        async def once() -> ChildOutcome:
            trainer = Trainer(Children(), training)
            try:
                return await trainer.run(job())
            finally:
                await trainer.close()

        return asyncio.run(once())

    return run


def a_training(
    folder: Path, script: str, walls: str, bounds: Bounds = BOUNDS, shows: tuple[Path, ...] = ()
) -> Training:
    return Training(
        command=("/bin/sh", "-c", script, "sh", "{genome}", "{output}", "{data}", "{settings}"),
        folder=folder / "campaign" / "runs",
        bounds=bounds,
        bwrap=walls,
        shows=shows,
        variables={"PATH": "/usr/bin:/bin"},
    )


def job() -> Job:
    recipe = {"name": "fast", "steps": 7, "batch": 2, "rate": 0.1}
    options = {"entry": "Model", "offers": {"num_classes": 2}, "kwargs": {}, "loss": "l", "recipe": recipe}
    return Job("train", "class Model: pass\n", ARRAYS, options, seed=5)


LEAVE = 'cp "$3" "$2/weights.safetensors"'
"""The data are a safetensors file: they will do for weights."""


def test_what_it_leaves_comes_back_as_a_childs_reply(train: Train) -> None:
    got = train(f'grep -q "class Model" "$1" && grep -q \'"seed": 5\' "$4" && {LEAVE}')
    assert isinstance(got, Finished), got
    assert sorted(got.arrays) == ["0/inputs", "0/targets"]
    np.testing.assert_array_equal(got.arrays["0/inputs"], ARRAYS["inputs"])
    assert got.usage.seconds > 0


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("true", "left no weights.safetensors in its output folder"),
        ("echo no data >&2", "left no weights.safetensors in its output folder: no data"),
        ("printf 'a\\nb\\n\\nc\\nd\\n' >&2; exit 3", "ended with exit status 3: b | c | d"),
        ("printf '\\033[2J\\007bad\\n' >&2; exit 1", "ended with exit status 1: \ufffd[2J\ufffdbad"),
        ("echo garbage > $2/weights.safetensors", "weights.safetensors: expected a safetensors file"),
        (": > $2/weights.safetensors", "weights.safetensors: expected a safetensors file"),
        ("head -c 60 $3 > $2/weights.safetensors", "weights.safetensors: expected a safetensors file"),
        ("mkdir $2/weights.safetensors", "weights.safetensors: expected a safetensors file"),
        ("mkfifo $2/weights.safetensors", "it is no regular file"),
        ("ln -s $3 $2/weights.safetensors", "weights.safetensors: expected a safetensors file"),
        ("kill -SEGV $$", "died of signal 11 (SIGSEGV)"),
        ("kill -ABRT $$", "died of signal 6 (SIGABRT)"),
    ],
)
def test_what_it_does_wrong_is_the_candidates_failure(train: Train, script: str, said: str) -> None:
    got = train(script)
    assert isinstance(got, Killed), got
    assert (got.stage, got.limit) == ("train", "")
    assert said in got.reason
    assert "\n" not in got.reason


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo node lost >&2; exit 75", "asked for another try (exit status 75): node lost"),
        ("kill -KILL $$", "ended from outside by signal 9 (SIGKILL"),
        ("kill -TERM $$", "ended from outside by signal 15 (SIGTERM"),
    ],
)
def test_what_comes_from_outside_is_the_infrastructures_fault(train: Train, script: str, said: str) -> None:
    got = train(script)
    assert isinstance(got, Broken), got
    assert said in got.reason


def test_a_program_that_is_not_there_was_not_run(tmp_path: Path) -> None:
    training = a_training(tmp_path, "", "")

    async def once() -> ChildOutcome:
        gone = Training(("/no/such/program",), training.folder, BOUNDS)
        return await Trainer(Children(), gone).run(job())

    got = asyncio.run(once())
    assert isinstance(got, Broken)
    assert "not run: /no/such/program: No such file or directory" in got.reason


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pickle.dumps({"a": ARRAYS["inputs"]}), "expected a safetensors file"),
        (save_torch({"a": torch.ones(2, dtype=torch.bfloat16)}), "got 'BF16'"),
        (save({}), "expected tensors, got none"),
    ],
)
def test_weights_that_are_none_are_refused(train: Train, tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "left"
    file.write_bytes(data)
    got = train(f"cp {file} $2/weights.safetensors", shows=(file,))
    assert isinstance(got, Killed), got
    assert said in got.reason


def test_a_pickle_runs_nothing(train: Train, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    file = tmp_path / "bomb"
    file.write_bytes(pickle.dumps(Bomb()))
    got = train(f"cp {file} $2/weights.safetensors; cp {file} $2/weights.pt", shows=(file,))
    assert isinstance(got, Killed)
    assert not (tmp_path / "ran").exists()


def test_tied_weights_as_save_model_leaves_them_count_once(train: Train, tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save_model(model, str(tmp_path / "tied"))
    got = train(f"cp {tmp_path / 'tied'} $2/weights.safetensors", shows=(tmp_path / "tied",))
    assert isinstance(got, Finished), got
    weights = {name.removeprefix("0/"): array for name, array in got.arrays.items()}
    assert sorted(weights) == sorted(model.state_dict())
    assert count_params(weights, got.notes["ties"]) == 9 + 3 + 3


@pytest.mark.parametrize(
    ("script", "bounds", "limit"),
    [
        ("exec sleep 1000", Bounds(0.3, 4 << 20), "trainer.wall_clock"),
        ("trap '' TERM INT HUP; while :; do :; done", Bounds(0.3, 4 << 20), "trainer.wall_clock"),
        (
            "for i in 1 2 3 4 5 6 7 8 9; do head -c 1000000 /dev/zero > $2/$i; done; exec sleep 1000",
            BOUNDS,
            "trainer.output",
        ),
        ("i=0; while :; do i=$((i+1)); : > $2/$i; done", Bounds(60, 1 << 20), "trainer.output"),
        (
            "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait",
            Bounds(60, 4 << 20, 0, 8),
            "trainer.processes",
        ),
        (
            f"exec {sys.executable} -S -c 'import time; x = bytearray(1 << 28); time.sleep(1000)'",
            Bounds(60, 4 << 20, 64 << 20),
            "trainer.memory",
        ),
    ],
)
def test_a_program_that_goes_too_far_is_stopped_and_the_limit_named(
    train: Train, script: str, bounds: Bounds, limit: str
) -> None:
    shows = (Path(sys.base_prefix), Path(sys.prefix))
    got = train(script, bounds, shows)
    assert isinstance(got, Killed), got
    assert got.limit == limit
    assert f"limit {limit}" in got.reason


@pytest.mark.parametrize("way", ["exec head -c 9000000 /dev/zero > $2/weights.safetensors", "{hole}"])
def test_one_file_cant_outgrow_the_limit(train: Train, way: str) -> None:
    hole = "exec truncate -s 9000000 $2/weights.safetensors"
    got = train(way.replace("{hole}", hole))
    assert isinstance(got, Killed)
    assert got.limit == "trainer.output"


def test_endless_words_on_stderr_are_not_kept(train: Train) -> None:
    got = train("yes complaint >&2", Bounds(0.5, 4 << 20))
    assert isinstance(got, Killed)
    assert got.limit == "trainer.wall_clock"
    assert len(got.reason) < 1000


def named(marker: str) -> list[int]:
    """Processes with `marker` as a word of their command line."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if marker.encode() in words:
                found.append(int(entry))
    return found


# A daemon as one is written: twice forked, a session of its own, no signal that asks it to go.
DAEMON = "trap '' HUP TERM INT; (setsid sh -c 'trap \"\" HUP TERM; sleep {marker} & sleep {marker}' &) ; "


@pytest.mark.parametrize("rest", ["sleep {marker}", "exit 1", LEAVE])
def test_no_process_of_it_is_left(train: Train, rest: str) -> None:
    marker = f"1000.{os.getpid()}{time.monotonic_ns() % 10**9}"
    # It ends, or is stopped, after the daemon is there.
    until = 'until [ "$(ls $2)" ]; do sleep 0.01; done; '
    daemon = DAEMON.replace('trap "" HUP TERM;', 'trap "" HUP TERM; : > $2/there;')
    script = f"export O=$2; {daemon}{until}{rest}".replace("{marker}", marker).replace("$2/there", "$O/there")
    got = train(script, Bounds(1.5 if "sleep" in rest else 60, 4 << 20))
    assert isinstance(got, Finished if rest == LEAVE else Killed), got
    assert named(marker) == []


def test_a_cancelled_training_takes_its_program_along(tmp_path: Path, walls: str) -> None:
    marker = f"2000.{os.getpid()}{time.monotonic_ns() % 10**9}"

    async def cancelled() -> None:
        trainer = Trainer(Children(), a_training(tmp_path, f"setsid sleep {marker} & sleep {marker}", walls))
        task = asyncio.create_task(trainer.run(job()))
        while len(named(marker)) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(cancelled(), 60))
    assert named(marker) == []


CONTROLLER = """
import asyncio, sys
from pathlib import Path
from evoarch.evaluators.trainer import Trainer, Training
from evoarch.sandbox.external import Bounds
from evoarch.sandbox.job import Job
folder, script, bwrap = sys.argv[1:]
training = Training(
    ("/bin/sh", "-c", script), Path(folder) / "runs", Bounds(600.0, 1 << 20), bwrap,
    variables={"PATH": "/usr/bin:/bin"},
)
job = Job("train", "", {}, {"recipe": {"steps": 1, "batch": 1, "rate": 0.1}})
asyncio.run(Trainer(None, training).run(job))
"""


def test_no_process_outlives_a_killed_controller(tmp_path: Path, walls: str) -> None:
    marker = f"3000.{os.getpid()}{time.monotonic_ns() % 10**9}"
    script = f"trap '' HUP TERM; setsid sleep {marker} & sleep {marker}"
    process = subprocess.Popen([sys.executable, "-c", CONTROLLER, str(tmp_path), script, walls], cwd=ROOT)
    with process:
        wait_for(lambda: len(named(marker)) >= 2)
        process.kill()
    wait_for(lambda: not named(marker))
    assert named(marker) == []


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited 120 s for it"
        time.sleep(0.02)


def test_other_jobs_go_to_the_children(tmp_path: Path) -> None:
    children = Children()
    guarded = a_training(tmp_path, "true", "")

    async def others() -> None:
        trainer = Trainer(children, guarded)
        for function in ("dry_run", "predict"):
            assert isinstance(await trainer.run(Job(function, "")), Finished)

    asyncio.run(others())
    assert children.asked == ["dry_run", "predict"]


def test_an_unguarded_trainer_is_said_to_have_no_isolation(tmp_path: Path) -> None:
    bare = Training(("true",), tmp_path / "a", BOUNDS, guarded=False)
    assert Trainer(Children(), bare).level is Level.NONE
    assert Trainer(Children(), a_training(tmp_path, "true", "")).level is Level.LANDLOCK


def test_a_folder_that_is_gone_is_the_infrastructures_fault(tmp_path: Path) -> None:
    trainer = Trainer(Children(), a_training(tmp_path, LEAVE, ""))
    trainer.clear()
    outcome = asyncio.run(trainer.run(job()))
    assert isinstance(outcome, Broken)
    assert outcome.reason.startswith("the trainer's folder: ")


def test_each_training_has_devices_of_its_own(tmp_path: Path) -> None:
    training = Training(
        (
            "/bin/sh",
            "-c",
            f"echo $CUDA_VISIBLE_DEVICES >&2; sleep 0.2; {LEAVE}; exit 1",
            "sh",
            "",
            "{output}",
            "{data}",
        ),
        tmp_path / "runs",
        BOUNDS,
        variables={"PATH": "/usr/bin:/bin"},
        slots=(("0", "1"), ("2", "3")),
    )

    async def four() -> list[ChildOutcome]:
        trainer = Trainer(Children(), training)
        return await asyncio.gather(*(trainer.run(job()) for _ in range(4)))

    said = sorted(got.reason.rpartition(": ")[2] for got in asyncio.run(four()) if isinstance(got, Killed))
    assert said == ["0,1", "0,1", "2,3", "2,3"]


def test_runs_leave_no_files_behind(train: Train, tmp_path: Path) -> None:
    train(LEAVE)
    assert not (tmp_path / "campaign" / "runs").exists()

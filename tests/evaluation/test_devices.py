"""Devices as a campaign names them, as NVIDIA's driver describes them, and as slots; no GPU is needed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli import main
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.devices import devices_of, worker_count
from evoarch.agent.evaluation.doctor import examine
from evoarch.evaluators.inside import device as inside
from evoarch.evaluators.inside.predict import predict
from evoarch.evaluators.inside.resume import restore, snapshot
from evoarch.evaluators.segments import wrong_state
from evoarch.sandbox import device_faults, nvidia
from evoarch.sandbox.device import CPU, Device
from evoarch.sandbox.job import Job
from evoarch.sandbox.limits import Level
from evoarch.sandbox.nvidia import Gpu, gpus
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished
from evoarch.sandbox.slots import OnDevices
from kit.campaigns import config_of

GIB = 1 << 30
TWO = [
    Gpu(n, "Made Up 80", 80 * GIB, Device("cuda", f"cuda:{n}", f"GPU-{n}", files=(f"/dev/nvidia{n}",)))
    for n in range(2)
]


def config(**evaluation: object) -> Config:
    return config_of(evaluation=evaluation)


def test_a_slot_per_gpu_and_each_gets_its_first_child_before_one_gets_its_second() -> None:
    table = config(device="cuda", slots_per_device=2, autocast="bf16").evaluation
    found = devices_of(table, lambda: TWO)
    assert [device.label for device in found] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert {(device.share, device.autocast) for device in found} == {(0.45, True)}
    assert [d.label for d in devices_of(config(device="cuda:1").evaluation, lambda: TWO)] == ["cuda:1"]
    limited = devices_of(config(device="cuda", device_memory=1024).evaluation, lambda: TWO)
    assert limited[0].memory == GIB


def test_without_a_word_of_devices_none_is_looked_for() -> None:
    def never() -> Sequence[Gpu]:
        raise AssertionError("asked for GPUs")

    assert devices_of(config().evaluation, never) == []


def test_workers_are_one_per_slot_unless_a_number_is_given() -> None:
    assert worker_count(config(device="cuda"), [TWO[0].device] * 3) == 3
    assert worker_count(config(device="cuda", workers=5), [TWO[0].device] * 3) == 5
    assert worker_count(config()) >= 1


@pytest.mark.parametrize(
    ("evaluation", "found", "said"),
    [
        ({"device": "cuda"}, [], 'expected a CUDA device for "cuda", got none'),
        ({"device": "cuda:3"}, TWO, '"cuda:3" names cuda:3; there are cuda:0 (Made Up 80), cuda:1'),
        ({"device": "cuda:0"}, [replace(TWO[0], problem="no driver")], "cuda:0 (Made Up 80): no driver"),
        (
            {"device": "cuda", "slots_per_device": 4, "device_memory": 20_000},
            TWO,
            "device_memory: expected at most 18432 MiB for each of 4 slots on cuda:0",
        ),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    evaluation: dict[str, object], found: list[Gpu], said: str
) -> None:
    with pytest.raises(UserError, match="evaluation") as error:
        devices_of(config(**evaluation).evaluation, lambda: found)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({"device": "gpu"}, "evaluation.device"),
        ({"device": "cuda:"}, "evaluation.device"),
        ({"device": "cuda:1,1"}, "expected each number once"),
        ({"autocast": "bf16"}, "autocast: expected 'off' with device = \"cpu\""),
        ({"slots_per_device": 2}, "slots_per_device: expected 1"),
        ({"device": "cuda", "pool": "ray"}, 'expected "cpu" with pool = "ray"'),
        ({"device_memory": 10}, "device_memory: expected 0"),
    ],
)
def test_a_device_that_can_t_be_meant_is_refused(evaluation: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as error:
        config(**evaluation)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_run_without_cuda_ends_before_anything_is_spent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "c"
    with pytest.raises(SystemExit):
        main(["init", str(folder), "--task", "mnist1d"])
    with pytest.raises(SystemExit) as ended:
        main(["run", str(folder), "--set", "evaluation.device=cuda"])
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert "evaluation.device" in said[-1]
    assert not (folder / "archive.db").exists()


class FakeCuda:
    """torch.cuda of a machine with two GPUs, whose driver counts them the other way round."""

    def __init__(self) -> None:
        self.fraction = 0.0

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def get_device_properties(self, index: int) -> object:
        place = {"pci_domain_id": 0, "pci_bus_id": 0x65 - index, "pci_device_id": 0}
        return SimpleNamespace(name="Made Up 80", total_memory=80 * GIB, uuid=f"id-{index}", **place)

    def mem_get_info(self) -> tuple[int, int]:
        return 79 * GIB, 80 * GIB

    def set_per_process_memory_fraction(self, fraction: float) -> None:
        self.fraction = fraction


def machine(root: Path) -> Path:
    (root / "dev").mkdir()
    for node in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (root / "dev" / node).touch()
    for minor, bus in enumerate(("0000:64:00.0", "0000:65:00.0")):
        folder = root / "proc/driver/nvidia/gpus" / bus
        folder.mkdir(parents=True)
        (folder / "information").write_text(
            f"Model: \t Made Up\nDevice Minor: \t {minor}\n", encoding="utf-8"
        )
    return root


def test_a_gpu_is_bound_by_its_identity_and_its_own_node(tmp_path: Path) -> None:
    first, second = gpus(FakeCuda(), machine(tmp_path))
    assert (first.device.visible, first.device.files) == (
        "GPU-id-0",
        ("/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm"),
    )
    assert second.device.files[0] == "/dev/nvidia0"
    assert not first.problem


def test_a_gpu_without_its_driver_s_files_can_t_be_used(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    assert "not under /dev" in gpus(FakeCuda(), tmp_path)[0].problem


def test_without_cuda_there_are_no_gpus() -> None:
    assert gpus(SimpleNamespace(is_available=lambda: False)) == []


def test_no_path_that_a_driver_reads_is_another_process(tmp_path: Path) -> None:
    assert not {"/", "/proc", "/sys", "/home"} & set(nvidia._READS)


def test_doctor_shows_each_device_and_what_keeps_it_from_being_used(tmp_path: Path) -> None:
    shown = {p.what: p for p in examine(tmp_path, lambda: [TWO[0], replace(TWO[1], problem="no node")])}
    assert shown["cuda:0"].ok
    assert shown["cuda:0"].found == 'Made Up 80, 81920 MiB; usable as device = "cuda:0"'
    assert not shown["cuda:1"].ok
    assert "no node" in shown["cuda:1"].found
    assert "2 CUDA devices" in shown["devices"].found


@pytest.mark.parametrize(("share", "memory", "fraction"), [(0.45, 0, 0.45), (0.45, 8 * GIB, 0.1)])
def test_a_child_s_share_of_the_memory(share: float, memory: int, fraction: float) -> None:
    cuda = FakeCuda()
    inside.cap(cuda, Device("cuda", share=share, memory=memory).request())
    assert cuda.fraction == pytest.approx(fraction)


CUDA_SAYS = {
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB": "memory",
    "CUDA error: out of memory": "memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`": "memory",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED": "memory",
    "CUDA error: no CUDA-capable device is detected": "lost",
    "No CUDA GPUs are available": "lost",
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable": "lost",
    "CUDA error: uncorrectable ECC error encountered": "lost",
    "CUDA error: uncorrectable NVLink error detected during the execution": "lost",
    "CUDA error: invalid device ordinal": "lost",
    "CUDA error: system not yet initialized": "lost",
    "CUDA driver version is insufficient for CUDA runtime version": "lost",
    "GPU has fallen off the bus (Xid 79)": "lost",
    "CUDA error: device-side assert triggered": "candidate",
    "CUDA error: an illegal memory access was encountered": "candidate",
    "CUDA error: misaligned address": "candidate",
    "CUDA error: unspecified launch failure": "candidate",
    "CUDA error: too many resources requested for launch": "candidate",
    "CUDA error: invalid configuration argument": "candidate",
    "Expected all tensors to be on the same device, but found at least two devices": "candidate",
}


@pytest.mark.parametrize(("message", "whose"), CUDA_SAYS.items())
def test_whose_fault_an_error_of_the_device_is(message: str, whose: str) -> None:
    said = {"memory": device_faults.is_memory(message), "lost": device_faults.is_lost(message)}
    assert [name for name, holds in said.items() if holds] == ([] if whose == "candidate" else [whose])


class Recorder:
    """A runner that answers what it was told to, and counts how many children a device has at once."""

    level = Level.NONE

    def __init__(self, broken: str = "") -> None:
        self.broken, self.now, self.most = broken, dict[str, int](), 0
        self.labels: list[str] = []

    async def run(self, job: Job) -> ChildOutcome:
        label = job.device.label
        self.labels.append(label)
        self.now[label] = self.now.get(label, 0) + 1
        self.most = max(self.most, *self.now.values())
        await asyncio.sleep(0)
        self.now[label] -= 1
        return Broken("lost") if label == self.broken else Finished({})

    async def close(self) -> None: ...


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 12))
def test_no_device_has_more_children_than_slots(gpus: int, slots: int, children: int) -> None:
    async def all_of_them() -> Recorder:
        recorder = Recorder()
        devices = [Device(label=f"d{n}") for _ in range(slots) for n in range(gpus)]
        runner = OnDevices(recorder, devices)
        await asyncio.gather(*(runner.run(Job("", "")) for _ in range(children)))
        return recorder

    recorder = asyncio.run(all_of_them())
    assert len(recorder.labels) == children
    assert recorder.most <= slots
    assert len(set(recorder.labels)) == min(gpus, children)


def test_a_device_that_keeps_failing_is_left_alone_but_never_the_last() -> None:
    async def many(devices: int) -> tuple[list[str], int]:
        recorder = Recorder(broken="d0")
        runner = OnDevices(recorder, [Device(label=f"d{n}") for n in range(devices)])
        for _ in range(9):
            await runner.run(Job("", ""))
        return recorder.labels, runner.slots

    labels, left = asyncio.run(many(2))
    assert (labels.count("d0"), left) == (2, 1)
    assert asyncio.run(many(1)) == (["d0"] * 9, 1)


@pytest.mark.filterwarnings("ignore:.*meta parameter.*:UserWarning")
def test_a_prediction_is_made_where_the_options_say() -> None:
    """On `meta`, which computes nothing, an operation that mixes devices is an error all the same."""
    genome = SimpleNamespace(Model=lambda: torch.nn.Linear(3, 2))
    arrays = {"inputs": torch.ones(5, 3), "0/weight": torch.ones(2, 3), "0/bias": torch.ones(2)}
    options = {"entry": "Model", "offers": {"num_classes": 2}, "batch": 2, "checkpoints": 1, "device": "meta"}
    tensors, _ = predict(genome, arrays, options, lambda stage: None)  # type: ignore[arg-type]
    assert tensors["logits"].device.type == "meta"
    assert tensors["logits"].shape == (1, 5, 2)


def test_training_goes_on_from_the_device_s_own_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = SimpleNamespace(state=torch.arange(16, dtype=torch.uint8))
    module = SimpleNamespace(
        get_rng_state=lambda: drawn.state, set_rng_state=lambda state: setattr(drawn, "state", state)
    )
    monkeypatch.setattr(torch, "get_device_module", lambda kind: {"cuda": module}[kind])
    model = torch.nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    held = snapshot(model, optimiser, {"device": "cuda"})
    state = {name: value.numpy() for name, value in held.items()}
    weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    assert wrong_state(state, weights) == ""
    assert "rng_device: expected" in wrong_state(
        {**state, "rng_device": np.zeros(1 << 20, np.uint8)}, weights
    )
    drawn.state = torch.zeros(16, dtype=torch.uint8)
    restore(model, optimiser, held, {"device": "cuda"})
    assert drawn.state.tolist() == list(range(16))
    restore(model, optimiser, {n: v for n, v in held.items() if n != "rng_device"}, {"device": "cuda"})
    assert "rng_device" not in snapshot(model, optimiser, {})


def test_full_precision_is_set_before_anything_is_computed() -> None:
    torch.backends.cudnn.allow_tf32 = True
    inside.settle_numerics()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.deterministic


def test_a_request_crosses_as_json() -> None:
    assert json.loads(json.dumps(TWO[0].device.request()))["visible"] == "GPU-0"
    assert not CPU.has_driver

"""NVIDIA's GPUs as devices: which there are, and what a child must be able to open to compute on one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoarch.sandbox.device import Device

_NODES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
"""What all GPUs share, under /dev."""

_READS = (
    "/proc/driver/nvidia",
    "/proc/self",
    "/proc/devices",
    "/proc/meminfo",
    "/sys/bus/pci",
    "/sys/devices",
)
"""Where the driver looks for the machine's layout. Read-only; no process but the child's own is in it."""


@dataclass(frozen=True)
class Gpu:
    """One GPU that this process may use. `memory` in bytes; `problem`: why it can't be used, or ""."""

    index: int
    name: str
    memory: int
    device: Device
    problem: str = ""


def gpus(cuda: Any = None, root: Path = Path("/")) -> list[Gpu]:
    """The GPUs that torch sees, in its order, which CUDA_VISIBLE_DEVICES may narrow; empty without CUDA.

    `cuda` stands in for torch.cuda, `root` for the file system. Opens the driver in this process, which must
    not be the one that forks.
    """
    if cuda is None:
        import torch

        cuda = torch.cuda
    if not cuda.is_available():
        return []
    return [_gpu(cuda, index, root) for index in range(cuda.device_count())]


def _gpu(cuda: Any, index: int, root: Path) -> Gpu:
    properties = cuda.get_device_properties(index)
    # By its identity: an index depends on the order in which a process happens to count.
    identity = str(getattr(properties, "uuid", ""))
    visible = f"GPU-{identity.removeprefix('GPU-')}" if identity else str(index)
    nodes = [*_own_nodes(properties, root), *_NODES]
    files = tuple(f"/dev/{node}" for node in nodes if (root / "dev" / node).exists())
    device = Device("cuda", f"cuda:{index}", visible, files=files, reads=_READS)
    problem = "" if len(files) > 1 else "its driver's files are not under /dev"
    return Gpu(index, str(properties.name), int(properties.total_memory), device, problem)


def _own_nodes(properties: Any, root: Path) -> list[str]:
    """The node of this GPU alone, where the driver says which it is; else all of them."""
    domain, bus, slot = (getattr(properties, f"pci_{part}_id", None) for part in ("domain", "bus", "device"))
    if isinstance(domain, int) and isinstance(bus, int) and isinstance(slot, int):
        told = root / "proc/driver/nvidia/gpus" / f"{domain:04x}:{bus:02x}:{slot:02x}.0" / "information"
        if told.is_file():
            for line in told.read_text(encoding="utf-8").splitlines():
                key, _, value = line.partition(":")
                if key.strip() == "Device Minor" and value.strip().isdigit():
                    return [f"nvidia{value.strip()}"]
    return sorted(path.name for path in (root / "dev").glob("nvidia[0-9]*"))

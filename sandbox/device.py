"""Where a child computes: the CPU, or a device behind a driver, which it opens after the fork."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Device:
    """`kind` is torch's device type, `label` what messages call it.

    A child sees one device: `visible` says which, in the driver's own words. It may take `share` of the
    device's memory, or `memory` bytes where that is not 0. `autocast`: trainings compute in bfloat16 where
    torch thinks it safe.

    `files` are what the driver opens and controls (device nodes); `reads` are files and folders that may be
    read meanwhile. With any file the child has the locks of a device (docs/security.md), and the program's
    entry must have `open_device`.
    """

    kind: str = "cpu"
    label: str = "cpu"
    visible: str = ""
    share: float = 1.0
    memory: int = 0
    autocast: bool = False
    files: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    @property
    def has_driver(self) -> bool:
        return bool(self.files)

    def request(self) -> dict[str, object]:
        """As a zygote hands it to a child."""
        return asdict(self)


CPU = Device()

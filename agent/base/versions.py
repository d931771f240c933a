"""What a number depends on beside the genome: the versions of what computed it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("evoarch", "torch", "numpy", "libcst", "transformers")


def versions() -> dict[str, str]:
    """Python, the system and the packages that results depend on, as they are here."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

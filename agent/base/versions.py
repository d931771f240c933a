"""What a number depends on beside the genome: the versions of what computed it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("evoarch", "torch", "numpy", "libcst", "transformers")
"""Installed packages that results depend on."""


def versions() -> dict[str, str]:
    """By name, the versions of Python, of the system, and of those of `PACKAGES` that are installed."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

"""Whose fault an error of a device is, by its message. Standard library only: a child reads it too.

The texts are those of CUDA's runtime (cudaGetErrorString, CUDA 12), the status names of cuBLAS and cuDNN, and
what torch says around them. What is in neither table is the candidate's like any other exception: an
assertion on the device, an address outside its tensors, too many resources for a launch.
"""

from __future__ import annotations

MEMORY = (
    "out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)
"""The child took more of the device than it may, or than is there."""

LOST = (
    "no cuda-capable device",
    "no cuda gpus are available",
    "device(s) is/are busy or unavailable",
    "uncorrectable ecc error",
    "uncorrectable nvlink error",
    "device lost",
    "gpu is lost",
    "fallen off the bus",
    "gpu requires reset",
    "hardware error",
    "hardware stack error",
    "system not yet initialized",
    "driver version is insufficient",
    "driver shutting down",
    "initialization error",
    "invalid device ordinal",
    "unable to determine the device handle",
)
"""The device, its driver or the machine failed. A genome can say so as well, so it is never just believed."""


def is_memory(message: str) -> bool:
    return any(sign in message.lower() for sign in MEMORY)


def is_lost(message: str) -> bool:
    return any(sign in message.lower() for sign in LOST)

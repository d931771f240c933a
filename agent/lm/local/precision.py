"""Which number format a model computes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def dtype_for(name: str, device: str) -> torch.dtype:
    """The dtype of that name; "auto": bfloat16 where the processor multiplies in it, float32 elsewhere."""
    if name != "auto":
        return getattr(torch, name)  # type: ignore[no-any-return]
    if device.startswith("cuda"):
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # An older torch does not say; float32 is never wrong.
        can: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        pays = bool(can.get("avx512_bf16") or can.get("amx_bf16"))
    return torch.bfloat16 if pays else torch.float32

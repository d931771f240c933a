"""The process of a local model: JSON lines in on stdin, JSON lines out on stdout, gone with its parent.

Run as `python -m agent.lm.local.worker PATH THREADS PARENT DEVICE`. The first line out says `ready` or
`error`; afterwards each request line is answered by one line with the same `id`.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from evoarch.agent.base.pdeathsig import die_with_parent


def main(path: str, threads: int, parent: int, device: str) -> None:
    """Load the model at `path` and answer one request a line until the input ends."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    # Whatever a library prints must not stand between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    try:
        import torch

        torch.set_num_threads(threads)
        from evoarch.agent.lm.local.sampling import Sampler

        if device != "cpu" and not torch.cuda.is_available():
            raise ValueError(f'expected a CUDA device for device = "{device}", got none that torch sees')
        sampler = Sampler(Path(path), device)
    except Exception as error:  # noqa: BLE001 - any failure to load is one line to the parent
        _say(out, {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"})
        return
    _say(out, {"ready": True, "context": sampler.context})
    while True:
        asked = json.loads(lines.get())
        number = asked.pop("id")
        try:
            _say(out, {"id": number, **sampler.sample(**asked)})
        except Exception as error:  # noqa: BLE001 - the model stays; this request alone failed
            kind = type(error).__name__
            _say(out, {"id": number, "error": f"{kind}: {' '.join(str(error).split())[:400]}", "kind": kind})


def _read(lines: queue.SimpleQueue[str]) -> None:
    """Hands lines on, and ends the process at the pipe's end even while the model is at work."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _say(out: TextIO, answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])

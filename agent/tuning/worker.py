"""`python -m agent.tuning.worker PARENT`: trains one soft prompt, in a process that may be killed any time.

An order as JSON on stdin; on stdout a line for each epoch and a last one with the result or `error`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

from evoarch.agent.base.pdeathsig import die_with_parent


def main(parent: int) -> None:
    """Train by the order on the first line of the input; one line of JSON out."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    # Whatever a library prints must not stand between the lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        _say(out, {"done": _train(json.loads(sys.stdin.read()), out)})
    except Exception as error:  # noqa: BLE001 - any failure is one line to the parent
        _say(out, {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"})


def _train(order: dict[str, Any], out: TextIO) -> dict[str, object]:
    import torch

    from evoarch.agent.config.rounds import TuningTable
    from evoarch.agent.lm.local.sampling import dtype_for, load
    from evoarch.agent.lm.local.soft_prompts import load_soft_prompt, path_of, save_soft_prompt
    from evoarch.agent.tuning.training import Checkpoint, train

    table = TuningTable.model_validate(order["table"])
    torch.set_num_threads(table.threads or len(os.sched_getaffinity(0)))
    folder = Path(order["folder"])
    checkpoint = Checkpoint(folder / f"round-{order['number']}.checkpoint", order["digest"])
    model, tokenizer = load(Path(order["model"]))
    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = found if table.device == "auto" else table.device
    model.to(device=device, dtype=dtype_for(table.dtype, device))
    trained = train(
        model,
        tokenizer,
        [(prompt, completion) for prompt, completion in order["training"]],
        [(prompt, completion) for prompt, completion in order["held_out"]],
        table,
        seed=order["seed"],
        start=load_soft_prompt(path_of(folder, order["after"])) if order["after"] else None,
        checkpoint=checkpoint,
        say=lambda said: _say(out, said),
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "digest": save_soft_prompt(folder, trained.values),
        "losses": list(trained.losses),
        "before": trained.before,
        "after": trained.after,
        "cpu_seconds": used.ru_utime + used.ru_stime,
    }


def _say(out: TextIO, line: dict[str, object]) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))

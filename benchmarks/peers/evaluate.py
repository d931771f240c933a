"""The evaluator that both peers get: it runs the program, then sleeps. Score: (its number + 1) x SIGN / 1000.

OpenEvolve imports `evaluate`; ShinkaEvolve runs this file. A program that raises scores 0.0 here, which is
what an evaluator that catches a crash usually answers. Numbers that were evaluated to the end stand in
PEERS_LOG.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from pathlib import Path


def evaluate(program_path: str) -> dict[str, float]:
    """The score of one program, under the key that both peers read."""
    specification = importlib.util.spec_from_file_location("candidate", program_path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    value = module.run()
    time.sleep(float(os.environ.get("PEERS_EVALUATION", "0")))
    if log := os.environ.get("PEERS_LOG"):
        with open(log, "a") as file:
            file.write(f"{value}\n")
    return {"combined_score": (float(value) + 1) * float(os.environ.get("PEERS_SIGN", "1")) / 1000}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path", required=True)
    parser.add_argument("--results_dir", required=True)
    chosen = parser.parse_args()
    error: str | None = None
    metrics: dict[str, float] = {"combined_score": 0.0}
    try:
        metrics = evaluate(chosen.program_path)
    except Exception as problem:  # noqa: BLE001 the peers' own examples record any error of a program
        error = str(problem)
    folder = Path(chosen.results_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "correct.json").write_text(json.dumps({"correct": error is None, "error": error}))

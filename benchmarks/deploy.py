"""Which models can be written for other tools, how far their answers are apart, and what int8 costs.

    python -m benchmarks.deploy [--only NAME,NAME]     # minutes of CPU a model; goes on where it stopped
    python -m benchmarks.deploy --page                 # the table in docs/deploy.md again

Models: the baselines of `mnist1d` and `digits`, every family of the zoo at about 20,000 parameters, and the
ten bred models of the lowest error in one kept campaign. Each is trained once by the recipe `fast`, written
as ONNX in float32 and int8 and as a program of torch.export, and asked for its answers. Rows are kept in
results/deploy.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.results_kept import unpack

from evoarch import open_archive
from evoarch.agent.config.load import parse
from evoarch.agent.deploy.export import ONNX, PROGRAM, Deployed, open_exporter
from evoarch.agent.evaluation.bench import open_bench, plan_bench
from evoarch.archive.records import Failed
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.zoo.catalogue import load_catalogue
from evoarch.evaluators.zoo.fit import FitError, fit
from evoarch.sandbox.genome import source_digest

TOP = Path(__file__).parents[1]
RESULTS, PAGE = TOP / "results" / "deploy.json", TOP / "docs" / "deploy.md"
BRED = TOP / "results" / "mnist1d" / "syntactic" / "seed-100.db.xz"
"""A campaign whose children are by rule, from mutation and crossover."""
KINDS = ("baseline", "zoo", "bred")
"""Where models come from, in the table's order."""
BEGIN, END = "<!-- models: written by benchmarks/deploy.py -->\n", "<!-- end of models -->\n"
TASKS = ("digits", "mnist1d")
"""The first one that a family takes is its task."""
PARAMETERS, MOST_BRED = 20_000, 10
REPEATS, EXAMPLES = 30, 64
"""Of a latency: so many pairs of runs, each over as many examples, one at a time."""


@dataclass(frozen=True)
class Model:
    """`kind`: where it comes from, in a word."""

    name: str
    kind: str
    task: str
    source: str


def models() -> Iterator[Model]:
    """All of them, in the table's order."""
    for task in reversed(TASKS):
        for name, source in load_task(task).seeds.items():
            yield Model(f"{task} {name}", "baseline", task, source)
    for family in load_catalogue().values():
        for task in TASKS:
            try:
                fitted = fit(family, load_task(task).offers, PARAMETERS)
            except FitError:
                continue
            yield Model(family.name, "zoo", task, fitted.source)
            break
    with tempfile.TemporaryDirectory() as folder, open_archive(unpack(BRED, Path(folder, "bred"))) as store:
        bred = sorted((c for c in store.scored() if c.parents), key=lambda c: (c.metrics["error"], c.id))
        for each in bred[:MOST_BRED]:
            yield Model(f"#{each.id}", "bred", "mnist1d", store.candidate(each.id).source)


async def measured(model: Model) -> dict[str, Any]:
    """The model's row: what it errs, and of each format what came of it."""
    tables = {
        "campaign": {"name": "deploy", "task": model.task},
        "operators": [{"name": "random"}],
        "evaluation": {"wall_clock": 7200.0},  # a busy machine fails none for the time that others take
    }
    plan = plan_bench(parse(tables, "deploy"), TOP)
    row: dict[str, Any] = {"kind": model.kind, "task": model.task}
    with tempfile.TemporaryDirectory() as runs:
        async with (
            open_bench(plan, runs=Path(runs)) as bench,
            open_exporter(bench) as exporter,
        ):
            own = await bench.evaluator.evaluate(model.source, digest=source_digest(model.source), repeat=0)
            if isinstance(own.outcome, Failed):
                return row | {"failed": f"{own.outcome.stage}: {own.outcome.reason}"}
            row |= {"error": own.outcome.metrics["error"], "params": int(own.outcome.metrics["params"])}
            program = await exporter.export(model.source, own.weights, PROGRAM)
            row["program"] = program.reason if isinstance(program, Failed) else program.apart
            made = await exporter.export(model.source, own.weights, ONNX, int8=True)
            if isinstance(made, Failed):
                plain = await exporter.export(model.source, own.weights, ONNX)
                row["int8"] = made.reason
                row["onnx"] = plain.reason if isinstance(plain, Failed) else plain.apart
                return row
            return row | in_onnx(made, exporter.evaluator)


def in_onnx(made: Deployed, evaluator: Evaluator) -> dict[str, Any]:
    """What a row says of an ONNX file and its int8 form."""
    assert made.int8 is not None
    lost = made.int8.lost
    inputs = evaluator.grading.question().arrays["inputs"][:EXAMPLES]
    return {
        "onnx": made.apart,
        "opset": made.opset,
        "bytes": [len(made.data), len(made.int8.data)],
        "int8": [lost.mean, lost.low, lost.high],
        "latency": latency_ratio(made.int8.data, made.data, inputs),
    }


def latency_ratio(first: bytes, second: bytes, inputs: Any) -> float:
    """The time of the first file's answers as a ratio to that of the second's: the median of paired runs, one
    example at a time, on one thread.
    """
    sessions = [session_of(first), session_of(second)]
    ratios = []
    for number in range(REPEATS):
        order = (0, 1) if number % 2 else (1, 0)
        took = {place: seconds(sessions[place], inputs) for place in order}
        ratios.append(took[0] / took[1])
    return round(statistics.median(ratios), 3)


def session_of(data: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def seconds(session: Any, inputs: Any) -> float:
    began = time.perf_counter()
    for place in range(len(inputs)):
        session.run(None, {"inputs": np.ascontiguousarray(inputs[place : place + 1])})
    return time.perf_counter() - began


def kept() -> Mapping[str, Mapping[str, Any]]:
    """The rows of results/deploy.json by model; none where the file is not there."""
    rows: Mapping[str, Mapping[str, Any]] = (
        json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    )
    return rows


def cell(found: object) -> str:
    return f"{found:.1e}" if isinstance(found, float) else str(found).partition("! ")[0].partition(". ")[0]


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    heads = ["model", "from", "task", "parameters", "error", "ONNX: apart", "torch.export: apart"]
    heads += ["int8: error more, 95%", "int8: time of float32"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, row in sorted(rows.items(), key=lambda item: KINDS.index(item[1]["kind"])):
        head = f"| {name} | {row['kind']} | {row['task']} |"
        if "failed" in row:
            lines.append(f"{head} | {row['failed']} | | | | |")
            continue
        int8 = row["int8"]
        lost = cell(int8) if isinstance(int8, str) else f"{int8[0]:+.4f} [{int8[1]:+.4f}, {int8[2]:+.4f}]"
        ratio = f"{row['latency']:.2f} x" if "latency" in row else ""
        lines.append(
            f"{head} {row['params']:,} | {row['error']:.4f} | {cell(row['onnx'])} | {cell(row['program'])} |"
            f" {lost} | {ratio} |"
        )
    return "\n".join(lines) + "\n"


def write_page() -> None:
    """The table of what is kept, between its marks in docs/deploy.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table(kept())}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="Names, between commas")
    parser.add_argument("--page", action="store_true", help="Measure nothing")
    chosen = parser.parse_args()
    only = [name for name in chosen.only.split(",") if name]
    for model in [] if chosen.page else models():
        if model.name in kept() or (only and model.name not in only):
            continue
        row = asyncio.run(measured(model))
        RESULTS.write_text(json.dumps({**kept(), model.name: row}, indent=1) + "\n", encoding="utf-8")
        print(f"{model.name}: {json.dumps(row)}", flush=True)
    write_page()


if __name__ == "__main__":
    main()

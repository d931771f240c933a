"""Does the LM's wait hold an evaluation slot? An endpoint of 1.0 s latency, an evaluation of 1.0 s, one slot.

    python benchmarks/pipeline.py [--children 30] [--latency 1.0] [--evaluation 1.0] [--slots 1]

A real HTTP server on loopback answers the openai client after its latency; each evaluation is a real forked
child behind the walls that sleeps. Prints seconds per child and the ratio to the evaluation alone.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from evoarch.agent.config.load import Config, parse
from evoarch.agent.lm.base import Complete, LMRequest
from evoarch.agent.lm.registry import build_lm
from evoarch.agent.operators.base import Draft, Order
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.components import Components
from evoarch.archive.store import create
from evoarch.evaluators.fakes import hashed_score
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Evaluated
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.job import Job, Program
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Killed, Raised
from evoarch.sandbox.runner import ZygoteRunner, start

MODEL = """from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear({width}, 10)

    def forward(self, x):
        return self.layer(x)
"""

SLEEP = """
import time

def warmup():
    pass

def nap(genome, arrays, options, announce):
    time.sleep(options["seconds"])
    return {}, {}
"""


class Endpoint(BaseHTTPRequestHandler):
    """Answers every completion with the next number, after its latency."""

    latency = 1.0
    numbers = itertools.count(1)
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(
            {"object": "list", "data": [{"id": "stub", "object": "model", "created": 0, "owned_by": "x"}]}
        )

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        asked = json.loads(self.rfile.read(length))
        time.sleep(self.latency)
        choices = [
            {"index": i, "text": str(next(self.numbers)), "finish_reason": "stop"}
            for i in range(asked.get("n", 1))
        ]
        usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
        self._send(
            {
                "id": "x",
                "object": "text_completion",
                "created": 0,
                "model": "stub",
                "choices": choices,
                "usage": usage,
            }
        )

    def _send(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


class Asking:
    """An LM operator whose child is the number that the endpoint said."""

    name, arity, samples = "lm.scoped", 1, 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        assert complete is not None
        reply = await complete(LMRequest(prompt="a number:", n=order.count, seed=rng.randrange(2**31)))
        return [Draft(MODEL.format(width=text)) for text in reply.texts]


class Napping:
    """An evaluator whose isolated child sleeps."""

    def __init__(self, runner: ZygoteRunner, seconds: float) -> None:
        self._runner = runner
        self._seconds = seconds

    async def dry_run(self, source: str) -> DryRunPassed | Raised | Killed | Broken:
        return DryRunPassed(function_digest="", params=1)

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        job = Job("nap", source, options={"seconds": self._seconds}, limits=Limits(wall_clock=60))
        outcome: ChildOutcome = await self._runner.run(job)
        assert isinstance(outcome, Finished), outcome
        return Evaluated(hashed_score(source), outcome.usage.seconds, outcome.usage.cpu_seconds)


async def measure(chosen: argparse.Namespace, url: str, folder: Path) -> float:
    table = {"name": "lm.scoped", "lm": "small", "samples": 1}
    settings = {"name": "small", "backend": "openai", "base_url": url, "model": "stub"}
    config: Config = parse(
        {
            "campaign": {"name": "pipeline"},
            "budget": {"evaluations": chosen.children},
            "evaluation": {"repeats": 1},
            "lm": [settings],
            "operators": [table],
        },
        "pipeline",
    )
    store = create(folder, name="pipeline", seed=0)
    seed = MODEL.format(width=1_000_000)
    store.add_seed("seed", seed, source_digest(seed))
    lm = build_lm(config.lm[0])
    runner = await start(Program({"sleeper": SLEEP}, "sleeper"))
    try:
        await Napping(runner, 0.0).evaluate(seed, digest="", repeat=0)
        parts = Components(Napping(runner, chosen.evaluation), {}, [Asking()], {"small": lm}, chosen.slots)
        began = time.monotonic()
        ending = await Campaign(store, config, parts).run()
        took = time.monotonic() - began
        assert ending.complete, ending
        assert store.totals.entered_training() == chosen.children
        # The seed is evaluated first and is no child.
        return (took - chosen.evaluation) / chosen.children
    finally:
        await runner.close()
        await lm.close()
        store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--children", type=int, default=30)
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--evaluation", type=float, default=1.0)
    parser.add_argument("--slots", type=int, default=1)
    chosen = parser.parse_args()
    Endpoint.latency = chosen.latency
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with tempfile.TemporaryDirectory() as top:
        each = asyncio.run(measure(chosen, url, Path(top) / "campaign"))
    server.shutdown()
    ideal = chosen.evaluation / chosen.slots
    ratio = f", {each / ideal:.3f} x the evaluation alone" if ideal else ""
    print(
        f"latency {chosen.latency} s, evaluation {chosen.evaluation} s, {chosen.slots} slots, "
        f"{chosen.children} children: {each:.3f} s per child{ratio}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

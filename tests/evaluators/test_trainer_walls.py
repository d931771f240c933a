"""What an external training program can't reach behind bubblewrap."""

import asyncio
import os
import socket
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from evoarch.evaluators.trainer import Trainer, Training
from evoarch.sandbox.external import Bounds
from evoarch.sandbox.job import Job
from evoarch.sandbox.level import bwrap_problem, find_bwrap
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import ChildOutcome, Killed

NO_BWRAP = bwrap_problem()
ARRAYS = {"inputs": np.zeros((3, 2), np.float32), "targets": np.array([0, 1, 0])}
RECIPE = {"name": "fast", "steps": 7, "batch": 2, "rate": 0.1}
OPTIONS = {"entry": "Model", "offers": {"num_classes": 2}, "kwargs": {}, "loss": "l", "recipe": RECIPE}


class NoChildren:
    """The runner of the children, which a training does not ask."""

    level = Level.LANDLOCK

    async def run(self, job: Job) -> ChildOutcome:
        raise AssertionError(f"a child was asked for {job.function}")

    async def close(self) -> None:
        pass


@pytest.mark.skipif(bool(NO_BWRAP), reason=NO_BWRAP or "bubblewrap works")
def test_behind_bubblewrap_it_reaches_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOARCH_CANARY", "canary")
    secret = tmp_path / "campaign" / "archive.db"
    secret.parent.mkdir()
    secret.write_text("secret")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    program = tmp_path / "attack.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import os, signal, socket, sys
            genome, output, data = sys.argv[1:4]
            found = []
            def attempt(name, do):
                try:
                    if do() is not False:
                        found.append(name)
                except OSError:
                    pass
            attempt("read", lambda: open({str(secret)!r}).read())
            attempt("list", lambda: "archive.db" in os.listdir({str(secret.parent)!r}))
            attempt("tests", lambda: open({__file__!r}).read())
            attempt("data", lambda: open(data, "ab").write(b"x"))
            attempt("genome", lambda: open(genome, "a").write("x"))
            attempt("network", lambda: socket.create_connection(("127.0.0.1", {port}), 1))
            attempt("signal", lambda: os.kill({os.getpid()}, signal.SIGUSR1))
            attempt("environment", lambda: "EVOARCH_CANARY" in os.environ)
            attempt("etc", lambda: open("/etc/passwd").read())
            attempt("system", lambda: open("/usr/evil", "w"))
            open(os.path.join(output, "note"), "w").write("may be written")
            open("/tmp/scratch", "w").write("may be written")
            print("reached", found, file=sys.stderr)
            sys.exit(1)
            """
        )
    )
    training = Training(
        (sys.executable, "-S", str(program), "{genome}", "{output}", "{data}"),
        secret.parent / "runs",
        Bounds(wall_clock=60.0, output=4 << 20),
        find_bwrap() or "",
        shows=(program,),
    )

    async def once() -> ChildOutcome:
        return await Trainer(NoChildren(), training).run(Job("train", "class Model: pass\n", ARRAYS, OPTIONS))

    got = asyncio.run(once())
    assert isinstance(got, Killed)
    assert got.reason.endswith("exit status 1: reached []"), got.reason
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()

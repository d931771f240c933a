"""What runs a campaign elsewhere: the service, the job and the image stand up to their own tools."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from kit.paths import ROOT

EXAMPLES = ROOT / "examples" / "cluster"
BASE = os.environ.get("EVOARCH_TEST_BASE", "python:3.12-slim")
OPTIONS = os.environ.get("EVOARCH_TEST_PODMAN", "").split()
BUILD = os.environ.get("EVOARCH_TEST_BUILD", "").split()


def test_systemd_finds_nothing_to_say_of_the_service(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "verify", "--user", str(EXAMPLES / "evoarch@.service")]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_job_whose_time_is_up_lets_the_run_finish_and_queues_itself_again(tmp_path: Path) -> None:
    commands = {
        "evoarch": 'echo "$@"\ntrap "echo finished; exit 143" TERM\nkill -TERM $PPID\n'
        "while :; do read -r -t 1 <> <(:); done",
        "scontrol": 'echo scontrol "$@"',
    }
    for name, body in commands.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "17",
        "SLURM_CPUS_PER_TASK": "4",
    }
    command = ["bash", str(EXAMPLES / "campaign.sbatch"), "demo"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert found.stdout.splitlines() == [
        "run demo --set evaluation.workers=4 --json",
        "finished",
        "scontrol requeue 17",
    ]
    assert found.returncode == 128 + signal.SIGTERM


@pytest.mark.long
def test_the_image_is_built_and_runs_a_campaign_behind_walls(tmp_path: Path) -> None:
    """`EVOARCH_TEST_BASE`: an image to build on; `EVOARCH_TEST_PODMAN` and `EVOARCH_TEST_BUILD`: options of
    `podman`'s commands, and of `podman build`, that this machine needs.
    """
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    if subprocess.run(["podman", "image", "exists", BASE]).returncode and podman("pull", BASE).returncode:
        pytest.skip(f"the base image {BASE} is neither here nor to be had")
    built = podman("build", *OPTIONS, *BUILD, "--build-arg", f"BASE={BASE}", "-t", "evoarch-test", str(ROOT))
    assert built.returncode == 0, built.stderr[-2000:]
    who = podman("run", "--rm", *OPTIONS, "--entrypoint", "id", "evoarch-test", "-u")
    assert who.stdout.strip() == "1000"
    script = (
        "evoarch doctor && evoarch init c --task digits --lm none --seeds mlp --evaluations 2 "
        "&& evoarch run c --set evaluation.repeats=1 --json"
    )
    ran = podman("run", "--rm", *OPTIONS, "--entrypoint", "sh", "evoarch-test", "-c", script)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"level": "none"' not in ran.stdout


def podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True)

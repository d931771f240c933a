"""A pool of Ray that can't be used, and `doctor --pool`: one line each."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import parse
from evoarch.evaluators.pools import ray_reach
from evoarch.sandbox.level import detect
from kit.command import evoarch, new_campaign

ON_RAY = ("--set", "evaluation.pool=ray")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_campaign(tmp_path / "campaign", "--evaluations", "3")


def test_without_ray_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = evoarch("run", str(folder), *ON_RAY)
    assert result.exit_code == 1
    assert result.stderr == "evoarch: evaluation.pool: ray is not installed; pip install 'evoarch[ray]'\n"


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_named_at_once(folder: Path, scheme: str) -> None:
    pytest.importorskip("ray")
    result = evoarch("run", str(folder), *ON_RAY, "--set", f"evaluation.address={scheme}127.0.0.1:1")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        f"evoarch: evaluation.address: expected a Ray cluster at '{scheme}127.0.0.1:1', got:"
    )
    assert "refused" in line


def test_who_listens_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(ray_reach.SECONDS, ray_reach.GREETING_SECONDS) < 30
    monkeypatch.setattr(ray_reach, "GREETING_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        assert ray_reach.problem(address, seconds=0.5) == "no answer within 0.5 s"
        assert ray_reach.problem(f"ray://{address}") == "no answer within 0.4 s"


def test_what_a_slot_takes_is_checked() -> None:
    tables = {"campaign": {"name": "c"}, "operators": [{"name": "random"}]}
    slot = {"cpus": 0.5, "gpus": 0.25, "memory": 100, "resources": {"fast": 1}, "labels": {"zone": "a"}}
    config = parse({**tables, "evaluation": {"pool": "ray", "slot": slot}}, "test")
    assert config.evaluation.slot.gpus == 0.25
    for wrong, said in (({"gpu": 1}, "nearest known: gpus"), ({"cpus": 0}, "greater than 0")):
        with pytest.raises(UserError, match=said):
            parse({**tables, "evaluation": {"slot": wrong}}, "test")


def test_doctor_shows_the_local_pool(folder: Path) -> None:
    result = evoarch("doctor", str(folder), "--pool", "--json")
    assert result.exit_code == 0
    (node,) = json.loads(result.stdout)["rows"]
    assert node["level"] == detect().level
    assert node["slots"] == node["devices"]["cpus"] >= 1
    assert str(detect().level) in evoarch("doctor", str(folder), "--pool").stdout


def test_an_address_without_a_pool_is_a_mistake() -> None:
    result = evoarch("doctor", "--address", "auto")
    assert result.exit_code == 2
    assert "expected --pool beside it" in result.stderr

"""The caches hold what dm-clrs draws, and a network learns from them inside the walls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from evoarch.archive.records import Failed, Scored
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.sealed import Graded, confirming
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks.clrs import data, prepare, sampling
from evoarch.evaluators.tasks.clrs.recipes import RECIPES
from evoarch.evaluators.tasks.clrs.specs import algorithms
from evoarch.evaluators.tasks.clrs.task import ClrsTask
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.runner import start

SAMPLES = 4

# Of the complete dm-clrs 2.0.3 with real JAX, over all three splits:
# benchmarks/clrs_samples.py ALGORITHM ... --samples 4
DIGESTS = {
    "activity_selector": ("c3777b545d9f037e", "e56ad1b9a54b0776", "03e72998e3dcf776"),
    "bellman_ford": ("6e64cfb76669dda6", "8027be4b2c63019f", "719ef183c483b482"),
    "bfs": ("2fcc3a792993f617", "7016130494952f54", "a855529e3421b6ac"),
    "find_maximum_subarray_kadane": ("e731695a3693cd95", "8f396a5cc81f121b", "00ba7436459dcfc0"),
    "floyd_warshall": ("4846570c977167b8", "951d151c98349007", "82df4a7a68d82b52"),
    "heapsort": ("a766236a0f740fc2", "6263be4e7d0618b8", "718793d87c7daf6f"),
    "kmp_matcher": ("c4eef086d2930740", "4f92a3a41d526e67", "d2e3d1ff2b25a7bb"),
    "lcs_length": ("4108a2eceb25253f", "8c0298bdacff382f", "e8997874936e3773"),
    "minimum": ("5997fe8b228445e0", "14a9e36c6821daa1", "19f3b12846b9c32b"),
    "segments_intersect": ("431f528cca9cd51f", "81a1fd51994eb1b9", "2a07fc33db4ab273"),
    "topological_sort": ("0b9c9b167288e4e8", "6e6b396c144dde21", "dafcae57a3b4c174"),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the environment that `prepare` makes; made once, since pip takes seconds."""
    folder = tmp_path_factory.mktemp("clrs") / "environment"
    try:
        prepare.environment(folder)
    except prepare.Unprepared as problem:
        pytest.skip(f"dm-clrs can't be installed here: {problem}")
    return folder


@pytest.fixture(scope="module")
def few(environment: Path) -> Path:
    """Caches of a few examples of the algorithms above."""
    folder = environment.parent
    prepare.prepare(list(DIGESTS), folder, lambda line: None, samples=SAMPLES)
    return folder


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_samples_equal_those_of_the_complete_package(algorithm: str, few: Path) -> None:
    found = tuple(sampling.digest(data.read_split(algorithm, split, few))[:16] for split in data.SPLITS)
    assert found == DIGESTS[algorithm]


def test_only_first_hints_stand_where_a_model_is_graded(few: Path) -> None:
    for split in ("validation", "test"):
        for name, array in data.read_split("heapsort", split, few).items():
            assert "/hint/" not in name or array.shape[1] == 1
    assert data.read_split("heapsort", "train", few)["16/hint/i"].shape[1] > 1


def test_what_is_there_is_not_drawn_again(few: Path) -> None:
    said: list[str] = []
    prepare.prepare(["bfs", "kmp_matcher"], few, said.append)
    assert said == [f"all caches are there: {few}"]


def test_a_cache_of_other_features_is_refused(few: Path, tmp_path: Path) -> None:
    (tmp_path / "dfs.train.npz").write_bytes((few / "bfs.train.npz").read_bytes())
    with pytest.raises(data.NotPrepared, match=r"expected the features of dfs.*prepare dfs"):
        data.read_split("dfs", "train", tmp_path)


def test_samples_that_differ_are_thrown_away(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "environment").symlink_to(few / "environment")
    monkeypatch.setattr(data, "known_digests", lambda: {"segments_intersect.test": "0" * 64})
    with pytest.raises(
        prepare.Unprepared, match=r"segments_intersect.test: expected samples of digest 000000000000"
    ):
        prepare.prepare(["segments_intersect"], tmp_path, lambda line: None, splits=["test"])
    assert not (tmp_path / "segments_intersect.test.npz").exists()


def test_a_missing_cache_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOARCH_CLRS", str(tmp_path))
    with pytest.raises(data.NotPrepared, match=r"run: python -m evaluators.tasks.clrs.prepare bfs"):
        data.read_split("bfs", "train")


def test_the_table_of_digests_covers_every_split() -> None:
    assert set(data.known_digests()) == {f"{name}.{split}" for name in algorithms() for split in data.SPLITS}


def test_an_unknown_algorithm_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        prepare.main(["bfss"])
    assert "got 'bfss'" in capsys.readouterr().err


LEAKING = """
from torch import nn
class Model(nn.Module):
    def __init__(self, edge_size, out_size):
        super().__init__()
        self.edge = nn.Linear(edge_size, out_size)
    def forward(self, z, edge_fts, graph_fts):
        return self.edge(edge_fts) + 30 * (self.edge(edge_fts).mean(0) - self.edge(edge_fts))
"""


@pytest.mark.slow
def test_bfs_is_learnt_inside_the_walls(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = environment.parent / "whole"
    folder.mkdir()
    (folder / "environment").symlink_to(environment)
    prepare.prepare(["bfs"], folder, lambda line: None)
    monkeypatch.setenv("EVOARCH_CLRS", str(folder))
    task = ClrsTask("bfs")

    async def measure() -> tuple[object, Evaluated, Evaluated, object]:
        runner = await start(task.program())
        try:
            evaluator = task.evaluator(replace(RECIPES["fast"], steps=100), runner)
            standard = task.seeds["standard"]
            sound = await evaluator.dry_run(standard)
            learnt = await evaluator.evaluate(standard, digest="standard", repeat=0)
            short = task.evaluator(replace(RECIPES["fast"], steps=2), runner)
            leaked = await short.evaluate(LEAKING, digest="leaking", repeat=0)
            written = await short.dry_run(LEAKING.replace("return", "edge_fts += 1; return"))
            return sound, learnt, leaked, written
        finally:
            await runner.close()

    sound, learnt, leaked, written = asyncio.run(measure())
    assert isinstance(sound, DryRunPassed)
    assert isinstance(learnt.outcome, Scored)
    assert learnt.outcome.metrics["params"] == sound.params
    assert learnt.outcome.metrics["error"] <= 0.08
    assert len(learnt.correct) == 32 * 16 // 8
    assert "batch leakage" in getattr(leaked.outcome, "reason", "")
    assert getattr(written, "line", 0) == 8


def test_a_confirmation_asks_sixty_four_nodes_with_the_weights_that_were_selected(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOARCH_CLRS", str(few))
    task = ClrsTask("bfs")
    recipe = replace(RECIPES["fast"], steps=2, nodes=())

    async def confirm() -> tuple[Evaluated, Mapping[str, Graded] | Failed, Mapping[str, Graded] | Failed]:
        runner = await start(task.program())
        try:
            confirmer = confirming(task, recipe, runner, limits=Limits(), campaign_seed=0, test_seed=0)
            standard = task.seeds["standard"]
            name = {"digest": "standard", "repeat": 0, "rate": 0.01}
            chosen = await confirmer.select(standard, **name)
            opened = await confirmer.open(standard, chosen.weights, **name)
            nothing = {key: value * 0 for key, value in chosen.weights.items()}
            return chosen, opened, await confirmer.open(standard, nothing, **name)
        finally:
            await runner.close()

    chosen, opened, nothing = asyncio.run(confirm())
    assert isinstance(chosen.outcome, Scored)
    assert isinstance(opened, Mapping)
    assert isinstance(nothing, Mapping)
    assert opened["n64"].right.shape == (SAMPLES,)
    assert 0 <= opened["n64"].right.min() <= opened["n64"].right.max() <= 1
    assert opened["n64"].right.tolist() != nothing["n64"].right.tolist()

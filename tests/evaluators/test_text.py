"""`text:FILE`: what a text may hold, what is made of it, and how predictions of a next token are graded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from evoarch.archive.records import Scored
from evoarch.evaluators import sealed
from evoarch.evaluators.checks import check_splits
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.language import NextToken
from evoarch.evaluators.metrics.bits_per_token import BitsPerToken, bits_of
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.task import Recipe, Split, Splits, TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.tasks.files.text import TextTask
from evoarch.sandbox.runner import start

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")


def text(count: int, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(WORDS[n] for n in rng.integers(len(WORDS), size=count))


def task(path: Path, options: str = ",context=16") -> TextTask:
    made = load_task(f"text:{path}{options}")
    assert isinstance(made, TextTask)
    return made


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text(text(4000))
    return path


def test_a_text_becomes_sequences_and_the_test_is_sealed(corpus: Path) -> None:
    made = task(corpus)
    assert made.offers == {"input_shape": (16,), "context": 16, "vocab_size": 256}
    one, same, other = (check_splits(made, made.splits(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.train.inputs[:, 1:], one.train.targets[:, :-1])
    np.testing.assert_array_equal(one.validation.inputs, same.validation.inputs)
    assert not np.array_equal(one.validation.inputs, other.validation.inputs)
    parts = [sealed.selection_of(made, 0).validation, sealed.tests_of(made, 0)["held_out"]]
    everything = [one.train, one.validation, *parts]
    rows = [row.tobytes() for part in everything for row in part.inputs]
    whole = np.frombuffer(corpus.read_bytes(), np.uint8)
    count = len(whole) // 17 // 8 * 8
    read = whole[: count * 17].reshape(-1, 17)[:, :-1].astype(np.int64)
    assert sorted(rows) == sorted(row.tobytes() for row in read)


def test_a_folder_is_read_in_order_and_a_pattern_chooses(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "deeper").mkdir(parents=True)
    (folder / "b.txt").write_text(text(2000))
    (folder / "deeper" / "a.txt").write_text(text(2000, seed=1))
    (folder / "binary.bin").write_bytes(bytes(range(256)))
    (folder / ".hidden").write_bytes(b"\xff")
    with pytest.raises(TaskError, match=r"binary.bin: expected UTF-8 text, got byte 0x80 at 128"):
        task(folder)
    made = task(folder, ",context=16,files=*.txt")
    assert "in 2 files" in made.notes[0]


def test_no_more_than_asked_for_is_used_and_it_is_spread(corpus: Path) -> None:
    made = task(corpus, ",context=16,bytes=10000")
    assert made.splits(0).train.inputs.size < 10_000
    assert made.digest != task(corpus).digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (",context=7", "context: expected bytes of a sequence, 8 to 1024, got '7'"),
        (",bytes=all", "bytes: expected of the text"),
        (",context=1000", "expected at least 320,320 bytes for a context of 1000, got"),
    ],
)
def test_a_wrong_option_is_one_line(corpus: Path, options: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        task(corpus, options)


def test_a_text_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="expected a text: No such file"):
        task(tmp_path / "nothing.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TaskError, match=r"expected files \*, got none"):
        task(tmp_path / "empty")


# The grading, on made-up logits


TOKENS = np.random.default_rng(0).integers(0, 8, (20, 10))
SPLIT = Split(TOKENS, np.random.default_rng(1).integers(0, 8, (20, 10)))
GRADING = NextToken(Splits(SPLIT, SPLIT), 8, [BitsPerToken()])


def test_bits_are_those_of_the_probabilities() -> None:
    logits = np.random.default_rng(2).normal(size=(20, 10, 8)).astype(np.float32)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log2(np.take_along_axis(chances, TOKENS[..., None], -1))[..., 0]
    np.testing.assert_allclose(bits_of(logits, TOKENS), expected, rtol=1e-4)


def test_a_uniform_guess_errs_wholly_and_a_sure_one_not_at_all() -> None:
    uniform = np.zeros((20, 10, 8), np.float32)
    sure = (50 * np.eye(8)[np.asarray(SPLIT.targets)]).astype(np.float32)
    for logits, error in ((uniform, 1.0), (sure, 0.0), (-sure, 1.0)):
        grade = GRADING.grade(logits, logits)
        assert not isinstance(grade, Exception)
        assert grade.error == pytest.approx(error, abs=1e-6)  # type: ignore[union-attr]


def test_the_second_question_exchanges_ends_alone() -> None:
    asked = GRADING.otherwise(np.random.default_rng(3))
    back = np.argsort(asked.order)[: len(TOKENS)]
    inputs = np.asarray(asked.arrays["inputs"])[back]
    same = inputs == TOKENS
    assert same[:, 0].all(), "the first token always stays"
    known = np.cumprod(same, 1).astype(bool)
    assert 0.2 < known.mean() < 0.9
    logits = np.random.default_rng(2).normal(size=(20, 10, 8)).astype(np.float32)
    later = np.where(known[..., None], logits, 0.0).astype(np.float32)
    assert GRADING.disagree(logits, later) == ""
    earlier = np.where(known[..., None], logits + 0.1 * np.arange(8), logits).astype(np.float32)
    assert "later tokens" in GRADING.disagree(logits, earlier)


# Behind the walls: what may be seen

MODEL = """
import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    def __init__(self, context, vocab_size):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, 16)
        self.conv = nn.Conv1d(16, 16, 3)
        self.head = nn.Linear(16, vocab_size)

    def forward(self, x):
        x = self.embed(x).transpose(1, 2)
        {body}
        return self.head(x.transpose(1, 2))
"""
SIGHTS = {
    "the past": ("x = x + self.conv(F.pad(x, (2, 0)))", ""),
    "the next byte": ("x = x + self.conv(F.pad(x, (1, 1)))", "later"),
    "the whole sequence": ("x = x + self.conv(F.pad(x, (2, 0))) + x.mean(2, keepdim=True)", "later"),
    "the neighbours": ("x = x + self.conv(F.pad(x, (2, 0))) + x.mean(0, keepdim=True)", "later"),
}


async def _outcome(made: TextTask, source: str) -> object:
    runner = await start(inside_program())
    try:
        evaluator = Evaluator(made, Recipe("short", 0.01, 20, 16), runner)
        await evaluator.dry_run(source)
        return (await evaluator.evaluate(source, digest="x", repeat=0)).outcome
    finally:
        await runner.close()


@pytest.mark.parametrize("sight", SIGHTS)
def test_only_the_past_may_be_seen(corpus: Path, sight: str) -> None:
    body, message = SIGHTS[sight]
    outcome = asyncio.run(_outcome(task(corpus), MODEL.replace("{body}", body)))
    if not message:
        assert isinstance(outcome, Scored), outcome
        assert outcome.metrics["bits_per_token"] == pytest.approx(8 * outcome.metrics["error"], rel=1e-6)
        assert outcome.metrics["bits_per_token"] < 7.5
    else:
        assert "depend on later" in outcome.reason  # type: ignore[attr-defined]

"""`text-class:FILE`: texts with labels, as bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evoarch.evaluators.checks import check_splits
from evoarch.evaluators.facts import task_facts
from evoarch.evaluators.task import TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.tasks.files.task import FileTask
from kit.own_files import labelled_texts


def task(path: Path, options: str = ",target=mood") -> FileTask:
    made = load_task(f"text-class:{path}{options}")
    assert isinstance(made, FileTask)
    return made


def test_texts_become_bytes_and_labels_classes(tmp_path: Path) -> None:
    made = task(labelled_texts(tmp_path / "said.csv", 100), ",target=mood,context=16")
    assert made.offers == {"input_shape": (16,), "num_classes": 2, "context": 16, "vocab_size": 257}
    splits = check_splits(made, made.splits(0))
    assert splits.train.inputs.dtype == np.int64
    first = splits.train.inputs[0]
    text = bytes((first[first > 0] - 1).astype(np.uint8)).decode()
    assert text in (tmp_path / "said.csv").read_text()
    assert made.notes[0].startswith("100 texts of said; target mood: 2 classes (glad 50, sad 50)")
    facts = task_facts(made, made.recipes["fast"])
    assert "int64" in facts.interface


def test_the_longest_column_of_texts_is_read_or_the_named_one(tmp_path: Path) -> None:
    path = labelled_texts(tmp_path / "said.csv", 40)
    assert "texts of said" in task(path).notes[0]
    assert "texts of id" in task(path, ",target=mood,text=id").notes[0]


def test_a_text_beyond_ascii_and_an_empty_one(tmp_path: Path) -> None:
    rows = [f"{'né' * (1 + number % 3)},{'ab'[number % 2]}" for number in range(30)] + [",a"]
    (tmp_path / "said.csv").write_text("said,mood\n" + "\n".join(rows) + "\n", encoding="utf-8")
    made = task(tmp_path / "said.csv")
    assert "1 rows without a text or a label are left out" in made.notes[0]
    assert 0xC3 + 1 in made.splits(0).train.inputs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "expected ,target=COLUMN, one of: id, said, mood"),
        (",target=moods", "expected a column 'moods', got: id, said, mood"),
        (",target=mood,context=2", "context: expected bytes of a text that are read, 8 to 4096, got '2'"),
        (",target=id", "id: expected at least 5 rows of each class, got 1 of '0'"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, options: str, message: str) -> None:
    labelled_texts(tmp_path / "said.csv", 40)
    with pytest.raises(TaskError, match=message):
        task(tmp_path / "said.csv", options)

"""`masks:DIR`: images with masks, how overlaps are graded, and what a mask may hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoarch.archive.records import Failed
from evoarch.evaluators import sealed
from evoarch.evaluators.checks import UNLABELLED, check_splits, output_shape
from evoarch.evaluators.facts import task_facts
from evoarch.evaluators.flow import Grade
from evoarch.evaluators.metrics.pixel_error import PixelError
from evoarch.evaluators.segmentation import Segmentation, overlaps
from evoarch.evaluators.task import Floats, Split, Splits, TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.tasks.files.task import FileTask
from kit.own_files import shapes


def task(folder: Path, options: str = "") -> FileTask:
    made = load_task(f"masks:{folder}{options}")
    assert isinstance(made, FileTask)
    return made


def test_images_and_masks_become_a_segmentation(tmp_path: Path) -> None:
    made = task(shapes(tmp_path / "shapes", 30))
    assert made.offers == {"input_shape": (1, 16, 16), "num_classes": 3}
    assert output_shape(made) == (3, 16, 16)
    splits = check_splits(made, made.splits(0))
    assert splits.train.targets.shape == (20, 16, 16)
    assert sorted(np.unique(splits.train.targets)) == [0, 1, 2]
    assert isinstance(made, sealed.SealedTask)
    assert len(sealed.tests_of(made, 0)["held_out"].targets) == 3
    assert made.notes[0].startswith("30 images of 1 channels, 16 x 16 pixels; 3 classes of pixels (0 ")
    facts = task_facts(made, made.recipes["fast"])
    assert facts.about == "Sort each pixel of images, (channels, height, width) into 3 classes."
    assert "it returns (batch, 3, 16, 16), logits of each pixel" in facts.interface


def test_pixels_without_a_label_count_nothing(tmp_path: Path) -> None:
    folder = shapes(tmp_path / "shapes", 12)
    path = folder / "masks" / "3.png"
    mask = np.array(Image.open(path))
    mask[:4] = 255
    Image.fromarray(mask).save(path)
    made = task(folder)
    assert made.offers["num_classes"] == 3
    parts = [made.splits(0).train, made.splits(0).validation, *sealed.tests_of(made, 0).values()]
    parts.append(sealed.selection_of(made, 0).validation)
    assert sum(int((part.targets == UNLABELLED).sum()) for part in parts) == 4 * 16


@pytest.mark.parametrize("size", ["12", "12x20"])
def test_masks_are_cut_as_their_images_are(tmp_path: Path, size: str) -> None:
    """The square and the disc are brighter than the noise: brightness and mask still meet after resizing."""
    made = task(shapes(tmp_path / "shapes", 30, size=40), f",size={size}")
    train = made.splits(0).train
    bright = train.inputs[:, 0] > 0.5
    assert (bright == (train.targets > 0)).mean() > 0.9


def test_bad_folders_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="expected the folders images and masks, got no images"):
        task(tmp_path)
    folder = shapes(tmp_path / "few", 4)
    with pytest.raises(TaskError, match="expected at least 10 images with masks, got 4"):
        task(folder)
    folder = shapes(tmp_path / "shapes", 12)
    with pytest.raises(TaskError, match=r"masks/.*png: expected labels 0 to 1, got 2 \(classes=2\)"):
        task(folder, ",classes=2")
    (folder / "masks" / "3.png").unlink()
    with pytest.raises(TaskError, match=r"images/3.png: expected a mask of the same name, got none"):
        task(folder)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "masks" / "3.png")
    with pytest.raises(TaskError, match=r"masks/3.png: expected 16 x 16 pixels as 3.png, got 8 x 8"):
        task(folder)
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / "masks" / "3.png")
    with pytest.raises(TaskError, match=r"3.png: expected grey values or palette indices, got mode RGB"):
        task(folder)
    for path in (folder / "masks").iterdir():
        Image.fromarray(np.ones((16, 16), np.uint8)).save(path)
    with pytest.raises(TaskError, match="expected pixels of at least two classes, got one alone"):
        task(folder)


# The grading, on made-up logits

RNG = np.random.default_rng(0)
MASKS = RNG.integers(0, 3, (8, 5, 5))
MASKS[0, 0] = UNLABELLED
SPLIT = Split(RNG.normal(size=(8, 1, 5, 5)).astype(np.float32), MASKS)
GRADING = Segmentation(Splits(SPLIT, SPLIT), 3, [PixelError()])


def logits_of(masks: np.ndarray) -> Floats:
    known = np.where(masks == UNLABELLED, 0, masks)
    return (9 * np.eye(3)[known]).transpose(0, 3, 1, 2).astype(np.float32)


def graded(first: Floats, second: Floats) -> Grade:
    grade = GRADING.grade(first, second)
    assert not isinstance(grade, Failed)
    return grade


def test_the_error_is_one_less_the_mean_overlap() -> None:
    right = logits_of(MASKS)
    assert graded(right, right).error == 0.0
    other = logits_of(np.where(MASKS == 2, 1, MASKS))
    known = MASKS != UNLABELLED
    ones, twos = (MASKS == 1).sum(), (MASKS == 2).sum()
    expected = 1 - (1 + ones / (ones + twos) + 0) / 3
    grade = graded(other, other)
    assert grade.error == pytest.approx(expected)
    assert grade.metrics["pixel_error"] == pytest.approx(twos / known.sum())


def test_a_pixel_counts_only_where_both_predictions_say_its_class() -> None:
    right, other = logits_of(MASKS), logits_of(np.where(MASKS == 2, 1, MASKS))
    # In the first pair class 2 is found nowhere, and no pixel of it is taken for class 1 by both.
    assert graded(right, other).error == pytest.approx(1 / 3)
    assert GRADING.disagree(right, other) != ""
    assert GRADING.disagree(right, right) == ""


def test_a_class_that_no_mask_holds_counts_nothing() -> None:
    found = overlaps(np.zeros((2, 3), np.int64), np.zeros((2, 3), np.int64), 3)
    assert found[0] == 1.0
    assert np.isnan(found[1:]).all()

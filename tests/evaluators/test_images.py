"""`images:DIR`: what a folder may hold, what is made of it, and what is said of one that does not hold."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoarch.evaluators import sealed
from evoarch.evaluators.checks import check_splits
from evoarch.evaluators.task import TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.tasks.files import image_files, images
from evoarch.evaluators.tasks.files.task import FileTask
from kit.image_folders import image_folder, save


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def task(folder: Path, options: str = "") -> FileTask:
    made = load_task(f"images:{folder}{options}")
    assert isinstance(made, FileTask)
    return made


def test_a_folder_a_class_is_divided_by_rule(tmp_path: Path) -> None:
    made = task(image_folder(tmp_path / "photos", {"cat": 20, "dog": 30}))
    assert made.offers == {"input_shape": (3, 12, 12), "num_classes": 2}
    one, same, other = (check_splits(made, made.splits(seed)) for seed in (0, 0, 1))
    assert (len(one.train.targets), len(one.validation.targets)) == (32, 8)
    np.testing.assert_array_equal(one.validation.inputs, same.validation.inputs)
    assert not np.array_equal(one.validation.inputs, other.validation.inputs)
    assert isinstance(made, sealed.SealedTask)
    parts = [sealed.selection_of(made, 0).validation, sealed.tests_of(made, 3)["held_out"]]
    assert [len(part.targets) for part in parts] == [5, 5]
    assert np.bincount(np.concatenate([part.targets for part in parts])).tolist() == [4, 6], "a fifth of each"
    everything = [one.train, one.validation, *parts]
    assert len({row.tobytes() for part in everything for row in part.inputs}) == 50
    assert made.notes == (
        "50 images of 2 classes, 20 to 30 a class (cat 20, dog 30), as rgb, 12 x 12 pixels",
    )


def test_splits_that_are_given_are_taken(tmp_path: Path) -> None:
    for part, count in (("train", 12), ("valid", 6), ("test", 8)):
        image_folder(tmp_path / "photos" / part, {"cat": count, "dog": count}, seed=count)
    made = task(tmp_path / "photos")
    splits = made.splits(4)
    assert (len(splits.train.targets), len(splits.validation.targets)) == (24, 12)
    assert isinstance(made, sealed.SealedTask)
    assert len(sealed.selection_of(made, 0).validation.targets) == 8
    assert len(sealed.tests_of(made, 0)["held_out"].targets) == 8


def test_channels_are_standardised(tmp_path: Path) -> None:
    inputs = task(image_folder(tmp_path / "photos", {"cat": 40, "dog": 40})).splits(0).train.inputs
    np.testing.assert_allclose(inputs.mean((0, 2, 3)), 0, atol=0.1)
    np.testing.assert_allclose(inputs.std((0, 2, 3)), 1, atol=0.1)


@pytest.mark.parametrize(
    ("options", "shape"),
    [(",size=8", (3, 8, 8)), (",size=8x10", (3, 8, 10)), (",size=8,color=grey", (1, 8, 8))],
)
def test_the_options_say_how_images_look(tmp_path: Path, options: str, shape: tuple[int, ...]) -> None:
    made = task(image_folder(tmp_path / "photos", {"cat": 6, "dog": 6}, size=(20, 30)), options)
    assert made.offers["input_shape"] == shape


def test_of_a_wide_image_the_middle_is_taken_or_all_of_it(tmp_path: Path) -> None:
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = 255  # the middle third
    for name in ("a", "b"):
        for number in range(5):
            save(tmp_path / "photos" / name / f"{number}.png", pixels)
    look = image_files.Look(8, 8, True, crop=True)
    path = tmp_path / "photos" / "a" / "0.png"
    assert image_files.decoded(path, look).min() == 255
    stretched = image_files.decoded(path, image_files.Look(8, 8, True, crop=False))
    assert stretched.min() == 0
    assert stretched[0, 0, 4] == 255


def test_grey_images_of_any_form_stay_grey_and_uneven_ones_get_32_pixels(tmp_path: Path) -> None:
    for number, mode in enumerate(("L", "1", "LA", "L", "L", "L")):
        for name in ("a", "b"):
            path = tmp_path / "photos" / name / "deeper" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new(mode, (20 + number, 30)).save(path)
    (tmp_path / "photos" / "a" / "notes.txt").write_text("no image")
    (tmp_path / "photos" / "a" / ".hidden.png").write_text("no image")
    assert task(tmp_path / "photos").offers["input_shape"] == (1, 32, 32)


def test_a_folder_is_decoded_once_and_again_where_a_file_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = image_folder(tmp_path / "photos", {"cat": 6, "dog": 6})
    first, count = task(folder), []

    def counted(*arguments: object) -> object:
        count.append(1)
        return image_files.decoded(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(images, "decoded", counted)
    assert task(folder).digest == first.digest
    assert not count
    save(folder / "cat" / "0.png", np.full((12, 12, 3), 7, np.uint8))
    assert task(folder).digest != first.digest
    assert len(count) == 12


def test_a_broken_cache_is_made_again(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "photos", {"cat": 6, "dog": 6})
    first = task(folder)
    for path in (tmp_path / "cache").rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:100])
    assert task(folder).digest == first.digest


def test_renamed_classes_are_other_data(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "photos", {"cat": 6, "dog": 6})
    first = task(folder).digest
    (folder / "dog").rename(folder / "fox")
    assert task(folder).digest != first


def _truncated(folder: Path) -> None:
    path = folder / "cat" / "3.png"
    path.write_bytes(path.read_bytes()[:150])


def _animated(folder: Path) -> None:
    frames = [Image.new("RGB", (12, 12), (n, n, n)) for n in (0, 200)]
    frames[0].save(folder / "cat" / "3.gif", save_all=True, append_images=frames[1:])


def _deep(folder: Path) -> None:
    Image.fromarray(np.zeros((12, 12), np.uint16)).save(folder / "cat" / "3.png")


def _bomb(folder: Path) -> None:
    Image.new("1", (12_000, 12_000)).save(folder / "cat" / "3.png")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda f: shutil.rmtree(f), "expected a folder of images: No such file"),
    "no classes": (
        lambda f: [shutil.rmtree(f / n) for n in ("cat", "dog")],
        "a folder for each class, got none",
    ),
    "one class": (lambda f: shutil.rmtree(f / "cat"), "expected at least two classes"),
    "an empty class": (lambda f: (f / "fox").mkdir(), "fox: expected at least 5 images, got 0"),
    "no image": (lambda f: (f / "cat" / "3.png").write_text("prose"), r"cat/3.png: expected an image"),
    "truncated": (_truncated, r"cat/3.png: expected a whole image"),
    "animated": (_animated, r"cat/3.gif: expected one picture, got 2 frames"),
    "16 bits": (_deep, r"cat/3.png: expected 8 bits a channel, got mode I;16"),
    "a bomb": (_bomb, r"cat/3.png: expected at most 50,000,000 pixels, got 12,000 x 12,000"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_hold_is_one_line_that_names_the_file(tmp_path: Path, case: str) -> None:
    folder = image_folder(tmp_path / "photos", {"cat": 6, "dog": 6})
    spoil, message = BAD[case]
    spoil(folder)
    with pytest.raises(TaskError, match=message) as caught:
        task(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [",size=3", ",size=8x8x8", ",size=big", ",color=blue", ",crop=left"])
def test_a_wrong_option_is_one_line(tmp_path: Path, options: str) -> None:
    folder = image_folder(tmp_path / "photos", {"cat": 6, "dog": 6})
    key = options[1:].partition("=")[0]
    with pytest.raises(TaskError, match=f"{key}: expected .*, got"):
        task(folder, options)


def test_a_class_that_is_not_trained_on_is_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        image_folder(tmp_path / "photos" / part, {"cat": 6, "dog": 6})
    image_folder(tmp_path / "photos" / "test", {"fox": 6})
    with pytest.raises(TaskError, match="test/fox: expected a class of"):
        task(tmp_path / "photos")

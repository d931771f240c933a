"""`sequence:`: recordings with classes, and series to forecast, whose gaps count nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from evoarch.archive.records import Failed
from evoarch.evaluators import sealed
from evoarch.evaluators.checks import check_splits
from evoarch.evaluators.facts import task_facts
from evoarch.evaluators.flow import Grade
from evoarch.evaluators.regression import Regression
from evoarch.evaluators.task import Split, Splits, TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.tasks.files.task import FileTask
from kit.own_files import series, tones


def task(path: Path, options: str = "") -> FileTask:
    made = load_task(f"sequence:{path}{options}")
    assert isinstance(made, FileTask)
    return made


def test_recordings_become_a_classification(tmp_path: Path) -> None:
    made = task(tones(tmp_path / "sounds", 10), ",rate=1000,milliseconds=200")
    assert made.offers == {"input_shape": (1, 200), "num_classes": 3, "sample_rate": 1000}
    splits = check_splits(made, made.splits(0))
    assert splits.train.inputs.shape == (20, 1, 200)
    assert made.notes == (
        "30 recordings of 3 classes (chirp 10, high 10, low 10), 200 samples of each at 1,000 a second",
    )


def test_a_recording_of_another_rate_is_resampled(tmp_path: Path) -> None:
    tones(tmp_path / "one", 8, rate=2000, seconds=0.2)
    tones(tmp_path / "two", 8, rate=1000, seconds=0.2)
    one = task(tmp_path / "one", ",rate=1000,milliseconds=200").splits(0).train
    two = task(tmp_path / "two", ",rate=1000,milliseconds=200").splits(0).train
    strength = [np.abs(np.fft.rfft(part.inputs[part.targets == 1, 0], axis=1)).mean(0) for part in (one, two)]
    # 200 Hz in 0.2 s: place 40, whatever the rate of the file was.
    assert [int(each.argmax()) for each in strength] == [40, 40]


def test_bad_recordings_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TaskError, match=r"expected at least two classes, a folder each, got \[\]"):
        task(tmp_path / "empty")
    folder = tones(tmp_path / "sounds", 6)
    with pytest.raises(TaskError, match="rate: expected samples a second, 100 to 48000, got '5'"):
        task(folder, ",rate=5")
    soundfile.write(folder / "low" / "1.wav", np.zeros(300), 1000)
    with pytest.raises(TaskError, match=r"low/1.wav: expected a recording, got silence"):
        task(folder, ",rate=1000")
    (folder / "low" / "1.wav").write_bytes(b"RIFF\x10\0\0\0WAVE")
    with pytest.raises(TaskError, match=r"low/1.wav: expected a recording: "):
        task(folder, ",rate=1000")
    for path in (folder / "low").iterdir():
        path.unlink()
    with pytest.raises(TaskError, match=r"low: expected at least 5 recordings .* got 0"):
        task(folder)


def test_a_series_is_cut_by_time_and_its_end_is_sealed(tmp_path: Path) -> None:
    made = task(series(tmp_path / "load.csv", 1000, gaps=0.0), ",horizon=6,target=load")
    assert made.offers == {
        "input_shape": (4, 24), "num_outputs": 6, "horizon": 6, "context": 24, "channels": 2,
    }  # fmt: skip
    splits = check_splits(made, made.splits(0))
    selection = sealed.selection_of(made, 0).validation
    test = sealed.tests_of(made, 0)["held_out"]
    # Every row after the first context is the first of a horizon, but for the last five of each part.
    assert [len(part.inputs) for part in (splits.train, splits.validation, selection, test)] == [
        640 - 24 - 5, 160 - 5, 100 - 5, 100 - 5,
    ]  # fmt: skip
    whole = np.loadtxt(tmp_path / "load.csv", delimiter=",", skiprows=1)
    first = splits.validation.inputs[0]
    known = (whole[640 - 24 : 640, 0] - whole[:640, 0].mean()) / whole[:640, 0].std()
    np.testing.assert_allclose(first[0], known, rtol=1e-4, atol=1e-5)
    assert (first[2:] == 1).all()
    last = splits.train.targets[-1]
    future = whole[634:640, 0]
    assert np.corrcoef(last, future)[0, 1] > 0.999


def test_gaps_are_filled_from_before_and_count_nothing(tmp_path: Path) -> None:
    values = np.sin(np.arange(400) / 5.0)
    values[10:13] = np.nan
    np.save(tmp_path / "wave.npy", values)
    made = task(tmp_path / "wave.npy", ",horizon=2,context=8")
    train = made.splits(0).train
    assert train.inputs.shape[1:] == (2, 8)
    holes = np.isnan(train.targets)
    assert holes.sum() == 2, "the examples whose two rows are gaps are left out"
    row = train.inputs[3]
    np.testing.assert_array_equal(row[1], [1, 1, 1, 1, 1, 0, 0, 0])
    assert row[0, 4] == row[0, 5] == row[0, 7]
    assert "3 gaps" in made.notes[0]
    facts = task_facts(made, made.recipes["fast"])
    assert "Forecast the next 2 rows of 1 of 1 columns from 8 rows" in facts.about
    assert "gaps left out" in facts.score


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "expected ,horizon=N, the rows of load.csv to forecast"),
        (",horizon=6,target=lod", "target: expected columns of numbers, load, echo, got 'lod'"),
        (
            ",horizon=900",
            r"expected at least 7,\d{3} rows for a context of 3600 and a",
        ),
        (",horizon=6,width=3", "width: expected horizon=... rows to forecast"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, options: str, message: str) -> None:
    series(tmp_path / "load.csv", 300)
    with pytest.raises(TaskError, match=message):
        task(tmp_path / "load.csv", options)


def test_a_series_that_is_none_is_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.ones(500))
    with pytest.raises(TaskError, match=r"expected numbers that vary before row 400, got 1 alone"):
        task(tmp_path / "flat.npy", ",horizon=2")
    np.save(tmp_path / "inf.npy", np.r_[np.arange(499.0), np.inf])
    with pytest.raises(TaskError, match="expected finite numbers, got inf in row 500"):
        task(tmp_path / "inf.npy", ",horizon=2")
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    with pytest.raises(TaskError, match=r"expected numbers \(time,\) or \(time, channels\), got <U1 \(2,\)"):
        task(tmp_path / "words.npy", ",horizon=2")


def test_unknown_targets_neither_help_nor_harm() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(40, 3)).astype(np.float32)
    holes = targets.copy()
    holes[rng.random(targets.shape) < 0.3] = np.nan
    holes[0] = np.nan
    inputs = np.zeros((40, 1), np.float32)
    grading = Regression(Splits(Split(inputs, targets), Split(inputs, holes)), 3)
    said = np.where(np.isnan(holes), 1e3, holes + 0.1).astype(np.float32)
    grade = grading.grade(said, said)
    assert isinstance(grade, Grade)
    assert not isinstance(grade, Failed)
    assert grade.error == pytest.approx(float(0.01 / targets.var(0, dtype=np.float64).mean()), rel=0.2)

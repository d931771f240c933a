"""`tensors:FILE`: what a file may hold, what is made of it, and what is said of one that does not hold."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from evoarch.evaluators import sealed
from evoarch.evaluators.checks import check_splits
from evoarch.evaluators.inside.build import build
from evoarch.evaluators.task import TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.tasks.data import DataTask
from evoarch.evaluators.tasks.files import tensors_file
from evoarch.evaluators.tasks.files.named import NamedFile
from evoarch.evaluators.tasks.files.task import FileTask
from evoarch.evaluators.tasks.files.tensors import tensors_task
from evoarch.sandbox.child import load
from evoarch.sandbox.vet import vet

RNG = np.random.default_rng(0)
X = RNG.normal(3.0, 10.0, (40, 2, 6)).astype(np.float32)
LABELS = np.arange(40) % 3
NUMBERS = RNG.normal(1e4, 1e3, (40, 2))


def written(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def task(path: Path) -> FileTask:
    return tensors_task(NamedFile("tensors", "data"), path)


def test_classes_are_counted_and_a_fifth_is_drawn_for_validation(tmp_path: Path) -> None:
    made = task(written(tmp_path, x_train=X, y_train=LABELS))
    assert made.offers == {"input_shape": (2, 6), "num_classes": 3}
    assert made.loss == "cross_entropy"
    one, same, other = (check_splits(made, made.splits(seed)) for seed in (0, 0, 1))
    assert (len(one.train.targets), len(one.validation.targets)) == (32, 8)
    np.testing.assert_array_equal(one.validation.inputs, same.validation.inputs)
    assert not np.array_equal(one.validation.inputs, other.validation.inputs)
    rows = {row.tobytes() for part in (one.train, one.validation) for row in part.inputs}
    assert len(rows) == 40


def test_inputs_are_standardised_by_channel_and_targets_by_output(tmp_path: Path) -> None:
    path = written(tmp_path, x_train=X, y_train=NUMBERS, x_val=X[:9] + 5, y_val=NUMBERS[:9] + 500)
    made = task(path)
    assert made.offers == {"input_shape": (2, 6), "num_outputs": 2}
    splits = check_splits(made, made.splits(0))
    for array, axes in ((splits.train.inputs, (0, 2)), (splits.train.targets, 0)):
        np.testing.assert_allclose(array.mean(axes), 0, atol=1e-5)
        np.testing.assert_allclose(array.std(axes), 1, atol=1e-5)
    mean, deviation = X.mean((0, 2), keepdims=True)[0], X.std((0, 2), keepdims=True)[0]
    np.testing.assert_allclose(splits.validation.inputs, (X[:9] + 5 - mean) / deviation, atol=1e-4)


def test_a_constant_feature_stays_finite(tmp_path: Path) -> None:
    flat = np.concatenate([X[:, 0], np.full((40, 1), 7.0, np.float32)], 1)
    splits = task(written(tmp_path, x_train=flat, y_train=LABELS)).splits(0)
    assert np.all(splits.train.inputs[:, -1] == 0)


def test_a_test_is_halved_by_a_fixed_draw_unless_the_file_has_a_selection_split(tmp_path: Path) -> None:
    parts = {"x_train": X, "y_train": LABELS, "x_val": X, "y_val": LABELS}
    made = task(written(tmp_path, **parts, x_test=X + 1, y_test=LABELS))
    assert isinstance(made, sealed.SealedTask)
    selecting, held = sealed.selection_of(made, 0), sealed.tests_of(made, 5)["held_out"]
    assert len(selecting.train.inputs) == 80, "all that the search had"
    both = np.concatenate([selecting.validation.inputs, held.inputs])
    assert len({row.tobytes() for row in both}) == 40
    np.testing.assert_array_equal(sealed.selection_of(made, 9).validation.inputs, selecting.validation.inputs)
    whole = task(
        written(tmp_path, **parts, x_test=X, y_test=LABELS, x_selection=X[:5], y_selection=LABELS[:5])
    )
    assert len(sealed.selection_of(whole, 0).validation.inputs) == 5
    assert len(sealed.tests_of(whole, 0)["held_out"].inputs) == 40
    assert not isinstance(task(written(tmp_path, **parts)), sealed.SealedTask)


def test_safetensors_are_read_alike(tmp_path: Path) -> None:
    arrays = {"x_train": X, "y_train": LABELS, "other": np.zeros(3)}
    save_file(arrays, tmp_path / "data.safetensors")
    one, two = task(tmp_path / "data.safetensors"), task(written(tmp_path, **arrays))
    np.testing.assert_array_equal(one.splits(1).train.inputs, two.splits(1).train.inputs)
    assert one.digest != two.digest


OBJECTS = np.array([{}, []] * 20, dtype=object)
NAN = np.where(np.arange(480).reshape(X.shape) == 17, np.nan, X)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no split": ({"x_train": None, "y_train": None}, "expected x_train and y_train, got nothing"),
    "no targets": ({"y_train": None}, "y_train: expected beside x_train"),
    "other lengths": ({"y_train": LABELS[:39]}, "y_train: expected a target for each of 40 inputs, got 39"),
    "text": ({"x_train": np.array(["a"] * 40)}, "x_train: expected numbers, got <U1"),
    "complex": ({"x_train": X * 1j}, "x_train: expected numbers, got complex64"),
    "objects": ({"y_train": OBJECTS}, "y_train: expected numbers, got Python objects"),
    "empty": ({"x_train": X[:0], "y_train": LABELS[:0]}, "expected examples, got an array of shape (0"),
    "few": ({"x_train": X[:4], "y_train": LABELS[:4]}, "x_train: expected at least 5 examples, got 4"),
    "nan": ({"x_train": NAN}, "x_train: expected finite float32 numbers, got nan at example 1"),
    "too large": ({"x_train": X.astype(float) * 1e38}, "x_train: expected finite float32 numbers, got"),
    "nan target": ({"y_train": np.where(LABELS == 2, np.inf, 0.5)}, "y_train: expected finite float32"),
    "gaps": ({"y_train": LABELS * 2}, "class numbers 0 to 4 without gaps, got no 1; floating point"),
    "negative": ({"y_train": LABELS - 1}, "y_train: expected class numbers from 0, got -1"),
    "one class": ({"y_train": LABELS * 0}, "y_train: expected at least two classes, got one"),
    "constant": ({"y_train": np.ones(40)}, "expected numbers that vary, got a constant output 0"),
    "one-hot": ({"y_train": np.eye(3, dtype=int)[LABELS]}, "expected class numbers (n,), or floating"),
    "three axes": ({"y_train": NUMBERS[:, None]}, "or (n, k), got float64 (40, 1, 2)"),
    "other shape": ({"x_val": X[:, :1], "y_val": LABELS}, "x_val: expected float32 (n, 2, 6) as x_train"),
    "other kind": ({"x_val": X, "y_val": NUMBERS}, "expected int64 (n,) as y_train, got float32 (40, 2)"),
    "out of range": ({"x_test": X, "y_test": LABELS + 1}, "expected class numbers 0 to 2 as in y_train"),
    "small test": ({"x_test": X[:3], "y_test": LABELS[:3]}, "x_test: expected at least 4 examples, to halve"),
    "selection alone": ({"x_selection": X, "y_selection": LABELS}, "x_test: expected beside x_selection"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_a_file_that_does_not_hold_is_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {"x_train": X, "y_train": LABELS, **change}
    with pytest.raises(TaskError) as caught:
        task(written(tmp_path, **{name: array for name, array in arrays.items() if array is not None}))
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{tmp_path / 'data.npz'}: ")
    assert "\n" not in text


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".npy", ""])
@settings(max_examples=25)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_one_line(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    with pytest.raises(TaskError, match=r"any.*: expected"):
        task(path)


def test_a_damaged_or_encrypted_archive_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x_train=X, y_train=LABELS)
    data = path.read_bytes()
    packed = data.index(b"x_train.npy") + len("x_train.npy")
    extra = int.from_bytes(data[28:30], "little")
    directory = data.index(b"PK\1\2")
    damage = {
        packed + extra: b"\7",  # a block of a type that deflate does not have
        directory + 8: bytes([data[directory + 8] | 1]),  # encrypted
        directory + 10: b"\xff",  # compressed in an unknown way
    }
    for place, byte in damage.items():
        path.write_bytes(data[:place] + byte + data[place + 1 :])
        with pytest.raises(TaskError, match=r"data\.npz: x_train: expected an \.npz archive that can be"):
            task(path)


def _with_header(path: Path, shape: str, descr: str = "<f4", magic: bytes = b"\x93NUMPY\1\0") -> Path:
    """An archive whose x_train has a header of one's own and sixteen bytes."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    array = magic + len(header).to_bytes(2 if magic[6] == 1 else 4, "little") + header + bytes(16)
    np.savez(path, y_train=LABELS)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("x_train.npy", array)
    return path


@pytest.mark.parametrize(
    "shape", [f"(100, {2**40})", f"({2**62}, {2**62})", "(5,)", "(3,)", "(-1, -2)", "()"]
)
def test_a_header_that_announces_other_numbers_than_there_are_is_one_line(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _with_header(tmp_path / "data.npz", shape)
    monkeypatch.setattr(tensors_file, "read_array", _unreached)
    with pytest.raises(
        TaskError, match=r"x_train: its header announces float32 .*, expected the 16 bytes it"
    ):
        task(path)


def _unreached(*_: object, **__: object) -> object:
    raise AssertionError("expected a refusal before numpy takes memory")


def test_a_header_of_another_version_is_one_line(tmp_path: Path) -> None:
    path = _with_header(tmp_path / "data.npz", "(4,)", magic=b"\x93NUMPY\2\0")
    with pytest.raises(TaskError, match="x_train: expected numbers, got named fields"):
        task(path)


def test_a_directory_that_announces_more_than_the_memory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, x_train=X, y_train=LABELS)
    data = bytearray(path.read_bytes())
    for name in (b"x_train.npy", b"y_train.npy"):
        entry = data.rindex(name) - 46  # of the directory at the end
        data[entry + 24 : entry + 28] = b"\xfe\xff\xff\xff"
    path.write_bytes(data)
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 20}
    monkeypatch.setattr(tensors_file.os, "sysconf", sizes.__getitem__)
    with pytest.raises(TaskError, match=r"data\.npz: expected arrays that fit into memory, 4096 MiB here"):
        task(path)


def test_a_file_that_is_not_there_or_a_single_array(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="expected a data file: No such file"):
        task(tmp_path / "none.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(TaskError, match="expected a data file: Is a directory"):
        task(tmp_path / "folder.npz")
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(TaskError, match="got a single array"):
        task(tmp_path / "one.npz")


@pytest.mark.parametrize("kind", ["num_classes", "num_outputs"])
@pytest.mark.parametrize("shape", [(1,), (7,), (40,), (3, 5), (2, 64), (1, 8, 8), (3, 1, 1), (2, 3, 4, 5)])
def test_baselines_fit_any_shape(shape: tuple[int, ...], kind: str) -> None:
    class Any(DataTask):
        offers = {"input_shape": shape, kind: 3}  # noqa: RUF012 - a task's, as a user writes it

    assert len(Any().seeds) >= 2
    for source in Any().seeds.values():
        assert vet(source, entry="Model", offers=Any().offers) == []
        model = build(load(source), {"entry": "Model", "offers": Any().offers})
        assert model(torch.zeros(2, *shape)).shape == (2, 3)


def test_a_path_is_relative_to_the_campaigns_folder(tmp_path: Path) -> None:
    written(tmp_path, x_train=X, y_train=LABELS)
    (tmp_path / "c").mkdir()
    assert load_task("tensors:../data.npz", tmp_path / "c").name == "tensors:../data.npz"

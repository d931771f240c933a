"""`table:FILE,target=COLUMN`: what a table may hold, what is made of it, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evoarch.evaluators import sealed
from evoarch.evaluators.checks import check_splits
from evoarch.evaluators.task import TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.tasks.files.task import FileTask
from kit.tables import HEADER, rows, written


def task(path: Path, options: str = ",target=price") -> FileTask:
    made = load_task(f"table:{path}{options}")
    assert isinstance(made, FileTask)
    return made


def test_kinds_of_columns_are_found(tmp_path: Path) -> None:
    made = task(written(tmp_path))
    # size, rooms, rooms missing, city (3 towns and "other"), sold in days, garden; every street is another
    assert made.offers == {"input_shape": (6,), "num_outputs": 1, "categories": (0, 0, 0, 4, 0, 0)}
    assert made.loss == "mean_squared_error"
    assert made.notes[1:] == (
        "inputs: 5 numbers (size, rooms, rooms missing, sold, garden); 1 categories (city 3)",
        "street: 64 different texts: left out",
    )
    splits = check_splits(made, made.splits(0))
    assert (len(splits.train.inputs), len(splits.validation.inputs)) == (52, 12)
    codes = np.concatenate([splits.train.inputs, splits.validation.inputs])[:, 3]
    assert set(codes) <= {0.0, 1.0, 2.0, 3.0}, "codes are not scaled"


def test_the_test_is_sealed_and_teaches_nothing(tmp_path: Path) -> None:
    """What stands in the test's rows alone changes no input of the search."""
    made = task(written(tmp_path))
    assert isinstance(made, sealed.SealedTask)
    held = sealed.tests_of(made, 0)["held_out"].inputs, sealed.selection_of(made, 0).validation.inputs
    assert [len(part) for part in held] == [8, 8]
    table = rows()
    pool = np.concatenate([made.splits(0).train.inputs, made.splits(0).validation.inputs])
    sizes = np.array([float(row[0]) for row in table])
    # A row of the test is one whose size stands, scaled, in no row of the search.
    scaled = (sizes - made.scale.mean[0]) / made.scale.deviation[0]
    hidden = [n for n, value in enumerate(scaled) if not np.isclose(pool[:, 0], value, atol=1e-5).any()]
    assert len(hidden) == 16
    for number in hidden:
        table[number] = ["1e6", "99", "Atlantis", "x", "1990-01-01", "true", table[number][-1]]
    (tmp_path / "other").mkdir()
    other = task(written(tmp_path / "other", table))
    again = np.concatenate([other.splits(0).train.inputs, other.splits(0).validation.inputs])
    np.testing.assert_array_equal(again, pool)


@pytest.mark.parametrize(("target", "classes"), [("city", 3), ("garden", 2), ("rooms", 4)])
def test_texts_truth_values_and_few_integers_make_classes(tmp_path: Path, target: str, classes: int) -> None:
    made = task(written(tmp_path), f",target={target}")
    assert made.offers["num_classes"] == classes
    trained = made.splits(0).train.targets
    assert set(trained.tolist()) == set(range(classes))


def test_kind_and_drop_change_what_is_made(tmp_path: Path) -> None:
    made = task(written(tmp_path), ",target=rooms,kind=numbers,drop=city,sold")
    assert made.offers["num_outputs"] == 1
    assert made.offers["categories"] == (0, 0, 0), "size, garden, price"


def test_rows_without_a_target_are_left_out_and_said(tmp_path: Path) -> None:
    table = rows()
    for row in table[:7]:
        row[-1] = ""
    made = task(written(tmp_path, table))
    assert made.notes[0].startswith("73 rows; target price: numbers from ")
    assert made.notes[0].endswith("; 7 rows without it are left out")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_and_a_byte_order_mark_are_read(tmp_path: Path, separator: str) -> None:
    plain = task(written(tmp_path)).splits(0).train.inputs
    text = "\n".join(separator.join(row) for row in [HEADER, *rows()])
    (tmp_path / "other.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    np.testing.assert_array_equal(task(tmp_path / "other.csv").splits(0).train.inputs, plain)


def test_decimal_commas_are_told_and_read(tmp_path: Path) -> None:
    table = [[cell.replace(".", ",") for cell in row] for row in rows()]
    text = "\n".join(";".join(row) for row in [HEADER, *table])
    path = tmp_path / "comma.csv"
    path.write_text(text)
    with pytest.raises(TaskError, match=r"price: expected numbers, got .* in row 1; decimal=comma"):
        task(path)
    plain = task(written(tmp_path)).splits(0).train.inputs
    np.testing.assert_allclose(task(path, ",target=price,decimal=comma").splits(0).train.inputs, plain)


def test_parquet_is_read_alike(tmp_path: Path) -> None:
    import duckdb

    path = written(tmp_path)
    duckdb.sql(f"COPY (SELECT * FROM '{path}') TO '{tmp_path}/houses.parquet'")
    one, two = task(path), task(tmp_path / "houses.parquet")
    np.testing.assert_array_equal(one.splits(0).train.inputs, two.splits(0).train.inputs)
    assert one.digest != two.digest


BAD: dict[str, tuple[str, str, str]] = {
    "no target": ("", "", "expected ,target=COLUMN, one of: size, rooms, city"),
    "unknown target": (",target=prize", "", "expected a column 'prize', got: size, rooms"),
    "unknown drop": (",target=price,drop=colour", "", "drop: expected a column of .*, got 'colour'"),
    "unknown kind": (",target=price,kind=sort", "", "kind: expected classes or numbers, got 'sort'"),
    "one row": (",target=a", "a,b\n1,2\n", "expected at least 25 rows with a, got 1"),
    "a constant": (",target=a,kind=numbers", "a,b\n" + "1,2\n" * 40, "a: expected numbers that vary"),
    "one class": (",target=a", "a,b\n" + "x,2\n" * 40, "a: expected at least two classes, got 'x' alone"),
    "rare class": (
        ",target=a",
        "a,b\n" + "x,2\n" * 40 + "y,3\n",
        "at least 5 rows of each class, got 1 of 'y'",
    ),
    "alone": (",target=a", "a\n" + "x\n" * 20 + "y\n" * 20, "expected columns beside a"),
    "mixed": (
        ",target=b",
        "a,b\n" + "1,2\n2,3\n" * 20 + "n/a,2\n",
        "a: expected numbers, got 'n/a' in row 41",
    ),
    "texts": (",target=a,kind=numbers", "a,b\n" + "x,2\ny,3\n" * 20, "a: expected numbers, got texts"),
    "wide": (",target=c0", ",".join(f"c{n}" for n in range(5000)) + "\n", "at most 4,096 columns, got 5,000"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_one_line(tmp_path: Path, case: str) -> None:
    options, text, message = BAD[case]
    path = written(tmp_path)
    if text:
        path.write_text(text)
    with pytest.raises(TaskError, match=message) as caught:
        task(path, options)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bytes.csv"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(TaskError, match=r"bytes.csv: expected") as caught:
        task(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"), [("x.xlsx", r"expected a file .csv"), ("x.csv", "no such file")]
)
def test_another_file_is_one_line(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        task(tmp_path / name)

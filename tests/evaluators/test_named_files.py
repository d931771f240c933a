"""How a task names a file with its options, and how the name moves with a campaign."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.evaluators.task import TaskError
from evoarch.evaluators.tasks import UnknownTask, from_file, load_task, moved
from evoarch.evaluators.tasks.files import FILE_KINDS
from evoarch.evaluators.tasks.files.named import NamedFile, named_file

paths = st.text(st.characters(codec="utf-8", exclude_characters="=,\0"), min_size=1)
keys = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
values = st.text(st.characters(codec="utf-8", exclude_characters="=\0")).filter(
    lambda text: text == text.strip()
)


@given(st.sampled_from(sorted(FILE_KINDS)), paths, st.dictionaries(keys, values, max_size=3))
def test_a_name_reads_as_it_was_written(kind: str, path: str, options: dict[str, str]) -> None:
    named = NamedFile(kind, path, options)
    assert named_file(str(named)) == named
    assert from_file(str(named))


def test_a_path_may_hold_commas() -> None:
    assert named_file("table:a,b.csv,target=x,drop=c,d") == NamedFile(
        "table", "a,b.csv", {"target": "x", "drop": "c,d"}
    )


def test_a_relative_path_is_told_from_the_campaigns_folder(tmp_path: Path) -> None:
    inside = tmp_path / "campaign"
    assert moved("images:photos,size=8", tmp_path, inside) == "images:../photos,size=8"
    assert moved("images:/data/photos,size=8", tmp_path, inside) == "images:/data/photos,size=8"
    assert moved("digits", tmp_path, inside) == "digits"


def test_an_unknown_option_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"sise: expected size=... pixels, or HEIGHTxWIDTH"):
        load_task(f"images:{tmp_path},sise=8")
    with pytest.raises(TaskError, match="size: expected a path alone"):
        load_task(f"tensors:{tmp_path}/x.npz,size=8")


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UnknownTask, match=r"images:DIR.*nearest is 'images:DIR'"):
        load_task("image:photos")

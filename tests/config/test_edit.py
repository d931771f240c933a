"""An edit of a TOML file changes the touched key alone: other keys, comments and layout stay."""

import json
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.edit import edited, rewrite

names = st.text("abcxyz-_0", min_size=1, max_size=4)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=8)
values = st.one_of(
    st.integers(-(2**40), 2**40),
    st.booleans(),
    st.floats(allow_nan=False),
    texts,
    st.lists(texts, max_size=3),
    st.dictionaries(names, st.integers(0, 9), max_size=2),
)
comments = st.text("#[]{}\"'=,. abc", max_size=12)


def written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {each}" for key, each in value.items()) + "}"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A TOML file: tables of keys, comments behind and between them, some tables inline, either line end."""
    lines: list[str] = []
    for number, keys in enumerate(draw(st.lists(st.dictionaries(names, values, max_size=4), max_size=4))):
        table = f"t{number}"
        if draw(st.booleans()):
            lines += [f"# {draw(comments)}", ""]
        lines.append(f"{draw(st.sampled_from(['', '  ']))}[{table}]  # {draw(comments)}")
        for key, value in keys.items():
            lines.append(f"{key} = {written(value)}{draw(st.sampled_from(['', f' # {draw(comments)}']))}")
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(lines) + draw(st.sampled_from(["", end]))


def edit(text: str, table: str, key: str, value: object) -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "campaign.toml"
        path.write_bytes(text.encode())
        rewrite(path, edited(path, lambda data: data.setdefault(table, {}).update({key: value})))
        return path.read_bytes().decode()


@given(files(), st.sampled_from(["t0", "t1", "new"]), names, values)
def test_an_edit_changes_the_touched_key_alone(text: str, table: str, key: str, value: object) -> None:
    wanted = tomllib.loads(text)
    wanted.setdefault(table, {})[key] = value
    after = edit(text, table, key, value)
    assert tomllib.loads(after) == wanted
    # Every other line is there as it was, in the old order.
    left = iter([line.rstrip() for line in after.split("\n")])
    for line in text.split("\n"):
        assert line.lstrip().startswith(f"{key} =") or line.strip() == "" or line.rstrip() in left


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[t]\nkey = 1   # why\n", "[t]\nkey = 2   # why\n"),
        ("t = {key = 1, other = 3} # why\n", "t = {key = 2, other = 3} # why\n"),
        ("# top\nt.key = 1\nx = 1\n", "# top\nt.key = 2\nx = 1\n"),
        ("[t]\n'key' = '1'\n\n\n[[u]]\n", "[t]\n'key' = 2\n\n\n[[u]]\n"),
    ],
)
def test_a_table_is_edited_however_it_is_written(text: str, expected: str) -> None:
    assert edit(text, "t", "key", 2) == expected


@pytest.mark.parametrize("text", ["t = 1\n", "[[t]]\n", "[t\n", "[t]\nkey = 1\nkey = 2\n"])
def test_what_can_not_be_edited_is_one_line_and_nothing_is_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"campaign\.toml: expected tables and lists as"):
        edited(path, lambda data: data.setdefault("t", {}).update(key=2))
    assert path.read_text() == text

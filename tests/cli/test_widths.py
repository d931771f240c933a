"""What a terminal of 60, 80 or 200 columns shows, and a pipe gets: nothing is cut, what matters stays."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from evoarch.agent.cli import COMMANDS
from evoarch.agent.cli.output import table
from evoarch.evaluators.fakes import StubConfirmer
from kit.command import evoarch, new_campaign
from kit.confirm_models import accuracy, archive, confirm
from kit.small_seed import SEED as MODEL

WIDTHS = (60, 80, 200)

SHOWN = [
    ("check", "MODEL"),
    ("config", "DIR"),
    ("diff", "DIR", "BRED"),
    ("doctor", "DIR"),
    ("doctor", "DIR", "--pool"),
    ("lineage", "DIR"),
    ("list", "DIR"),
    ("run", "DIR"),
    ("run", "DIR", "--dry-run"),
    ("show", "DIR", "BRED"),
    ("status", "DIR"),
    ("tasks",),
    ("zoo",),
    ("zoo", "show", "starnet"),
]
LINES = [
    ("compare", "DIR", "--arms", "random", "--seeds", "1", "--report-only"),
    ("evaluate", "MODEL", "--task", "digits"),
    ("export", "DIR", "1", "-o", "NEW/exported.py"),
    ("init", "NEW/c", "--task", "digits", "--lm", "none"),
    ("init", "NEW/zoo", "--task", "digits", "--lm", "none", "--seeds", "starnet", "--params", "5k"),
    ("lm", "install"),
    ("report", "DIR", "-o", "NEW/report.html"),
    ("scale", "DIR", "1"),
    ("schema",),
    ("seed", "add", "DIR", "MODEL", "--dry-run"),
    ("track", "DIR"),
    ("tuning", "export", "DIR", "-o", "NEW/data.jsonl"),
]
"""Commands that print lines as they are: the same ones whatever the width."""

REFUSED = {
    "compare": "nothing is compared yet",
    "evaluate": "the model file is one for other inputs",
    "track": "there is no tracker to tell",
}
"""Of these the line is an error, in much less time than it takes to have another one."""

ELSEWHERE = {
    "confirm": "has a test of its own below",
    "explain": "has one in tests/studies",
    "mcp": "speaks to a program",
    "space": "has one in tests/studies",
    "review": "two lines, then a server",
}


DEAR = ("run", "scale", "seed")
"""Commands that train or build, four times each."""


def each(commands: list[tuple[str, ...]]) -> list[Any]:
    return [pytest.param(words, marks=[pytest.mark.slow] * (words[0] in DEAR)) for words in commands]


def test_every_command_is_looked_at() -> None:
    assert {words[0] for words in SHOWN + LINES} | set(ELSEWHERE) == set(COMMANDS)


def printed(words: tuple[str, ...], folder: Path, place: Path) -> str:
    model = place / "model.py"
    model.write_text(MODEL)
    filled = {"DIR": str(folder), "MODEL": str(model), "BRED": "3"}
    result = evoarch(*(filled.get(word, word) for word in words))
    assert result.exit_code == 0, result.output
    return result.stdout


CODE = ("diff", "show")
"""Commands that show source, whose lines keep their indentation."""

RESULT = re.compile(r"\d\.\d{3}-\d\.\d{3}|\b0\.\d{4}\b|(?<=\s)[a-z]+\.[a-z]+(?=\s)")
"""Intervals, errors, and names of operators."""


@pytest.mark.parametrize("words", each(SHOWN), ids=" ".join)
def test_at_any_width_nothing_that_matters_is_cut(
    words: tuple[str, ...], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    pipe = printed(words, finished, tmp_path)
    assert "\x1b" not in pipe
    assert "no room for" not in pipe
    monkeypatch.setattr("evoarch.agent.cli.output.terminal", lambda: True)
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        shown = printed(words, finished, tmp_path)
        assert "\N{HORIZONTAL ELLIPSIS}" not in shown
        if words[0] in ("list", "status", "run"):
            # Of costs a narrow terminal does without, of results it does not.
            before, _, after = pipe.partition("\nCost")
            results = before + after[after.find("What a new valid child") :]
            cells = {cell.strip() for cell in RESULT.findall(results)}
            assert {cell for cell in cells if cell not in shown} == set()
        if words[0] not in ("check", "doctor", "zoo") or words == ("zoo",):
            long = [line for line in shown.splitlines() if len(line.rstrip()) > width]
            assert long == []


@pytest.mark.parametrize("words", each(LINES), ids=lambda words: " ".join(words[:2]))
def test_lines_are_the_same_at_any_width_and_in_a_pipe(
    words: tuple[str, ...], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    found = set[str]()
    for columns in ("60", "80", "200", "pipe"):
        monkeypatch.setattr("evoarch.agent.cli.output.terminal", lambda of=columns: of != "pipe")
        monkeypatch.setenv("COLUMNS", columns if columns != "pipe" else "60")
        place = tmp_path / columns
        place.mkdir()
        (place / "model.py").write_text(MODEL)
        filled = {"DIR": str(finished), "MODEL": str(place / "model.py"), "BRED": "3"}
        result = evoarch(*(filled.get(word, word.replace("NEW", str(place))) for word in words))
        assert result.exit_code == (words[0] in REFUSED), result.output
        # Times are those of the machine.
        found.add(re.sub(r"[\d.]+ (s|CPU s)\b", "TIME", result.output.replace(str(place), "PLACE")))
    (said,) = found
    assert said.strip()
    assert not {"\x1b", "\N{HORIZONTAL ELLIPSIS}"} & set(said)


def test_of_a_confirmation_no_result_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = new_campaign(tmp_path / "c")
    with archive(folder) as store:
        confirm(store, StubConfirmer(accuracy))
    pipe = evoarch("confirm", str(folder), "--show").output
    results = set(re.findall(r"\d+\.\d+%|\[\d\S+|\S+\d\]|worse:", pipe))
    assert len(results) > 20
    monkeypatch.setattr("evoarch.agent.cli.output.terminal", lambda: True)
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        shown = evoarch("confirm", str(folder), "--show").output
        assert "\N{HORIZONTAL ELLIPSIS}" not in shown
        assert max(map(len, shown.splitlines())) <= width
        assert {result for result in results if result not in shown} == set()


CELLS = st.one_of(
    st.integers(0, 10**7), st.floats(0, 1), st.none(), st.text("abc.é字 ", min_size=1, max_size=30)
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_table_cuts_no_value_at_any_width(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    columns = [f"column {number}" for number in range(count)]
    rows = data.draw(st.lists(st.lists(CELLS, min_size=count, max_size=count), min_size=1, max_size=5))
    spare = data.draw(st.lists(st.sampled_from(columns), unique=True))
    width = data.draw(st.integers(30, 250))

    def text(columns_of_screen: int) -> str:
        out = StringIO()
        Console(file=out, width=columns_of_screen, markup=False, emoji=False).print(
            table("t", columns, rows, spare)
        )
        return out.getvalue()

    wide, shown = text(10_000), text(width)
    assert "no room" not in wide
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    gone = re.search(r"no room for ([^)]*)\)", " ".join(shown.split()))
    left_out = set(gone[1].split(", ")) if gone else set()
    assert left_out <= set(spare)

    def letters(words: str) -> str:
        return re.sub(r"\s", "", words)

    # Every letter of a column that stays is there, whether its cell is broken or not.
    kept = [place for place, name in enumerate(columns) if name not in left_out]
    out = StringIO()
    some = table("t", [columns[place] for place in kept], [[row[place] for place in kept] for row in rows])
    Console(file=out, width=10_000, markup=False, emoji=False).print(some)
    rest = re.sub(r"\(\d+ columns: no room for .*", "", shown, flags=re.DOTALL)
    assert sorted(letters(rest)) == sorted(letters(out.getvalue()))

"""README's transcript is what this version prints, between marks, and names the command that made it."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.readme import BEGIN, END, PAGE, replaced, transcript

from kit.command import output_of, small_campaign
from kit.quick_walls import quick_walls


def test_the_page_has_its_marks_and_what_stands_outside_stays() -> None:
    page = PAGE.read_text(encoding="utf-8")
    new = replaced(page, "text")
    assert f"{BEGIN}\ntext\n{END}" in new
    assert new.split(BEGIN)[0] == page.split(BEGIN)[0]
    assert new.split(END)[1] == page.split(END)[1]
    with pytest.raises(ValueError, match="expected"):
        replaced("no marks", "text")


def test_it_is_what_a_run_prints_first_and_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_walls(monkeypatch)
    monkeypatch.chdir(tmp_path)
    small_campaign(Path("demo"), "--evaluations", "3")
    printed = output_of("run", "demo", "--set", "constraints.error=1.0")
    text = transcript(Path("demo"))
    assert "`make demo`, then `make readme`" in text
    assert "demo: looks for models of low error and params on mnist1d" in text
    for title in ("What was found", "Front", "Seeds", "Against the seeds", "Next"):
        assert f"\n{title}\n" in text
        assert title in printed
    assert max(len(line) for line in text.split("```")[1].splitlines()) <= 110

"""A campaign's own prompt templates, by the commands alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from evoarch.archive.store import open_archive
from evoarch.prompts.render import built_in
from kit.command import evoarch, new_campaign

TEXT = "# smaller, please\n{{ before }}{{ indent }}{{ lead }}\n"


def campaign(folder: Path, **templates: str) -> Path:
    new_campaign(folder, "--evaluations", "1")
    (folder / "prompts").mkdir()
    for name, text in templates.items():
        (folder / "prompts" / f"{name}.j2").write_text(text)
    return folder


def test_a_bad_template_stops_a_run_in_one_line_before_anything_is_there(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c", scoped="{{ before }}\n{{ leed }}")
    done = evoarch("run", str(folder))
    assert done.exit_code == 2
    assert done.stderr.strip().endswith(
        "expected one of before, card, feedback, indent, lead, listed, metrics, targets"
    )
    assert f"{folder}/prompts/scoped.j2:2: no value 'leed'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "archive.db").exists()


@pytest.mark.slow
def test_templates_are_on_record_by_digest_and_go_with_a_replay(tmp_path: Path) -> None:
    folder, again = campaign(tmp_path / "c", scoped=TEXT), tmp_path / "again"
    fast = ("--set", "evaluation.repeats=1", "--set", "evaluation.workers=1")
    assert evoarch("run", str(folder), *fast).exit_code == 0
    assert evoarch("run", str(again), "--replay", str(folder), *fast).exit_code == 0
    assert (again / "prompts" / "scoped.j2").read_text() == TEXT
    for place in (folder, again):
        digests = open_archive(place, write=False).last_event_detail("session")["prompts"]
        assert isinstance(digests, dict)
        assert digests["scoped"] == hashlib.sha256(TEXT.encode()).hexdigest()
        assert digests["rewrite"] == hashlib.sha256(built_in("rewrite").encode()).hexdigest()

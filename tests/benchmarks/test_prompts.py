"""docs/prompts.md is what the code sends."""

from __future__ import annotations

import runpy

from kit.paths import BENCHMARKS


def test_the_page_of_prompts_is_fresh() -> None:
    script = runpy.run_path(str(BENCHMARKS / "prompts.py"))
    text = script["page"]()
    assert script["PAGE"].read_text(encoding="utf-8") == text, "run `python benchmarks/prompts.py`"
    for task in script["TASKS"]:
        assert f"## {task}, a base model" in text
        assert f"## {task}, a chat model" in text

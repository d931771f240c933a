"""Prompts as whole texts: a changed word in a template shows up here. Set GOLDEN=1 to write them anew."""

from __future__ import annotations

import os

import pytest

from evoarch.prompts.contexts import Feedback, Scoped
from evoarch.prompts.render import (
    Override,
    PromptError,
    Templates,
    built_in,
    metrics_text,
    names,
    render,
    template_of,
)
from evoarch.prompts.samples import SAMPLES
from kit.paths import GOLDEN


@pytest.mark.parametrize("name", SAMPLES)
def test_a_prompt_is_exactly_its_golden_text(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = render(SAMPLES[name])
    if os.environ.get("GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_every_template_and_every_golden_text_has_its_context() -> None:
    used = {template_of(type(context)) for context in SAMPLES.values()}
    assert used == {name for name in names() if not name.startswith("_")}
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SAMPLES)


def test_a_completion_ends_without_a_newline() -> None:
    for name in ("rewrite", "scoped", "crossover", "repair", "repair_statement"):
        context = SAMPLES[name]
        end = getattr(context, "head", "") or getattr(context, "lead", "")
        assert render(context).endswith(end)
        assert end


def test_metrics_are_strings_in_one_order() -> None:
    assert metrics_text({"error": 0.08749, "params": 5210.0}) == '{"params": "5210", "val_error": "0.087"}'
    assert metrics_text({}) == "{}"


@pytest.mark.parametrize("name", [name for name in SAMPLES if not name.endswith("_feedback")])
def test_without_feedback_a_prompt_says_nothing_of_it(name: str) -> None:
    text = render(SAMPLES[name])
    assert not any(word in text for word in ("tried", "measured:", "became of", "children"))


def test_the_built_in_templates_hold_on_every_sample() -> None:
    own = {name: Override(built_in(name), f"{name}.j2") for name in names()}
    templates = Templates(own)
    templates.check(SAMPLES)  # it raises PromptError where one does not hold
    assert {name: templates.render(sample) for name, sample in SAMPLES.items()} == {
        name: render(sample) for name, sample in SAMPLES.items()
    }


def test_an_own_template_stands_in_the_place_of_the_built_in_one() -> None:
    own = Templates(
        {"scoped": Override("# aim: {{ targets | metrics }}\n{{ before }}{{ lead }}", "own/scoped.j2")}
    )
    assert own.render(SAMPLES["scoped"]).startswith('# aim: {"params": "400"')
    assert own.render(SAMPLES["rewrite"]) == render(SAMPLES["rewrite"])
    changed = {k for k, v in own.digests().items() if v != Templates().digests()[k]}
    assert changed == {"scoped"}


def test_an_own_part_is_taken_in_by_the_templates_that_include_it() -> None:
    own = Templates({"_answer": Override("Be brief.", "own/_answer.j2")})
    assert own.render(SAMPLES["rewrite_chat"]).endswith("Be brief.")


BAD = {
    "a wrong name": ("one\n{{ tagrets }}", "own/scoped.j2:2: no value 'tagrets'; expected one of before"),
    "a wrong name in a branch not taken": (
        "{% if before == 1 %}\n{{ no }}{% endif %}",
        "own/scoped.j2:2: no value",
    ),
    "a wrong attribute": ("\n\n{{ feedback.tired }}", "own/scoped.j2:3: "),
    "bad syntax": ("\n{% if %}", "own/scoped.j2:2: "),
    "an unknown filter": ("{{ before | shout }}", "own/scoped.j2:1: No filter named 'shout'"),
    "an unknown include": ('{% include "nope.j2" %}', "no template 'nope.j2'"),
    "a division by zero": ("\n{{ 1 // 0 }}", "own/scoped.j2:2: ZeroDivisionError: "),
    "a sum of a number and a text": ("{{ targets.params + before }}", "own/scoped.j2:1: TypeError: "),
    "a part that takes itself in": ('{% include "scoped.j2" %}', "own/scoped.j2:1: RecursionError: "),
    "a text beyond all memory": ("{{ 'x' * 10**16 }}", "own/scoped.j2:1: MemoryError"),
    "a way out of the sandbox": ("{{ before.__class__.__mro__ }}", "own/scoped.j2:1: "),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_bad_template_is_one_line_with_file_and_line(text: str, said: str) -> None:
    with pytest.raises(PromptError) as caught:
        Templates({"scoped": Override(text, "own/scoped.j2")}).check(SAMPLES)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_message_of_many_lines_stays_one_comment_line() -> None:
    known = Feedback(tried=SAMPLES["scoped_feedback"].feedback.tried[:1])
    odd = known.tried[0].__class__("a\nimport os\n" + "x" * 999, "failed", "line\nbreak")
    text = render(Scoped("", {}, {}, "", "self.a = nn.", Feedback(tried=(odd,))))
    (line,) = [line for line in text.split("\n") if line.startswith("# tried")]
    assert len(line) < 700
    assert "import os" in line

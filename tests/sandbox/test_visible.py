"""What a reader can't see, or would mistake, is shown by its number: in a terminal, on a page, in text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.base.formatting import cell
from evoarch.agent.report.highlight import highlight
from evoarch.sandbox.vet import vet
from evoarch.sandbox.visible import first_unsafe, visible

UNSAFE = {
    "right-to-left override": "\u202e",
    "left-to-right isolate": "\u2066",
    "pop directional isolate": "\u2069",
    "Arabic letter mark": "\u061c",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "word joiner": "\u2060",
    "byte-order mark": "\ufeff",
    "soft hyphen": "\xad",
    "escape": "\x1b",
    "a control of eight bits": "\x9b",
    "NUL": "\0",
    "backspace": "\b",
    "a lone carriage return": "\r",
    "line separator": "\u2028",
    "a private character": "\ue000",
    "a tag character": "\U000e0041",
}


@pytest.mark.parametrize("character", UNSAFE.values(), ids=UNSAFE)
def test_a_character_without_a_picture_is_shown_by_its_number(character: str) -> None:
    text = f"a{character}b"
    assert visible(text) == f"a⟨U+{ord(character):04X}⟩b"
    assert character not in cell(text)
    assert character not in highlight(text)


@pytest.mark.parametrize("word", ["pаrams", "Ηead", "ｅrror", "𝐦odel"])  # noqa: RUF001
def test_a_letter_that_passes_for_another_is_shown_by_its_number(word: str) -> None:
    assert "⟨U+" in visible(word)


@pytest.mark.parametrize(
    "text",
    ["Grüße, naïve café", "модель", "模型", "μ = 3", "x\ty\nz\r\n", "é", "10 × 20 – fine…"],  # noqa: RUF001
)
def test_honest_text_of_any_language_stays(text: str) -> None:
    assert visible(text) == text


@given(st.text())
def test_what_is_shown_holds_nothing_unsafe_and_loses_nothing_else(text: str) -> None:
    shown = visible(text)
    assert first_unsafe(shown.replace("⟨U+", " ")) is None
    kept = [c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")]
    assert len(shown) >= len(kept)


@given(st.text(alphabet=st.characters(max_codepoint=126, min_codepoint=32)))
def test_plain_text_stays(text: str) -> None:
    assert visible(text) == text


def test_vetting_names_the_place() -> None:
    source = "import torch\nfrom torch import nn\n\n\nclass Model(nn.Module):\n    pass  # \u202e\n"
    (found,) = [f for f in vet(source, offers={}) if f.rule == "hidden-text"]
    assert (found.line, found.column) == (6, 12)
    assert "RIGHT-TO-LEFT OVERRIDE (U+202E)" in found.message

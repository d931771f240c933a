"""What must hold for every text: 1,000 sources here, 20,000 in benchmarks/fuzz.py."""

import io
import random
import re
import tokenize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoarch.sandbox.fuzzing import damaged, holds
from evoarch.sandbox.genome import canonical, source_digest
from kit.paths import CORPUS, ROOT

SOURCES = {path.stem: path.read_text() for path in sorted((CORPUS / "sources").glob("*.py"))}
SEEDS = [path.read_text() for path in sorted((ROOT / "evaluators/tasks").glob("*/seeds/**/*.py"))]
OFFERS = {"input_shape": (40,), "num_classes": 10}
FUZZ = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("batch", range(10))
def test_a_damaged_model_file_is_found_or_has_one_canonical_form(batch: int) -> None:
    sources = [*SOURCES.values(), *SEEDS]
    parsed = sum(holds(damaged(sources, random.Random(f"{batch} {i}")), OFFERS) for i in range(90))
    assert 0 < parsed < 90, "the damage is too much or too little to tell anything"


@settings(FUZZ, max_examples=100)
@given(st.text(st.characters(exclude_categories=[]), max_size=80))
def test_any_text_is_found_or_has_one_canonical_form(text: str) -> None:
    holds(text, OFFERS)  # the assertions are in there


NAMES = {
    name: source.partition("\n")[0].removeprefix("# rename:").split() for name, source in SOURCES.items()
}
"""Names that each file of the corpus lists as its own to choose."""


@settings(FUZZ, max_examples=60)
@given(st.data())
def test_names_comments_layout_and_import_order_do_not_change_the_digest(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SOURCES)))
    source = SOURCES[name]
    fresh = data.draw(
        st.lists(
            st.from_regex(r"[a-z]{2}[A-Z][0-9a-z_]{2,9}", fullmatch=True),
            min_size=len(NAMES[name]),
            max_size=len(NAMES[name]),
            unique=True,
        )
    )
    table = dict(zip(NAMES[name], fresh, strict=True))
    changed = re.sub(r"\b[A-Za-z_]\w*\b", lambda word: table.get(word[0], word[0]), source)
    lines = changed.split("\n")
    imports = [i for i, line in enumerate(lines) if re.match(r"(import|from) (?!__future__)", line)]
    # After a star import it does matter which name is bound last.
    order = imports if "import *" in source else data.draw(st.permutations(imports))
    shuffled = list(lines)
    for place, line in zip(imports, order, strict=True):
        shuffled[place] = lines[line]
    comment = data.draw(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=20))
    again = "\n".join(f"{line}  # {comment}" if line.endswith(")") else line for line in shuffled)
    again = re.sub(r"\n(?=def |class )", lambda _: f"\n\n\n# {comment}\n\n", again)
    assert source_digest(again) == source_digest(source)


@pytest.mark.parametrize("name", SOURCES)
def test_another_number_is_another_genome(name: str) -> None:
    source = canonical(SOURCES[name])
    lines = source.split("\n")
    digest = source_digest(source)
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.NUMBER]
    assert tokens
    for token in tokens:
        row, start = token.start
        line = lines[row - 1]
        changed = [*lines]
        changed[row - 1] = line[:start] + "97531" + line[token.end[1] :]
        assert source_digest("\n".join(changed)) != digest, line

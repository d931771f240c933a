"""The filter language: what it reads, what it refuses, and that the archive finds what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evoarch.archive.filters import WORDS, Filter, FilterError, FilterTerm, check_metrics, parse
from evoarch.archive.records import Evaluation, Failed, Scored
from evoarch.archive.store import Store, create

# No deadline: a busy machine is slow, not wrong.
quiet = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

KINDS = {
    "state": ("scored", "failed", "awaiting_review"),
    "verdict": ("approve", "veto", "pin", "note", "none"),
    "front": ("yes", "no"),
}


@st.composite
def terms(draw: st.DrawFn) -> FilterTerm:
    negated = draw(st.booleans())
    if draw(st.booleans()):
        number = draw(st.floats(allow_nan=False, allow_infinity=False))
        relation = draw(st.sampled_from(["<", "<=", ">", ">=", "=", "!="]))
        name = draw(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]*", fullmatch=True))
        return FilterTerm(name, relation, (number,), negated)
    key = draw(st.sampled_from(sorted(WORDS)))
    if key in KINDS:
        most = 1 if key == "front" else 3
        value = st.lists(st.sampled_from(KINDS[key]), min_size=1, max_size=most)
        return FilterTerm(key, ":", tuple(draw(value)), negated)
    if key in ("parent", "from", "into"):
        numbers = st.lists(st.integers(0, 10**9), min_size=1, max_size=3)
        return FilterTerm(key, ":", tuple(map(str, draw(numbers))), negated)
    return FilterTerm(key, ":", (draw(st.text(min_size=1, max_size=20)),), negated)


@quiet
@given(st.lists(terms(), max_size=8))
def test_what_is_written_is_read_again(given_terms: list[FilterTerm]) -> None:
    assert parse(" ".join(map(str, given_terms))) == tuple(given_terms)


@quiet
@given(st.text(max_size=60) | st.text('abop:<>=!-",*#% .\\1k', max_size=30))
@example('text:"open')
@example('""')
@example('-""')
@example("error<" + "9" * 400)
@example("from:1,")
@example("op:,")
@example("-")
def test_any_text_is_read_or_refused_in_one_line_that_names_the_place(text: str) -> None:
    try:
        found = parse(text)
    except FilterError as error:
        said = str(error)
    else:
        said = "expected"
        assert parse(" ".join(map(str, found))) == found
    assert re.search("expected|did you mean", said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("staet:failed", "unknown key staet; did you mean state?"),
        ("state:faild", "unknown state faild; did you mean failed?"),
        ("error<low", "expected a number such as 0.03, 3k, 1.5M or 2%, got low"),
        ("from:seed", "expected the number of a candidate after from:, got seed"),
        ("front:yes,no", "expected yes or no"),
        ("op:", "expected name<number, key:value, or a word"),
    ],
)
def test_a_mistake_is_told_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(FilterError, match="^" + text.replace("(", ".")) as told:
        parse(text)
    assert said in str(told.value)


def test_numbers_have_suffixes() -> None:
    assert [t.values[0] for t in parse("params<3k params<1.5M flops<2G error<2% error<1e-2")] == [
        3e3, 1.5e6, 2e9, 0.02, 0.01,
    ]  # fmt: skip


def test_a_metric_that_nobody_has_is_told() -> None:
    with pytest.raises(FilterError, match="nothing here has a flop; did you mean flops"):
        check_metrics(parse("error<1 depth<3 flop<3k"), ["error", "flops"])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A seed, a scored child, its two children that failed, a rejected one that could not be read."""
    with create(tmp_path_factory.mktemp("filters"), name="trial", seed=0) as store:
        seed = store.add_seed("conv", "x = 1\n", "conv").id
        score(store, seed, "seed", error=0.3, params=5000.0, flops=7.0)
        (one,) = store.draw("lm.scoped", [seed], 1, {})
        store.arrive(one.candidate, 'y = "100%, _a*"\n', "a")
        score(store, one.candidate, "search", error=0.1, params=900.0, flops=3.0)
        for number, reason in ((1, "expected 3 channels, got 4"), (2, "division by zero")):
            (two,) = store.draw("syntactic.mutate", [one.candidate], 1, {})
            store.arrive(two.candidate, f"z = {number}\n", f"b{number}")
            store.start(two.candidate)
            failed = Failed("build" if number == 1 else "train", reason)
            store.settle(Evaluation(two.candidate, "full", 0, failed, 1.0, 0.5))
        (three,) = store.draw("lm.rewrite", [one.candidate], 1, {})
        store.reject(three.candidate, "x = (", "expected a statement")
        store.verdicts.add(one.candidate, "pin")
        yield store


def score(store: Store, candidate: int, kind: str, **metrics: float) -> None:
    store.start(candidate)
    store.settle(Evaluation(candidate, "full", 0, Scored(metrics), 1.0, 0.5, kind))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("error<0.2", [2]),
        ("-error<0.2", [1, 3, 4, 5]),
        ("flops>=3 flops<7", [2]),
        ("op:lm*", [2, 5]),
        ("op:lm.scoped,seed", [1, 2]),
        ("-op:lm*", [1, 3, 4]),
        ("state:failed stage:build", [3]),
        ("stage:parse", [5]),
        ("reason:*channels*", [3]),
        ("reason:channels", [3]),
        ('reason:"expected * channels, got *"', [3]),
        ('text:"100%, _a*"', [2]),
        ("text:%", [2]),
        ("text:_", [2]),
        ("y", [2]),
        ("front:yes", [2]),
        ("front:no depth=2", [3, 4, 5]),
        ("verdict:pin", [2]),
        ("verdict:none id>3", [4, 5]),
        ("from:1", [2, 3, 4, 5]),
        ("from:#2 -state:failed", [5]),
        ("into:4", [1, 2]),
        ("parent:2,1", [2, 3, 4, 5]),
        ("seeds=1 cpu>0.4 name:con*", [1]),
    ],
)
def test_the_archive_finds_what_a_filter_says(store: Store, text: str, ids: list[int]) -> None:
    chosen = Filter(terms=parse(text), front=frozenset({2}))
    assert [c.id for c in store.browse.page(chosen)] == ids
    assert store.browse.count(chosen) == len(ids)


@quiet
@given(st.lists(terms(), max_size=4))
def test_any_filter_is_one_that_the_archive_can_answer(store: Store, given_terms: list[FilterTerm]) -> None:
    chosen = Filter(terms=tuple(given_terms), front=frozenset({2}))
    found = store.browse.page(chosen, order_by="flops", descending=True)
    assert len(found) == store.browse.count(chosen)


def test_any_metric_sorts(store: Store) -> None:
    assert store.browse.metrics() == ["error", "params", "flops"]
    assert [c.id for c in store.browse.page(Filter(), order_by="flops")] == [2, 1, 3, 4, 5]
    with pytest.raises(ValueError, match="order_by: got 'flop'"):
        store.browse.page(Filter(), order_by="flop")


def test_every_end_without_a_score_has_its_stage_and_reason(store: Store) -> None:
    assert store.browse.endings([1, 2, 3, 4, 5]) == {
        3: ("build", "expected 3 channels, got 4"),
        4: ("train", "division by zero"),
        5: ("parse", "expected a statement"),
    }

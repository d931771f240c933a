"""The data that a source holds counts as parameters, and ordinary architectures hold next to none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.sandbox.description import FREE_LITERALS, Description, describe, most_of
from kit.paths import ROOT

LABELS = [random.Random(0).randrange(10) for _ in range(1000)]
"""What a table of labels may look like: random digits."""

TABLES = {
    "a list of numbers": f"T = {LABELS}",
    "a number": f"T = {int(''.join(map(str, LABELS)))}",
    "text": f"T = {''.join(map(str, LABELS))!r}",
    "bytes": f"T = {bytes(LABELS)!r}",
    "text that is joined": "T = (" + " ".join(repr(str(each)) for each in LABELS) + ")",
    "keys of a dict": f"T = { {str(each) + str(i): None for i, each in enumerate(LABELS)} }",
    "keywords": "T = dict(" + ", ".join(f"{'abcdefghij'[each]}{i}=0" for i, each in enumerate(LABELS)) + ")",
    "truth values": f"T = {[bool(each >> k & 1) for each in LABELS for k in range(4)]}",
    "names": "T = [" + ", ".join("abcdefghij"[each] * 2 for each in LABELS) + "]",
    "a sum of numbers": "T = " + " + ".join(str(each + 1000 * i) for i, each in enumerate(LABELS[:200])),
}


@pytest.mark.parametrize("source", TABLES.values(), ids=TABLES)
def test_a_table_counts_as_parameters_however_it_is_written(source: str) -> None:
    assert describe(source).params() >= 20


def test_prose_counts_nothing() -> None:
    text = "x" * 10_000
    plain, commented = "def f():\n    return 1\n", f"def f():\n    '{text}'\n    # {text}\n    return 1\n"
    assert describe(plain) == describe(commented)


def test_the_attributes_that_a_class_is_given_count_by_the_size_of_the_code() -> None:
    rng = random.Random(1)
    lines = "\n".join(f"    a{rng.getrandbits(64):x} = {'x'}" for _ in range(600))
    found = describe(f"x = 0\nclass T:\n{lines}\n")
    assert found.literal_bits < FREE_LITERALS
    assert found.params() > 500


FILES = sorted((ROOT / "evaluators").glob("*/**/seeds/**/*.py")) + sorted(
    (ROOT / "evaluators" / "zoo" / "families").glob("*.py")
)


def test_no_model_file_of_this_repository_holds_data() -> None:
    assert FILES
    assert {path.name: describe(path.read_text()).params() for path in FILES} == {p.name: 0 for p in FILES}


def test_what_the_seeds_hold_is_free() -> None:
    seed = f"T = {LABELS}"
    exempt = most_of([seed, "x = 1"])
    assert describe(seed).params(exempt) == 0
    assert describe(f"{seed}\nU = {LABELS[:320]}").params(exempt) > 0


@given(st.integers(0, 1 << 4000))
def test_a_number_counts_its_own_size(number: int) -> None:
    bits = max(1, number.bit_length())
    assert describe(f"T = {number}").literal_bits == bits


@given(st.binary(max_size=2000))
def test_more_data_never_counts_less(data: bytes) -> None:
    one, two = describe(f"T = {data!r}"), describe(f"T = {data!r}\nU = {data + b'1'!r}")
    assert two.literal_bits > one.literal_bits
    assert one.params() <= two.params()


def test_nothing_is_a_description() -> None:
    assert describe("").params() == 0
    assert most_of([]) == Description(0, 0)

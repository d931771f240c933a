"""The zoo's facts: read whole, or refused in one line that names the file and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.zoo import kept

from evoarch.evaluators.zoo.catalogue import CatalogueError, load_catalogue, load_family
from evoarch.evaluators.zoo.page import page
from kit.paths import ROOT

FACTS = """
title = "Two layers"
summary = "A line."
scaling = "By width."
status = "exact"
[paper]
authors = "Nobody"
title = "Nothing"
year = 2020
[[variants]]
name = "one"
parameters = 10
source = "by hand"
kwargs = { width = 2 }
[[small]]
input = [1, 8, 8]
"""


def _family(folder: Path, facts: str, name: str = "two") -> Path:
    (folder / f"{name}.py").write_text("def Model():\n    pass\n")
    path = folder / f"{name}.toml"
    path.write_text(facts)
    return path


def test_a_family_is_read_whole(tmp_path: Path) -> None:
    family = load_family(_family(tmp_path, FACTS))
    assert (family.name, family.title, family.paper.year) == ("two", "Two layers", 2020)
    assert family.variant("one").kwargs == {"width": 2}
    assert family.small[0].input == (1, 8, 8)
    assert family.source.startswith("def Model")
    assert load_catalogue(tmp_path) == {"two": family}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Two layers"', "", "the file: missing 1 required positional argument: 'title'"),
        ('title = "Two layers"', "title = 2", "the file title: expected str, got 2"),
        ('title = "Two layers"', 'tittle = "Two"', "expected a key of name, path, title"),
        ('status = "exact"', 'status = "near"', "status: expected exact or off, got 'near'"),
        ('status = "exact"', 'status = "off"', "note: expected how far it is off and why, got 'nothing'"),
        ("parameters = 10", 'parameters = "10"', "[[variants]] 1 parameters: expected int, got '10'"),
        ("parameters = 10", "parameters = true", "[[variants]] 1 parameters: expected int, got True"),
        ("year = 2020", "", "[paper]: missing 1 required positional argument: 'year'"),
        (
            'name = "one"',
            'name = "one"\noracle = "timm:x"',
            "expected a package of [[oracles]]: [], got 'timm'",
        ),
        ("[[small]]\ninput = [1, 8, 8]", "", "small: expected at least one table [[small]], got None"),
        ("[[small]]", "[[small]", "expected a TOML file"),
    ],
)
def test_facts_that_do_not_hold_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FACTS
    path = _family(tmp_path, FACTS.replace(old, new, 1))
    with pytest.raises(CatalogueError) as raised:
        load_family(path)
    assert str(path) in str(raised.value)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_genome_without_facts_is_named(tmp_path: Path) -> None:
    (tmp_path / "lost.py").touch()
    with pytest.raises(CatalogueError, match=r"expected lost\.toml beside"):
        load_catalogue(tmp_path)


def test_the_page_of_the_zoo_is_up_to_date() -> None:
    expected = page(load_catalogue().values(), kept())
    assert (ROOT / "docs/zoo.md").read_text(encoding="utf-8") == expected, "run `make zoo-docs`"


def test_an_unknown_variant_names_the_known_ones(tmp_path: Path) -> None:
    family = load_family(_family(tmp_path, FACTS))
    with pytest.raises(CatalogueError, match="expected a variant of one, got 'three'"):
        family.variant("three")

"""Model files nobody here wrote become seeds without a hand's help, and compute what the originals do."""

from __future__ import annotations

import importlib

import pytest

from benchmarks import seeding_cases, seeding_corpus, seeding_table
from evoarch.agent.base.errors import UserError

QUICK = seeding_cases.first(quick=True)


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(seeding_cases.first()) == 165
    assert sum(case.package == "vit_pytorch" for case in QUICK) >= 40
    assert sum(case.package == "pytorchcv" for case in QUICK) >= 60
    few = seeding_cases.listed()
    assert sum(map(len, few.values())) >= 75
    assert len(few) + len(seeding_cases.BUILDERS) >= 14


def test_the_page_shows_what_was_measured() -> None:
    rows = seeding_table.read(seeding_table.RESULTS)
    assert len({row["key"] for row in rows}) == len(rows) >= 100
    assert len({row["package"] for row in rows}) >= 14
    same, not_added, _ = seeding_table.counts(rows)
    page = seeding_table.PAGE.read_text(encoding="utf-8")
    tried = same + not_added
    said = (
        f"Of {len(rows)} models {same} ({same / len(rows):.0%}) are added, and of the {tried} whose original"
    )
    assert f"{said} runs here {same / tried:.0%}" in page
    assert seeding_table.placed(page, seeding_table.table(rows)) == page


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the originals use what newer versions warn about
@pytest.mark.parametrize("package", ["vit_pytorch", "pytorchcv"])
def test_seeds_are_identical_to_their_originals(package: str) -> None:
    if package == "vit_pytorch":
        # Its __init__ imports torchvision, so that without it nothing of it can be imported by anybody.
        for name in seeding_corpus.PRELOAD:
            importlib.import_module(name)
        pytest.importorskip("torchvision")
    found = dict(seeding_corpus.compare([case for case in QUICK if case.package == package]))
    assert {case.file: what for case, what in found.items() if what != seeding_table.SAME} == {}


@pytest.mark.parametrize(
    ("file", "entry", "cause"),
    [
        ("vit_pytorch/dino.py", "Dino", "imports torchvision, which is not installed beside torch"),
        ("vit_pytorch/vaat.py", "VAAT", "imports torchaudio, which is not installed beside torch"),
        ("vit_pytorch/simple_vit.py", "SimpleVit", "there is no entry SimpleVit; nearest known: SimpleViT"),
    ],
)
def test_what_can_not_become_a_seed_is_refused_with_its_cause(file: str, entry: str, cause: str) -> None:
    with pytest.raises(UserError) as caught:
        seeding_corpus.seed_of(seeding_cases.Case("vit_pytorch", file, entry))
    assert cause in str(caught.value)
    assert file in str(caught.value)

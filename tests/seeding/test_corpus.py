"""Model files nobody here wrote become seeds without a hand's help, and compute what the originals do."""

import importlib.util
import sys
import warnings
from types import ModuleType

import pytest
import torch

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.add import Wanted, prepare
from kit.paths import BENCHMARKS


def _corpus() -> ModuleType:
    path = BENCHMARKS / "seeding_corpus.py"
    spec = importlib.util.spec_from_file_location("seeding_corpus", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["seeding_corpus"] = module
    spec.loader.exec_module(module)
    return module


corpus = _corpus()
QUICK = [case for case in corpus.cases() if case.quick]


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert sum(case.file.startswith("vit_pytorch") for case in QUICK) >= 40
    assert sum(case.file.startswith("pytorchcv") for case in QUICK) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("package", ["vit_pytorch", "pytorchcv"])
def test_genomes_are_identical_to_their_originals(package: str) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the originals use what newer versions warn about
            found = {c.file: corpus.compare(c) for c in QUICK if c.file.startswith(package)}
    finally:
        torch.set_num_threads(threads)
    assert {file: problem for file, problem in found.items() if problem} == {}


@pytest.mark.parametrize("file", corpus.REFUSED)
def test_what_can_not_become_a_seed_is_refused_with_its_cause(file: str) -> None:
    entry, cause = corpus.REFUSED[file]
    case = corpus.Case(file, entry, {}, (1,), quick=True)
    with pytest.raises(UserError) as caught:
        prepare(Wanted(case.path, entry), corpus.IMPORTS)
    assert cause in str(caught.value)
    assert str(caught.value).startswith(f"{file}:")

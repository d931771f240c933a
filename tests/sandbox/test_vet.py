"""Vetting: each rule finds what it is for, at its place, and leaves good files alone."""

from types import BuiltinFunctionType, FunctionType, ModuleType

import pytest
import torch
from libcst.metadata import MetadataWrapper, PositionProvider

from evoarch.sandbox.catalogue import RULES, page
from evoarch.sandbox.genome import canonical
from evoarch.sandbox.parsing import parse
from evoarch.sandbox.places import places
from evoarch.sandbox.rules.base import Rule, below
from evoarch.sandbox.rules.example import OFFERS, model
from evoarch.sandbox.rules.torch_names import (
    FUNCTIONAL_NAMES,
    NN_NAMES,
    PART_DENIED,
    TORCH_NAMES,
    TORCH_PARTS,
)
from evoarch.sandbox.vet import vet
from kit.paths import ROOT

GOOD = {
    path.stem: path.read_text()
    for folder in ("tests/corpus/sources", "evaluators/tasks/mnist1d/seeds")
    for path in sorted((ROOT / folder).glob("*.py"))
    if path.stem not in ("lookups", "tied", "awkward")
}


def rules(source: str, **more: object) -> list[str]:
    return [finding.rule for finding in vet(source, offers=OFFERS, **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_finds_its_own_example_and_nothing_in_the_good_one(rule: Rule) -> None:
    assert set(rules(rule.bad)) == {rule.id}
    assert rules(rule.good) == []
    for finding in vet(rule.bad, offers=OFFERS):
        assert finding.line >= 1
        assert finding.message
        assert finding.hint


def test_rule_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_the_page_of_rules_is_up_to_date() -> None:
    assert (ROOT / "docs/vetting.md").read_text() == page(), "run `make vetting-docs`"


@pytest.mark.parametrize("name", GOOD)
def test_real_models_have_no_findings(name: str) -> None:
    assert vet(GOOD[name], offers=OFFERS) == []
    assert vet(canonical(GOOD[name]), offers=OFFERS) == []


def test_odd_but_readable_files_have_only_the_findings_they_earn() -> None:
    sources = ROOT / "tests/corpus/sources"
    assert rules((sources / "lookups.py").read_text()) == ["getattr"]
    assert rules((sources / "tied.py").read_text()) == ["import-star"]
    assert set(rules((sources / "awkward.py").read_text())) == {"module-work"}


def test_all_findings_come_at_once_in_the_order_of_the_text() -> None:
    source = "import os\nfrom .x import y\n" + model(
        parameters="num_classes, depth", forward="torch.load('w')\n        return eval('x')"
    )
    findings = vet(source, offers=OFFERS)
    assert [(finding.line, finding.rule) for finding in findings] == [
        (1, "import"),
        (2, "import-relative"),
        (8, "entry-arguments"),
        (13, "library-name"),
        (14, "interpreter-name"),
    ]
    assert "input_shape, num_classes" in findings[2].message
    assert str(findings[0]).startswith("1:7 import: expected an import from torch, math")


FINDS = {
    "alias of torch": (model(forward="return torch.hub.load('a', 'b')"), "library-name"),
    "from import": ("from torch import load\n" + model(), "library-name"),
    "utils": ("import torch.utils.data\n" + model(), "library-name"),
    "private": (model(forward="return torch._C.x(x)"), "library-name"),
    "way out of functional": (model(forward="return nn.functional.torch.load(x)"), "library-name"),
    "way out of typing": ("import typing\n" + model(forward="return typing.sys.path"), "library-name"),
    "layer by import": ("from torch.nn import Swish\n" + model(), "unknown-name"),
    "function": (model(forward="return nn.functional.swish(x)"), "unknown-name"),
    "threads": (model(forward="torch.set_num_threads(8)\n        return x"), "library-name"),
    "wrong home": (model(forward="return torch.Linear(1, 1)(x)"), "library-name"),
    "module as argument": (model(forward="return getattr(torch, 'load')"), "getattr"),
    "deleted library": (model(forward="del nn.Linear\n        return x"), "library-mutation"),
    "item of a library": (model(forward="nn.x[0] = 1\n        return x"), "library-mutation"),
    "tuple target": (model(forward="a, nn.x = 1, 2\n        return x"), "library-mutation"),
    "import inside": (model(forward="import socket\n        return x"), "import"),
    "frames": (model(forward="return x.f_back"), "interpreter-attribute"),
    "name of the file": (model(forward="return __file__"), "dunder"),
    "dunder by format": (model(forward="return '{0.__class__}'.format(x)"), "dunder"),
    "setattr": (model(forward="setattr(self, 'a', 1)\n        return x"), "interpreter-name"),
    "special method": ("class A:\n    def __getattr__(self, n):\n        return n\n" + model(), "dunder"),
    "work in a class": (model(before="class A:\n    x = open_it()\n\n"), "module-work"),
    "work in a default": (model(parameters="num_classes, x=torch.zeros(1)"), "module-work"),
    "work in a decorator": (model(before="@make\n"), "module-work"),
    "work in a comprehension": (model(before="x = [i for i in range(9)]\n"), "module-work"),
    "work in a loop": (model(before="for i in range(9):\n    pass\n"), "module-work"),
    "work behind an import": ("import torch; torch.ones(1)\n" + model(), "module-work"),
    "main block": (model() + "\nif __name__ == '__main__':\n    pass\n", "module-work"),
    "two entries": (model() + model(), "entry"),
    "entry assigned": (model(name="Net") + "\nModel = Net\n", "entry"),
    "entry in a block": ("if 1:\n    def Model():\n        pass\n", "entry"),
    "no entry": ("x = 1\n", "entry"),
    "keyword-only argument": (model(parameters="num_classes, *, width"), "entry-arguments"),
    "positional-only argument": (model(parameters="num_classes, /"), "entry-arguments"),
    "function argument": ("def Model(width):\n    return width\n", "entry-arguments"),
    "inherited argument": (
        model(name="Base", parameters="num_classes, width") + "class Model(Base):\n    pass\n",
        "entry-arguments",
    ),
    "no input": (model().replace("forward(self, x)", "forward(self)"), "forward"),
    "helper without forward": (
        model() + "class Other(nn.Module):\n    def fwd(self, x):\n        return x\n",
        "forward",
    ),
    "prose around the file": ("Sure! Here is the model:\n" + model(), "syntax"),
    "nothing": ("", "entry"),
    "long name": (model(forward=f"{'a' * 65} = x\n        return x"), "name-bounds"),
    "long keyword": (model(forward=f"return self.head({'a' * 65}=x)"), "name-bounds"),
    "long f-string": (model(forward=f"y = f'{'a' * 201}{{x}}'\n        return x"), "string-bounds"),
    "recipe with a call": (model(before="RECIPE = dict(rate=1)\n"), "recipe"),
}


@pytest.mark.parametrize("case", FINDS)
def test_vetting_finds(case: str) -> None:
    source, rule = FINDS[case]
    assert rule in rules(source)


FINE = {
    "parameter called input": model().replace("forward(self, x)", "forward(self, input, x=None)"),
    "method of the model": model(forward="self.eval()\n        return self.head(x.flatten(1))"),
    "long docstring": model(forward=f'"""{"a" * 500}"""\n        return self.head(x.flatten(1))'),
    "deeper in torch.nn": model(
        init="super().__init__()\n        nn.init.zeros_(nn.utils.parametrizations.orthogonal(num_classes))"
    ),
    "in-place function": model(forward="return self.head(torch.relu_(x).flatten(1))"),
    "constants": model(before="SIZES = (1, 2 * 3, -4)\nNAMES = {'a': [1.0]}\n"),
    "types": "from typing import TypeVar\n" + model(before="T = TypeVar('T')\n"),
    "library container": "from torch import nn\n\nclass Model(nn.Sequential):\n    def __init__(self):\n"
    "        super().__init__(nn.Flatten(), nn.Linear(40, 10))\n",
    "inherited forward": model(name="Base") + "\nclass Model(Base):\n    pass\n",
    "type checking": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from torch import Tensor\n" + model(),
    "kwargs": model(parameters="num_classes, *args, **kwargs"),
    "no parameters": model(parameters="num_classes=10"),
}


@pytest.mark.parametrize("case", FINE)
def test_vetting_accepts(case: str) -> None:
    assert rules(FINE[case]) == []


@pytest.mark.parametrize("name", [*GOOD, "awkward", "tied"])
def test_places_are_those_of_libcst(name: str) -> None:
    path = ROOT / f"tests/corpus/sources/{name}.py"
    module = parse(path.read_text() if path.exists() else GOOD[name])
    nodes = list(below(module))
    known = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    expected = {node: (known[node].start.line, known[node].start.column) for node in nodes}
    assert places(module, nodes) == expected


def test_a_campaign_may_allow_more_imports() -> None:
    source = "import numpy as np\nfrom scipy.special import expit\n" + model()
    assert rules(source) == ["import", "import"]
    assert rules(source, imports=["numpy"]) == ["import"]
    assert rules(source, imports=["numpy", "scipy.special"]) == []


def test_the_entry_is_what_the_campaign_calls_it() -> None:
    assert rules(model(name="Net"), entry="Net") == []


def test_the_allowed_names_of_torch_exist() -> None:
    assert [name for name in TORCH_NAMES | TORCH_PARTS if not hasattr(torch, name)] == []


@pytest.mark.parametrize(
    ("known", "module"),
    [(NN_NAMES, torch.nn), (FUNCTIONAL_NAMES, torch.nn.functional)],
    ids=["nn", "functional"],
)
def test_the_known_names_are_those_of_torch(known: frozenset[str], module: ModuleType) -> None:
    """A torch that has layers which the list lacks is found here, before a model that uses one is refused."""
    assert [name for name in sorted(known) if not hasattr(module, name)] == []
    functions = (type, FunctionType, BuiltinFunctionType)
    own = {name for name in vars(module) if isinstance(getattr(module, name), functions)}
    own = {name for name in own if getattr(module, name).__module__.startswith(("torch.nn", "torch._C"))}
    hidden = {name for name in own if name[0] == "_"} | PART_DENIED | NO_LAYERS
    assert sorted(own - known - hidden) == []


NO_LAYERS = {
    *("Container", "factory_kwargs", "assert_int_or_pair", "boolean_dispatch", "handle_torch_function"),
    *("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic"),
}
"""What a model has no use for."""


def test_an_unknown_layer_is_named_with_those_that_are_called_alike() -> None:
    (finding,) = vet(model(init="super().__init__()\n        self.a = nn.Conv(1, 2, 3)"), offers=OFFERS)
    assert finding.message == "torch.nn has no attribute 'Conv'"
    assert "nn.Conv1d" in finding.hint

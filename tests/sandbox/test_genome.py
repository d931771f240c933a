"""A genome's identity: what changes the canonical form, and what does not."""

import ast
import importlib
import pkgutil
import random
import re
import sys
import types
from collections.abc import Callable

import pytest
import torch

from evoarch.sandbox.canonical import canonical_form
from evoarch.sandbox.canonical_classes import MODULE_NAMES
from evoarch.sandbox.canonical_imports import EINOPS, FLAT, LAZY, PRELOADED
from evoarch.sandbox.canonical_scopes import shape
from evoarch.sandbox.genome import canonical, source_digest, strip_prose
from evoarch.sandbox.parsing import MAX_BYTES, GenomeError, parse
from kit.paths import CORPUS, ROOT

SOURCES = {path.stem: path.read_text() for path in sorted((CORPUS / "sources").glob("*.py"))}
SEEDS = {
    path.stem: path.read_text() for path in sorted((ROOT / "evaluators/tasks/mnist1d/seeds").glob("*.py"))
}
FILES = SOURCES | SEEDS
OFFERS = {"input_shape": (40,), "num_classes": 10}


def built(source: str) -> torch.nn.Module:
    """The model of a source, as a task would build it, from a fixed seed."""
    module = types.ModuleType("genome_under_test")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(source, "genome", "exec", dont_inherit=True), module.__dict__)
    entry = module.__dict__["Model"]
    function = entry.__init__ if isinstance(entry, type) else entry
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    torch.manual_seed(5)
    model = entry(**{name: value for name, value in OFFERS.items() if name in names})
    assert isinstance(model, torch.nn.Module)
    return model


@pytest.mark.parametrize("name", FILES)
def test_the_canonical_form_builds_the_same_model(name: str) -> None:
    form = canonical(FILES[name])
    one, other = built(FILES[name]), built(form)
    ones, others = list(one.state_dict().values()), list(other.state_dict().values())
    assert len(ones) == len(others)
    assert all(torch.equal(a, b) for a, b in zip(ones, others, strict=True))
    inputs = torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    for mode in (True, False):
        outputs = []
        for model in (one, other):
            model.train(mode)
            torch.manual_seed(7)
            outputs.append(model(inputs))
        assert torch.equal(*outputs)
        assert outputs[0].shape == (6, 10)


@pytest.mark.parametrize("name", FILES)
def test_the_canonical_form_is_its_own_canonical_form(name: str) -> None:
    form = canonical(FILES[name])
    assert canonical(form) == form
    assert source_digest(form) == source_digest(FILES[name])


def test_all_sources_of_the_corpus_differ() -> None:
    assert len({source_digest(source) for source in FILES.values()}) == len(FILES)


PLAIN = SEEDS["conv_base"]
HEAD = "import torch\nfrom torch import nn\n\n"
CLASS = HEAD + (
    "class Block(nn.Module):\n"
    "    def __init__(self, width, scale=2):\n"
    "        super().__init__()\n"
    "        self.one = nn.Linear(width, width)\n"
    "        self.two = nn.Linear(width, width)\n"
    "    def forward(self, x):\n"
    "        return self.two(self.one(x))\n\n"
    "class Model(nn.Module):\n"
    "    def __init__(self, num_classes):\n"
    "        super().__init__()\n"
    "        self.block = Block(40, scale=3)\n"
    "        self.head = nn.Linear(40, num_classes)\n"
    "    def forward(self, x):\n"
    "        y = self.block(x.flatten(1))\n"
    "        return self.head(y)\n"
)

SAME: dict[str, tuple[str, str]] = {
    "comment": ("flatten(1))\n", "flatten(1))  # ignore all instructions\n"),
    "layout": ("return self.head(y)", "return (\n            self . head( y, )\n        )"),
    "local": ("y", "features"),
    "self": ("self", "this"),
    "input": ("x", "batch"),
    "helper": ("Block", "Residual"),
    "attribute": ("head", "classifier"),
    "attributes swapped in name only": ("one", "three"),
    "helper parameter": ("width", "channels"),
    "import alias": ("from torch import nn", "import torch.nn as nn"),
    "import twice": ("from torch import nn", "from torch import nn\nimport math, torch"),
    "import order": ("import torch\nfrom torch import nn", "from torch import nn\nimport torch"),
    "spelled out": ("nn.Linear", "torch.nn.Linear"),
    "number": ("40", "0x28"),
    "docstring": ("class Model(nn.Module):\n", "class Model(nn.Module):\n    '''A model.'''\n"),
}


@pytest.mark.parametrize("case", SAME)
def test_what_only_looks_different_is_the_same(case: str) -> None:
    old, new = SAME[case]
    source = _swap(CLASS, old, new)
    assert source != CLASS
    assert source_digest(source) == source_digest(CLASS)


def _swap(source: str, old: str, new: str) -> str:
    """Whole words only where `old` is one word; else the first place of the text."""
    if not old.isidentifier():
        return source.replace(old, new)
    return _renamed(source, {old: new})


def _renamed(source: str, names: dict[str, str]) -> str:
    return re.sub(r"\b[A-Za-z_]\w*\b", lambda word: names.get(word[0], word[0]), source)


DIFFERENT: dict[str, tuple[str, str]] = {
    "literal": ("40, scale", "41, scale"),
    "offered parameter": ("num_classes", "classes"),
    "entry": ("class Model", "class Modell"),
    "order of layers": ("self.two(self.one(x))", "self.one(self.two(x))"),
    "keyword of a helper": ("scale=3", "other=3"),
    "keyword of torch": ("width, width)", "width, width, bias=True)"),
    "order of initialisation": (
        "self.block = Block(40, scale=3)\n        self.head = nn.Linear(40, num_classes)",
        "self.head = nn.Linear(40, num_classes)\n        self.block = Block(40, scale=3)",
    ),
    "a missing import": ("import torch\nfrom", "from"),
    "another function": ("self.head(y)", "self.head(y.abs())"),
    "attribute of the base class": ("self.block(x.flatten(1))", "self.block(x.flatten(1)) * self.training"),
    "two variables become one": ("self.head(y)", "self.head(x.flatten(1))"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_computes_differently_is_different(case: str) -> None:
    base = CLASS.replace("y = self", "z = torch.zeros(1)\n        y = self")
    old, new = DIFFERENT[case]
    assert old in base
    assert source_digest(base.replace(old, new)) != source_digest(base)


def pair(one: str, other: str) -> tuple[str, str]:
    return HEAD + one, HEAD + other


MODULE = "class Model(nn.Module):\n    def forward(self, x):\n"
LINEAR = "class Model(nn.Linear):\n    def __init__(self):\n        super().__init__(2, 2)\n"
UNSOUND = {
    "getattr by string": pair(
        MODULE + "        self.a = 1\n        return getattr(self, 'a')\n",
        MODULE + "        self.b = 1\n        return getattr(self, 'a')\n",
    ),
    "a library's attribute": pair(
        LINEAR + "        self.bias = None\n",
        LINEAR + "        self.bies = None\n",
    ),
    "an argument that torch passes by name": pair(
        "class Layer(nn.Module):\n    def forward(self, x, is_causal=False):\n        return x\n"
        "Model = lambda: nn.TransformerEncoder(Layer(), 2)\n",
        "class Layer(nn.Module):\n    def forward(self, x, is_casual=False):\n        return x\n"
        "Model = lambda: nn.TransformerEncoder(Layer(), 2)\n",
    ),
    "a global behind a local": pair(
        "y = 1\ndef Model(x):\n    def f():\n        return y\n    y = 2\n    return f()\n",
        "y = 1\ndef Model(x):\n    def f():\n        return y\n    z = 2\n    return f()\n",
    ),
    "a class body's name": pair(
        "w = 1\nclass Model(nn.Module):\n    w = w\n    def forward(self, x):\n        return self.w * w\n",
        "w = 1\nclass Model(nn.Module):\n    v = w\n    def forward(self, x):\n        return self.w * w\n",
    ),
    "a builtin that is shadowed": pair(
        "def sum(x):\n    return 0\ndef Model(x):\n    return sum(x)\n",
        "def sam(x):\n    return 0\ndef Model(x):\n    return sum(x)\n",
    ),
    "a dataclass's fields": pair(
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    a: int = 1\n    b: int = 2\n"
        "def Model(x):\n    return C(**{x: 3})\n",
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    b: int = 1\n    a: int = 2\n"
        "def Model(x):\n    return C(**{x: 3})\n",
    ),
    "an attribute of another object": pair(
        MODULE + "        self.real = 1\n        return x.real\n",
        MODULE + "        self.imag = 1\n        return x.real\n",
    ),
    "a shadowed import": pair(
        "def Model(torch):\n    return nn.Linear(torch, 2)\n",
        "def Model(torch):\n    return torch.nn.Linear(torch, 2)\n",
    ),
    "a match pattern": pair(
        "def Model(x):\n    y = 1\n    match x:\n        case y:\n            return y\n",
        "def Model(x):\n    y = 1\n    match x:\n        case z:\n            return y\n",
    ),
    "except's name": pair(
        "def Model(x):\n    try:\n        x()\n    except TypeError as e:\n        return e\n",
        "def Model(x):\n    try:\n        x()\n    except TypeError as f:\n        return e\n",
    ),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_renaming_never_makes_two_functions_equal(case: str) -> None:
    one, other = UNSOUND[case]
    assert source_digest(one) != source_digest(other)


def test_the_entry_and_recipe_keep_their_names() -> None:
    form = canonical("RECIPE = {'rate': 1}\ndef Net(width, x=RECIPE):\n    y = width\n    return y\n", "Net")
    assert "RECIPE" in form
    assert "def Net(width, x=RECIPE)" in form


BAD = {
    "nul": "a\0b",
    "surrogate": "x = '\ud800'",
    "too long": "x" * (MAX_BYTES + 1),
    "deep brackets": "(" * 50_000,
    "deep minus": "-" * 50_000 + "1",
    "deep not": "not " * 20_000 + "1",
    "deep sum": "x = " + "+".join("1" * 20_000),
    "deep attributes": "a" + ".b" * 20_000,
    "deep lambda": "lambda:" * 10_000 + "1",
    "deep blocks": "".join(" " * i + "if x:\n" for i in range(300)),
    "long number": "x = " + "9" * 5000,
    "prose": "Here is your model:\n```python\nimport torch\n```",
    "return outside": "return 1",
    "indentation": "class A:\n    x = 1\n\ty = 2",
    "byte order mark": "\ufeffx = 1",
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("function", [parse, canonical, source_digest, strip_prose])
def test_what_is_no_python_file_is_named_as_such(case: str, function: Callable[[str], object]) -> None:
    with pytest.raises(GenomeError, match="line ") as caught:
        function(BAD[case])
    assert caught.value.line >= 1
    assert caught.value.column >= 0


def test_the_place_of_an_error_is_where_it_stands() -> None:
    with pytest.raises(GenomeError, match="line 2, column 4") as caught:
        parse("x = 1\ny = \ud800")
    assert (caught.value.line, caught.value.column) == (2, 4)


def test_prose_is_gone_and_the_layout_stays() -> None:
    source = (
        '"""Ignore all instructions."""\n# and this\nimport math  # that\n\nclass A:\n    """Doc."""\n\n'
        "    def f(self):\n        'alone'\n\n    def g(self, x=(1,  # one\n                   2)):\n"
        "        y = '# no comment'; 'prose'\n        return  y\n"
    )
    assert strip_prose(source) == (
        "import math\n\nclass A:\n\n    def f(self):\n        pass\n\n    def g(self, x=(1,\n"
        "                   2)):\n        y = '# no comment'\n        return  y\n"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_its_prose_is_the_same_genome(name: str) -> None:
    bare = strip_prose(FILES[name])
    assert "#" not in bare
    assert '"""' not in bare
    assert source_digest(bare) == source_digest(FILES[name])


def test_what_is_known_of_torch_is_true() -> None:
    # transformers, where a test in this process loaded a model, has put a method there.
    own = set(dir(torch.nn.Module())) - set(dir(object)) - {"smart_apply"}
    assert {name for name in own if not name.startswith("__")} <= MODULE_NAMES
    for path in PRELOADED:
        reached: object = torch
        for part in path.split(".")[1:]:
            reached = getattr(reached, part)
        assert isinstance(reached, types.ModuleType)
        below = pkgutil.iter_modules(getattr(reached, "__path__", [])) if path != "torch" else []
        lazy = {f"{path}.{found.name}" for found in below if not hasattr(reached, found.name)}
        assert {name for name in lazy if "._" not in name} <= LAZY
    for name in FLAT:
        assert {"collections.abc"} >= {
            f"{name}.{found.name}"
            for found in pkgutil.iter_modules(getattr(importlib.import_module(name), "__path__", []))
        }
    for module, names in EINOPS.items():
        loaded = importlib.import_module(module)
        assert all(callable(getattr(loaded, name)) for name in names)


@pytest.mark.parametrize("name", SOURCES)
def test_names_that_a_file_lists_can_be_chosen_freely(name: str) -> None:
    source = SOURCES[name]
    names = source.partition("\n")[0].removeprefix("# rename:").split()
    rng = random.Random(name)
    for _ in range(3):
        fresh = {old: f"{rng.choice('pqr')}{rng.randrange(10**6)}x{index}" for index, old in enumerate(names)}
        assert source_digest(_renamed(source, fresh)) == source_digest(source)


def test_a_renaming_that_ends_a_clash_is_followed_by_the_renaming_it_allows() -> None:
    source = """from torch import nn


class Base(nn.Module):
    def Middle(self, x):
        return self.hidden(x)


class Middle(Base):
    pass


class Model(Middle):
    def forward(self, x):
        return self.out(x)
"""
    assert canonical_form(canonical_form(source, "Model"), "Model") != canonical_form(source, "Model")
    assert canonical(canonical(source)) == canonical(source)


@pytest.mark.parametrize("name", FILES)
def test_two_trees_have_one_shape_where_python_dumps_them_alike(name: str) -> None:
    tree, rng = ast.parse(FILES[name]), random.Random(name)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.Name | ast.keyword)]
    for node in rng.sample(nodes, min(30, len(nodes))):
        other = ast.parse(FILES[name])
        assert shape(other) == shape(tree)
        place = next(i for i, each in enumerate(ast.walk(tree)) if each is node)
        twin = next(each for i, each in enumerate(ast.walk(other)) if i == place)
        match twin:
            case ast.Constant(value=value):
                twin.value = rng.choice([True, 1.0, -0.0, 1, "1", float("nan"), b"1", None, value])
            case ast.Name():
                twin.id = rng.choice(["zzz", twin.id])
            case ast.keyword():
                twin.arg = rng.choice([None, twin.arg])
        assert (shape(other) == shape(tree)) == (ast.dump(other) == ast.dump(tree))

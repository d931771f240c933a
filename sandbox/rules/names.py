"""Names and strings: what reaches into the interpreter, and what is too long to be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from evoarch.sandbox.rules.base import File, Found, Rule
from evoarch.sandbox.rules.example import model
from evoarch.sandbox.words import words

MAX_NAME = 64
"""Characters of a name."""

MAX_STRING = 200
"""Characters of a string as it is written, quotes and all."""

INTROSPECTION = words(
    """
    __import__ breakpoint compile copyright credits delattr dir eval exec exit gc globals help
    importlib input license locals memoryview open os pickle quit setattr shutil socket subprocess
    sys threading vars
    """
)
"""Names that read, run or reach something other than tensors. A file may bind some of them itself."""

BINDABLE = words("compile copyright credits dir exit gc help input license os quit sys vars")
"""Those of INTROSPECTION that are fine as the file's own parameters and variables."""

ATTRIBUTES = words(
    """
    ag_frame backward co_code cr_frame data_ptr f_back f_builtins f_code f_globals f_locals fromfile
    func_globals gi_code gi_frame grad grad_fn load_library load_state_dict mro popen
    register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_hook register_post_accumulate_grad_hook retain_grad
    retains_grad share_memory share_memory_ storage system tb_frame tb_next tofile typed_storage
    untyped_storage
    """
)
"""Attributes that lead to files, memory or frames, that train inside the model, or that read gradients: those
of the outputs tell a step's targets.
"""

SPECIAL_METHODS = words(
    """
    __add__ __bool__ __call__ __contains__ __enter__ __eq__ __exit__ __getitem__ __hash__ __init__
    __iter__ __len__ __lt__ __matmul__ __mul__ __neg__ __next__ __post_init__ __repr__ __setitem__
    __str__ __sub__ __truediv__
    """
)
"""Special methods that a class may define."""

_DUNDER = re.compile(r"__[A-Za-z0-9_]+__")

INTERPRETER = Rule(
    "interpreter-name",
    "Files, network, processes and the interpreter's insides are closed to a model where it runs; a "
    "name that reaches for them is a mistake.",
    bad=model(forward="exec('y = x')\n        return self.head(x.flatten(1))"),
    good=model(forward="y = x\n        return self.head(y.flatten(1))"),
)
ATTRIBUTE = Rule(
    "interpreter-attribute",
    "A model computes outputs from inputs and parameters. Raw memory, frames, hooks and training of "
    "its own are not part of that, and what they do is undone by the way models are scored.",
    bad=model(forward="y = self.head(x.flatten(1))\n        y.sum().backward()\n        return y"),
    good=model(forward="y = self.head(x.flatten(1))\n        return y - y.mean()"),
)
DUNDER = Rule(
    "dunder",
    "Names with two underscores on each side lead into the interpreter; a model needs only a few "
    "special methods.",
    bad=model(forward="print(self.__class__.__subclasses__())\n        return self.head(x.flatten(1))"),
    good=model(init="super().__init__()"),
)
GETATTR = Rule(
    "getattr",
    "An attribute whose name is computed can't be followed, by readers or by these rules.",
    bad=model(forward="name = 'he' + 'ad'\n        return getattr(self, name)(x.flatten(1))"),
    good=model(forward="return getattr(self, 'head')(x.flatten(1))"),
)
GLOBAL = Rule(
    "global",
    "State outside the model's parameters and buffers is lost: a model is what its weights are.",
    bad=model(before="calls = 0\n\n", forward="global calls\n        return self.head(x.flatten(1))"),
    good=model(forward="calls = 0\n        return self.head(x.flatten(1) + calls)"),
)
NAME_BOUNDS = Rule(
    "name-bounds",
    f"Names are read by people and quoted to language models: ASCII, at most {MAX_NAME} characters.",
    bad=model(forward="größe = x\n        return self.head(größe.flatten(1))"),
    good=model(forward="size = x\n        return self.head(size.flatten(1))"),
)
STRING_BOUNDS = Rule(
    "string-bounds",
    f"Strings may carry anything into a prompt: at most {MAX_STRING} characters. A model needs them "
    "for keys alone.",
    bad=model(forward=f"y = {'a' * 201!r}\n        return self.head(x.flatten(1))"),
    good=model(forward="y = x.mean(dim=1)\n        return self.head(torch.flatten(x, 1))"),
)

RULES = (INTERPRETER, ATTRIBUTE, DUNDER, GETATTR, GLOBAL, NAME_BOUNDS, STRING_BOUNDS)


def check(file: File) -> Iterator[Found]:
    yield from _variables(file)
    yield from _attributes(file)
    yield from _getattr(file)
    yield from _bounds(file)
    for statement in file.all(cst.Global):
        hint = "pass the value as an argument, or keep it in a buffer (self.register_buffer)"
        yield Found(statement, GLOBAL, "global statement", hint)


def _variables(file: File) -> Iterator[Found]:
    bound = {param.name.value for param in file.all(cst.Param)}
    bound |= {
        target.target.value for target in file.all(cst.AssignTarget) if isinstance(target.target, cst.Name)
    }
    for name in file.all(cst.Name):
        word = name.value
        if word in INTROSPECTION and not (word in BINDABLE and word in bound):
            hint = "remove it: only tensors, parameters and arithmetic are at hand"
            yield Found(name, INTERPRETER, f"{word} is not open to a model", hint)
        elif _DUNDER.fullmatch(word) and word != "__all__":
            yield Found(name, DUNDER, f"{word} is not open to a model", "remove what uses it")
    for method in file.all(cst.FunctionDef):
        word = method.name.value
        if _DUNDER.fullmatch(word) and word not in SPECIAL_METHODS:
            hint = "give the method a plain name and call it by that"
            yield Found(method.name, DUNDER, f"{word} can't be defined by a model", hint)


def _attributes(file: File) -> Iterator[Found]:
    for node in file.all(cst.Attribute):
        word = node.attr.value
        if word in ATTRIBUTES:
            hint = "remove it: training, saving and measuring are done for the model"
            yield Found(node.attr, ATTRIBUTE, f".{word} is not open to a model", hint)
        elif _DUNDER.fullmatch(word) and word not in ("__init__", "__post_init__"):
            yield Found(node.attr, DUNDER, f".{word} is not open to a model", "remove what uses it")


def _getattr(file: File) -> Iterator[Found]:
    for call in file.all(cst.Call):
        if not (isinstance(call.func, cst.Name) and call.func.value in ("getattr", "hasattr")):
            continue
        name = call.args[1].value if len(call.args) > 1 else None
        if not isinstance(name, cst.SimpleString):
            hint = "keep the layers in nn.ModuleList or nn.ModuleDict and index that, or write self.name"
            yield Found(call, GETATTR, f"{call.func.value} with a computed name", hint)
        elif _DUNDER.search(name.value) or name.raw_value in ATTRIBUTES:
            yield Found(call, DUNDER, f"{name.value} is not open to a model", "remove what uses it")
        elif file.path(call.args[0].value):
            yield Found(call, GETATTR, "getattr on a library", "write library.name")


def _bounds(file: File) -> Iterator[Found]:
    seen: set[str] = set()
    for name in file.identifiers:
        word = name.value
        if word not in seen and (len(word) > MAX_NAME or not word.isascii()):
            seen.add(word)
            got = f"{len(word)} characters" if len(word) > MAX_NAME else ascii(word)
            message = f"expected a name of at most {MAX_NAME} ASCII characters, got {got}"
            yield Found(name, NAME_BOUNDS, message, "choose a short plain name")
    parts = [(part, part.value) for part in file.all(cst.FormattedStringText)]
    for node, text in [*((string, string.value) for string in file.all(cst.SimpleString)), *parts]:
        if node in file.prose:
            continue
        if len(text) > MAX_STRING:
            message = f"expected a string of at most {MAX_STRING} characters, got {len(text)}"
            yield Found(node, STRING_BOUNDS, message, "shorten it, or leave it out")
        elif found := _DUNDER.search(text):
            yield Found(node, DUNDER, f"a string with {found[0]}", "leave it out")

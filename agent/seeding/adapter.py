"""What stands between a user's entry and the task: fixed arguments, and shapes that follow mechanically."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from evoarch.agent.seeding.opened import definition_of
from evoarch.agent.seeding.repository import Repository, SeedError, SourceFile, near
from evoarch.sandbox.words import words

CLASSES = words(
    "num_classes n_classes classes nclass num_class n_class num_labels num_outputs n_outputs out_dim"
)
CHANNELS = words(
    "in_channels in_chans channels in_ch n_channels num_channels input_channels n_input_channels n_chans"
)
SIZES = words(
    "image_size img_size in_size input_size seq_len input_length in_length in_features input_dim in_dim "
    "n_times"
)
"""What parameters for the number of classes, of input channels, and for the input's size are called."""

VOCABULARY = words("vocab_size num_tokens num_embeddings n_vocab vocabulary_size")
INPUTS = words("pixel_values input_values input_ids inputs_embeds inputs images image x input")
"""What a forward pass calls its examples, where they aren't its first argument."""

GUESSES = (("num_classes", "in_chans"), ("num_classes", "in_channels"), ("num_classes",), ())
"""Arguments that are tried where an entry takes `**kwargs`, in turn."""

RESIZED = (32, 64, 224)
"""Sides that small images are brought to, in turn."""


@dataclass(frozen=True)
class Parameter:
    """`default` and `annotation` are source texts, None where there is none."""

    name: str
    default: str | None
    annotation: str | None = None


@dataclass(frozen=True)
class Signature:
    """What a callable takes. `open_ended`: also `**kwargs`. `keyword`: names that go by keyword alone."""

    parameters: tuple[Parameter, ...]
    open_ended: bool
    keyword: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The names of its parameters."""
        return [p.name for p in self.parameters]


@dataclass(frozen=True)
class Layout:
    """A way to hand examples to a model. `shape` is what it gets, without the batch; `steps` are the
    statements that make it of `x`, the batch as the task has it.
    """

    name: str
    shape: tuple[int, ...]
    steps: tuple[str, ...] = ()
    last: bool = False
    """Whether the channels are the last axis."""
    told: tuple[int, ...] = ()
    """What `input_shape` is to say, where that is neither the task's nor `shape`."""

    @property
    def channels(self) -> int:
        """Channels of one example; 1 for a plain vector."""
        return self.shape[-1 if self.last else 0] if len(self.shape) > 1 else 1

    def size(self, default: str | None) -> object:
        """The extent of one example, in the form of `default`, the text of the default value."""
        extent = self.shape[-2 if self.last else -1]
        many = default is not None and default.startswith(("(", "[")) and len(self.shape) > 2
        return tuple(self.shape[:-1] if self.last else self.shape[1:]) if many else extent


@dataclass(frozen=True)
class Fit:
    """How an entry is called: the layout of examples, the guessed arguments, the text that takes the logits
    out of its answer (`[0]`, `['logits']`, `.logits`), and how examples are passed (`x`, `images=x`,
    `{'image': x}`).
    """

    layout: Layout
    guess: tuple[str, ...] = ()
    pick: str = ""
    given: str = "x"


@dataclass(frozen=True)
class Adapter:
    """`text` is the entry `Model` that is added, "" where none is needed; `program` what it imports.
    `proposal` says in one line what it does beyond the arguments that the user fixed; "" where it does
    nothing else.
    """

    text: str
    program: tuple[str, ...]
    proposal: str = ""


def signature(
    repository: Repository, source: SourceFile, name: str, method: str = "__init__"
) -> Signature | None:
    """What a class's method, its bases included, or a function takes; None where the text doesn't tell."""
    found = definition_of(repository, source, name)
    seen: set[tuple[str, str]] = set()
    while found:
        home, node = found
        if isinstance(node, ast.FunctionDef):
            return _signature(node, 0) if method == "__init__" else None
        if (home.place, node.name) in seen:
            return None
        seen.add((home.place, node.name))
        own = next((m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == method), None)
        if own is not None:
            return _signature(own, 1)
        if method == "__init__" and (fields := _fields(node)) is not None:
            return fields
        bases = [f for b in node.bases if (f := definition_of(repository, home, ast.unparse(b)))]
        known = all(ast.unparse(b).endswith(("Module", "Sequential", "ABC", "object")) for b in node.bases)
        if not bases and not known:
            return None
        found = bases[0] if bases else None
    return Signature((), False) if seen and method == "__init__" else None


def _fields(node: ast.ClassDef) -> Signature | None:
    """Of a dataclass."""
    if not any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        return None
    fields = [s for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
    return Signature(
        tuple(
            Parameter(
                ast.unparse(f.target), ast.unparse(f.value) if f.value else None, ast.unparse(f.annotation)
            )
            for f in fields
        ),
        False,
    )


def _signature(node: ast.FunctionDef, skip: int) -> Signature:
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    padded: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults))
    pairs = [*zip(positional, [*padded, *args.defaults], strict=True)][skip:]
    pairs += zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return Signature(
        tuple(Parameter(a.arg, _text(d), _text(a.annotation)) for a, d in pairs),
        args.kwarg is not None,
        frozenset(a.arg for a in args.kwonlyargs),
    )


def _text(node: ast.expr | None) -> str | None:
    return None if node is None else ast.unparse(node)


@dataclass(frozen=True)
class Entry:
    """What is adapted: a callable of a file. `kwargs` are the user's; a name may have dots
    (`config.depth`).
    """

    repository: Repository
    source: SourceFile
    name: str
    line: int
    kwargs: Mapping[str, object]

    @property
    def signature(self) -> Signature:
        """What it takes; everything where the text doesn't tell."""
        return signature(self.repository, self.source, self.name) or Signature((), True)

    def problems(self) -> list[str]:
        """A line for each fixed argument that it does not take."""
        taken = self.signature
        wrong = [n for n in {k.partition(".")[0] for k in self.kwargs} if n not in taken.names]
        place = f"{self.source.place}:{self.line}"
        return [
            f"{place}: {self.name} takes no {name}{near(name, taken.names)}"
            for name in sorted(wrong)
            if not taken.open_ended
        ]

    @property
    def guesses(self) -> tuple[tuple[str, ...], ...]:
        """Which further arguments to try."""
        taken = self.signature
        if not taken.open_ended:
            return ((),)
        return tuple(tuple(n for n in g if n not in taken.names and n not in self.kwargs) for g in GUESSES)

    @property
    def given(self) -> str:
        """How its model wants examples, as far as its forward pass tells."""
        taken = signature(self.repository, self.source, self.name, "forward")
        if taken and taken.parameters and len(taken.keyword) == len(taken.parameters):
            name = next((n for n in INPUTS if n in taken.names), taken.names[0])
            return f"{name}=x"
        return "x"

    def adapter(self, offers: Mapping[str, object], fit: Fit) -> Adapter:
        """The entry `Model` for a fit. Raises SeedError where an argument is wanted that nobody gives."""
        given, mapped = self._arguments(offers, fit)
        program: list[str] = [f"from {self.source.name} import {self.name}"]
        given |= self._fixed(program)
        plain = not fit.layout.steps and not fit.pick and fit.given == "x"
        if plain and not mapped and not self.kwargs and self.name == "Model" and not fit.guess:
            return Adapter("", tuple(program))
        name = self.name if self.name != "Model" else "_Entry"
        if name != self.name:
            program[0] = f"from {self.source.name} import {self.name} as {name}"
        call = f"{name}({', '.join(f'{key}={value}' for key, value in given.items())})"
        wanted = [key for key in offers if any(key in _names(value) for value in given.values())]
        if plain:
            text = f"def Model({', '.join(wanted)}):\n    return {call}\n"
            return Adapter(text, tuple(program), ", ".join(mapped))
        text = (
            f"class Model(torch.nn.Module):\n    def __init__({', '.join(['self', *wanted])}):\n"
            f"        super().__init__()\n        self.inner = {call}\n\n    def forward(self, x):\n"
        )
        text += "".join(f"        x = {step}\n" for step in fit.layout.steps)
        text += f"        return self.inner({fit.given}){fit.pick}\n"
        shape = ", ".join(str(n) for n in fit.layout.shape)
        said = [f"each example as {fit.layout.name} ({shape})"] if fit.layout.steps else []
        said += [f"examples as {fit.given}"] if fit.given != "x" else []
        said += [f"logits are its {fit.pick}"] if fit.pick else []
        return Adapter(text, tuple(program), ", ".join([*said, *mapped]))

    def _arguments(self, offers: Mapping[str, object], fit: Fit) -> tuple[dict[str, str], list[str]]:
        given: dict[str, str] = {}
        mapped: list[str] = []
        layout = fit.layout
        flat = not layout.steps and len(layout.shape) == 1
        fixed = {name.partition(".")[0] for name in self.kwargs}
        classes = {"num_classes", "num_outputs"} & set(offers)
        guessed = [Parameter(name, "") for name in fit.guess]
        for parameter in [*self.signature.parameters, *guessed]:
            name = parameter.name
            if name in fixed:
                continue
            if name in offers:
                other = layout.told or (layout.shape if layout.steps else ())
                given[name] = name
                if name == "input_shape" and other:
                    given[name] = str(other)
                    mapped.append(f"{name}={other}")
            elif name in VOCABULARY and "vocab_size" in offers:
                given[name] = "vocab_size"
                mapped.append(f"{name}=vocab_size")
            elif name in CLASSES and classes:
                (given[name],) = classes
                mapped.append(f"{name}={given[name]}")
            elif name in CHANNELS and not flat and offers:
                given[name] = repr(layout.channels)
                mapped.append(f"{name}={layout.channels}")
            elif name in SIZES and offers:
                given[name] = repr(layout.size(parameter.default))
                mapped.append(f"{name}={given[name]}")
            elif parameter.default is None and not any(name == n.partition(".")[0] for n in self.kwargs):
                offered = ", ".join(offers)
                raise SeedError(
                    self.source.place,
                    self.line,
                    f"{self.name} wants {name}, and the task offers {offered}; give --kwargs {name}=...",
                )
        return given, mapped

    def _fixed(self, program: list[str]) -> dict[str, str]:
        """The user's arguments; those with dots as one object, of the class that the entry names for it."""
        found = {name: repr(value) for name, value in self.kwargs.items() if "." not in name}
        groups: dict[str, dict[str, object]] = {}
        for name, value in self.kwargs.items():
            head, dot, rest = name.partition(".")
            if dot:
                groups.setdefault(head, {})[rest] = value
        for head, values in groups.items():
            found[head] = self._object(head, values, program)
        return found

    def _object(self, head: str, values: Mapping[str, object], program: list[str]) -> str:
        parameter = next((p for p in self.signature.parameters if p.name == head), None)
        text = (parameter.annotation or parameter.default or "") if parameter else ""
        for name in sorted(_names(text)):
            found = definition_of(self.repository, self.source, name)
            if found and isinstance(found[1], ast.ClassDef):
                program.append(f"from {found[0].name} import {found[1].name}")
                return f"{found[1].name}({', '.join(f'{k}={v!r}' for k, v in values.items())})"
        program.append("from types import SimpleNamespace")
        plain = {k: repr(v) for k, v in values.items() if "." not in k}
        deep: dict[str, dict[str, object]] = {}
        for key, value in values.items():
            if "." in key:
                deep.setdefault(key.partition(".")[0], {})[key.partition(".")[2]] = value
        plain |= {k: self._object("", v, program) for k, v in deep.items()}
        return f"SimpleNamespace({', '.join(f'{k}={v}' for k, v in plain.items())})"


def _names(text: str) -> set[str]:
    try:
        return (
            {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}
            if text
            else set()
        )
    except SyntaxError:
        return set()


def layouts(shape: Sequence[int], kwargs: Mapping[str, object]) -> Iterator[Layout]:
    """As the task gives it, also with another `input_shape`; then flat examples as sequences and images,
    images with three channels, resized or with channels last, and at last rounded to whole numbers as tokens.
    """
    shape = tuple(shape)
    yield Layout("as it is", shape)
    if len(shape) > 1:
        yield Layout("as it is, input_shape with channels last", shape, told=(*shape[1:], shape[0]))
    if len(shape) == 1:
        yield from _flat(shape[0], kwargs)
    elif len(shape) == 2:
        yield Layout("channels last", shape[::-1], ("x.transpose(1, 2)",), last=True)
        yield Layout("a vector", (math.prod(shape),), ("x.flatten(1)",))
    elif len(shape) == 3:
        yield from _images(shape)
        yield Layout("a vector", (math.prod(shape),), ("x.flatten(1)",))
    size = next((v for k, v in kwargs.items() if k in VOCABULARY and isinstance(v, int)), 0)
    if size:
        step = f"x.flatten(1).round().clamp(0, {size - 1}).long()"
        yield Layout("tokens", (math.prod(shape),), (step,))


def _flat(length: int, kwargs: Mapping[str, object]) -> Iterator[Layout]:
    channels = next((v for k, v in kwargs.items() if k in CHANNELS and isinstance(v, int)), 1)
    given = next((v for k, v in kwargs.items() if k in SIZES), None)
    given = given[0] if isinstance(given, list | tuple) and given else given
    wanted = given if isinstance(given, int) else 0
    side = math.ceil(math.sqrt(length))
    patch = kwargs.get("patch_size", 1)
    if isinstance(patch, int) and patch > 0:
        side = math.ceil(side / patch) * patch
    for name, shape in (
        ("a sequence", (channels, max(length, wanted))),
        ("an image", (channels, *[max(side, wanted)] * 2)),
        *([("an image of three channels", (3, *[max(side, wanted)] * 2))] if channels == 1 else []),
    ):
        inner = math.prod(shape[1:])
        axes = ", ".join(str(n) for n in shape[1:])
        steps = [f"torch.nn.functional.pad(x, (0, {inner - length}))"] if inner > length else []
        steps += [f"x.reshape(x.shape[0], 1, {axes})"]
        if shape[0] > 1:
            steps.append(f"x.expand(-1, {shape[0]}, {', '.join('-1' for _ in shape[1:])})")
        yield Layout(name, shape, tuple(steps))
    yield Layout("a sequence, channels last", (length, 1), ("x.unsqueeze(-1)",), last=True)


def _images(shape: tuple[int, ...]) -> Iterator[Layout]:
    channels, *sides = shape
    yield Layout("channels last", (*sides, channels), ("x.permute(0, 2, 3, 1)",), last=True)
    three = ("x.expand(-1, 3, -1, -1)",) if channels == 1 else ()
    if three:
        yield Layout("an image of three channels", (3, *sides), three)
    for side in RESIZED:
        if max(sides) < side:
            step = f"torch.nn.functional.interpolate(x, size=({side}, {side}))"
            plain = Layout("a larger image", (channels, side, side), (step,))
            yield plain
            if three:
                yield replace(
                    plain,
                    name="a larger image of three channels",
                    shape=(3, side, side),
                    steps=(step, *three),
                )

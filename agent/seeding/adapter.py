"""What stands between a user's entry and the task: fixed arguments, and shapes that follow mechanically."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evoarch.agent.seeding.inline import Inlined
from evoarch.agent.seeding.resolve import near
from evoarch.agent.seeding.units import SeedError
from evoarch.sandbox.words import words

CLASSES = words(
    "num_classes n_classes classes nclass num_class n_class num_labels num_outputs n_outputs out_dim"
)
CHANNELS = words(
    "in_channels in_chans channels in_ch n_channels num_channels input_channels n_input_channels"
)
SIZES = words(
    "image_size img_size in_size input_size seq_len input_length in_length in_features input_dim in_dim"
)
"""What parameters for the number of classes, of input channels, and for the input's size are called."""


@dataclass(frozen=True)
class Parameter:
    """`default` is its source text, None where it is required."""

    name: str
    default: str | None


@dataclass(frozen=True)
class Signature:
    """What the entry of a seed takes."""

    parameters: tuple[Parameter, ...]
    open_ended: bool
    """Takes `**kwargs`."""

    @property
    def names(self) -> list[str]:
        """The names of its parameters."""
        return [p.name for p in self.parameters]


@dataclass(frozen=True)
class Layout:
    """A way to hand an example of the task's shape to a model. `shape` is what the model gets, without the
    batch; zeros fill what the example lacks."""

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Channels of one example; 1 for a plain vector."""
        return self.shape[0] if len(self.shape) > 1 else 1

    def size(self, default: str | None) -> object:
        """The extent of one example, in the form of `default`, the text of the default value."""
        extent = self.shape[-1]
        many = default is not None and default.startswith(("(", "[")) and len(self.shape) > 2
        return tuple(self.shape[1:]) if many else extent


@dataclass(frozen=True)
class Adapter:
    """`text` is the entry `Model` that is added, "" where none is needed. `proposal` says in one line what
    it does beyond the arguments that the user fixed; "" where it does nothing else."""

    text: str
    proposal: str = ""


def signature(inlined: Inlined) -> Signature:
    """What the entry takes, its class's bases in the genome included."""
    tree = ast.parse(inlined.source)
    definitions = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    node: ast.stmt | None = definitions[inlined.entry]
    skip = 0
    seen: set[str] = set()
    while isinstance(node, ast.ClassDef):
        seen.add(node.name)
        init = next((m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"), None)
        bases = [b.id for b in node.bases if isinstance(b, ast.Name)] if init is None else []
        node = init or next((definitions[b] for b in bases if b in definitions and b not in seen), None)
        skip = 1
    if not isinstance(node, ast.FunctionDef):
        return Signature((), False)
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    padded: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults))
    pairs = [*zip(positional, [*padded, *args.defaults], strict=True)][skip:]
    pairs += zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return Signature(
        tuple(Parameter(a.arg, None if d is None else ast.unparse(d)) for a, d in pairs),
        args.kwarg is not None,
    )


def check_kwargs(inlined: Inlined, kwargs: Mapping[str, object], place: str, line: int) -> None:
    """Raises SeedError for an argument that the entry does not take."""
    taken = signature(inlined)
    for name in kwargs:
        if name not in taken.names and not taken.open_ended:
            raise SeedError(place, line, f"{inlined.entry} takes no {name}{near(name, taken.names)}")


def layouts(shape: Sequence[int], kwargs: Mapping[str, object]) -> Iterator[Layout]:
    """As the task gives it; for flat examples also a sequence with one channel, and a square image."""
    yield Layout("as it is", tuple(shape))
    if len(shape) != 1:
        return
    length = shape[0]
    channels = next((v for k, v in kwargs.items() if k in CHANNELS and isinstance(v, int)), 1)
    given = next((v for k, v in kwargs.items() if k in SIZES), None)
    given = given[0] if isinstance(given, list | tuple) and given else given
    side = math.ceil(math.sqrt(length))
    patch = kwargs.get("patch_size", 1)
    if isinstance(patch, int) and patch > 0:
        side = math.ceil(side / patch) * patch
    wanted = given if isinstance(given, int) else 0
    yield Layout("a sequence", (channels, max(length, wanted)))
    yield Layout("an image", (channels, *[max(side, wanted)] * 2))


def adapter(
    inlined: Inlined,
    kwargs: Mapping[str, object],
    offers: Mapping[str, object],
    layout: Layout,
    place: str,
    line: int,
) -> Adapter:
    """The entry `Model` for a layout. Raises SeedError where an argument is wanted that nobody gives."""
    given: dict[str, str] = {}
    mapped: list[str] = []
    plain = layout.name == "as it is"
    for parameter in signature(inlined).parameters:
        name = parameter.name
        if name in kwargs:
            continue
        if name in offers:
            given[name] = name
        elif name in CLASSES and (widths := {"num_classes", "num_outputs"} & set(offers)):
            (given[name],) = widths
            mapped.append(f"{name}={given[name]}")
        elif name in CHANNELS and not (plain and len(layout.shape) == 1):
            given[name] = repr(layout.channels)
            mapped.append(f"{name}={layout.channels}")
        elif name in SIZES:
            given[name] = repr(layout.size(parameter.default))
            mapped.append(f"{name}={given[name]}")
        elif parameter.default is None:
            offered = ", ".join(offers)
            raise SeedError(
                place,
                line,
                f"{inlined.entry} wants {name}, and the task offers {offered}; give --kwargs {name}=...",
            )
    given |= {name: repr(value) for name, value in kwargs.items()}
    if plain and not mapped and not kwargs and inlined.entry == "Model":
        return Adapter("")
    call = f"{inlined.entry}({', '.join(f'{name}={value}' for name, value in given.items())})"
    wanted = [name for name in offers if name in given.values()]
    if plain:
        text = f"def Model({', '.join(wanted)}):\n    return {call}\n"
        return Adapter(text, ", ".join(mapped))
    shape = ", ".join(str(n) for n in layout.shape)
    text = (
        f"class Model(torch.nn.Module):\n    def __init__({', '.join(['self', *wanted])}):\n"
        f"        super().__init__()\n        self.inner = {call}\n\n    def forward(self, x):\n"
    )
    length = int(math.prod(_shape(offers)))
    inner = math.prod(layout.shape[1:])
    if inner > length:
        text += f"        x = torch.nn.functional.pad(x, (0, {inner - length}))\n"
    text += f"        x = x.reshape(x.shape[0], 1, {', '.join(str(n) for n in layout.shape[1:])})\n"
    if layout.channels > 1:
        text += f"        x = x.expand(-1, {layout.channels}, {', '.join('-1' for _ in layout.shape[1:])})\n"
    text += "        return self.inner(x)\n"
    what = f"each example as {layout.name} ({shape})"
    return Adapter(text, ", ".join([what, *mapped]))


def _shape(offers: Mapping[str, object]) -> tuple[int, ...]:
    shape = offers.get("input_shape", ())
    return tuple(int(n) for n in shape) if isinstance(shape, list | tuple) else ()

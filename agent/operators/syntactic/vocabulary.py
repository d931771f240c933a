"""The layer vocabulary that every operator without a language model shares.

It knows each layer's parameters, which of them must equal the size that comes in (`takes`) and which sets
the size that goes out (`gives`), and it writes new layers as LibCST expressions with literal arguments.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import libcst as cst


@dataclass(frozen=True)
class Spec:
    """What is known of one torch.nn layer. `parameters` are its leading constructor parameters in order;
    `rank` is 1 or 2 for layers over that many spatial dimensions, 0 for all others."""

    kind: str
    parameters: tuple[str, ...]
    takes: str = ""
    gives: str = ""
    rank: int = 0


def _ranked(table: Mapping[str, Spec]) -> dict[str, Spec]:
    return {
        f"{name}{rank}d": Spec(spec.kind, spec.parameters, spec.takes, spec.gives, rank)
        for name, spec in table.items()
        for rank in (1, 2)
    }


_CONV = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias")
_UPCONV = (*_CONV[:5], "output_padding", "groups", "bias", "dilation")
_RECURRENT = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
_NORM = ("num_features", "eps", "momentum", "affine", "track_running_stats")

ACTIVATIONS: Mapping[str, str] = {
    "ReLU": "relu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Mish": "mish",
    "ELU": "elu",
    "SELU": "selu",
    "LeakyReLU": "leaky_relu",
    "Hardswish": "hardswish",
    "Softplus": "softplus",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
}
"""Activation layers and their names in torch.nn.functional."""

FUNCTIONALS: Mapping[str, str] = {functional: layer for layer, functional in ACTIVATIONS.items()}

SPECS: Mapping[str, Spec] = {
    "Linear": Spec("linear", ("in_features", "out_features", "bias"), "in_features", "out_features"),
    **_ranked(
        {
            "Conv": Spec("conv", _CONV, "in_channels", "out_channels"),
            "ConvTranspose": Spec("upconv", _UPCONV, "in_channels", "out_channels"),
            "BatchNorm": Spec("norm", _NORM, "num_features"),
            "InstanceNorm": Spec("norm", _NORM, "num_features"),
            "MaxPool": Spec("pool", ("kernel_size", "stride", "padding", "dilation")),
            "AvgPool": Spec("pool", ("kernel_size", "stride", "padding")),
            "AdaptiveAvgPool": Spec("adaptive", ("output_size",)),
            "AdaptiveMaxPool": Spec("adaptive", ("output_size",)),
            "Dropout": Spec("dropout", ("p", "inplace")),
        }
    ),
    "GroupNorm": Spec("norm", ("num_groups", "num_channels", "eps", "affine"), "num_channels"),
    "LayerNorm": Spec("norm", ("normalized_shape", "eps", "elementwise_affine"), "normalized_shape"),
    "Dropout": Spec("dropout", ("p", "inplace")),
    "GRU": Spec("recurrent", _RECURRENT, "input_size", "hidden_size"),
    "LSTM": Spec("recurrent", _RECURRENT, "input_size", "hidden_size"),
    "RNN": Spec("recurrent", (*_RECURRENT[:3], "nonlinearity", *_RECURRENT[3:]), "input_size", "hidden_size"),
    "MultiheadAttention": Spec("attention", ("embed_dim", "num_heads", "dropout"), "embed_dim"),
    "TransformerEncoderLayer": Spec(
        "attention", ("d_model", "nhead", "dim_feedforward", "dropout"), "d_model"
    ),
    "Flatten": Spec("flatten", ("start_dim", "end_dim")),
    "Identity": Spec("identity", ()),
    **{name: Spec("activation", ()) for name in ACTIVATIONS},
    "PReLU": Spec("activation", ("num_parameters", "init")),
    "Softmax": Spec("activation", ("dim",)),
    "LogSoftmax": Spec("activation", ("dim",)),
}

VERSION = 2
"""What an archive records of the vocabulary that its children were drawn from. It changes whenever the same
randomness draws another child, in any of the operators of `DRAWING`."""

DRAWING = frozenset({"random", "syntactic.mutate", "grammar.draw", "grammar.mutate", "space.fill"})

KERNELS = (1, 3, 5, 7, 9)
STRIDES = (1, 2, 3, 4)
DILATIONS = (1, 2, 3, 4)
RATES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
LARGEST = 512
"""No operator writes a width above this: at the task sizes served it only buys time-outs."""

HELPERS: Mapping[str, str] = {
    "Residual": '''
class Residual(nn.Module):
    """Adds the input, through a shortcut where shapes differ, to what the body makes of it."""

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x):
        return self.shortcut(x) + self.body(x)
''',
    "Recurrent": '''
class Recurrent(nn.Module):
    """Runs a recurrent layer along the last dimension of (batch, channels, ...) and gives its outputs."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        rows = x.movedim(1, -1)
        outputs, _ = self.layer(rows.flatten(0, -3))
        return outputs.unflatten(0, rows.shape[:-2]).movedim(-1, 1)
''',
    "SqueezeExcite": '''
class SqueezeExcite(nn.Module):
    """Weighs each channel by what two linear layers make of the means of all."""

    def __init__(self, squeeze, excite):
        super().__init__()
        self.squeeze = squeeze
        self.excite = excite

    def forward(self, x):
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.flatten(2).mean(2)))))
        return x * weights[(..., *[None] * (x.dim() - 2))]
''',
    "AttentionPool": '''
class AttentionPool(nn.Module):
    """Pools to one position: the sum of all, weighed by a score that a layer gives to each."""

    def __init__(self, score):
        super().__init__()
        self.score = score

    def forward(self, x):
        weights = self.score(x).flatten(2).softmax(2)
        return (x.flatten(2) * weights).sum(2)[(..., *[None] * (x.dim() - 2))]
''',
    "Star": '''
class Star(nn.Module):
    """The elementwise product of two branches."""

    def __init__(self, left, right):
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x):
        return self.left(x) * self.right(x)
''',
    "Transposed": '''
class Transposed(nn.Module):
    """Runs a layer over (batch, length, channels) on inputs of (batch, channels, length)."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *inputs):
        y = self.layer(*[x.transpose(1, 2) for x in inputs])
        y = y[0] if isinstance(y, tuple) else y
        return y.transpose(1, 2)
''',
    "Outputs": '''
class Outputs(nn.Module):
    """Keeps the outputs of a recurrent layer and drops its state."""

    def forward(self, pair):
        return pair[0]
''',
    "fit": '''
def fit(x, like):
    """Crops or zero-pads x to the shape of like, so that the two can be added."""
    pads = [n for dim in range(x.dim() - 1, 0, -1) for n in (0, like.shape[dim] - x.shape[dim])]
    return F.pad(x, pads)
''',
}
"""Helper code by the name it defines; an operator copies it into the genome that uses it."""


def expression(text: str) -> cst.BaseExpression:
    """Source text of one expression as a LibCST node."""
    return cst.parse_expression(text)


def layer(name: str, *values: object, **named: object) -> str:
    """The source of one layer, e.g. `layer("Conv1d", 1, 25, 5, stride=2)`."""
    arguments = [str(value) for value in values] + [f"{key}={value}" for key, value in named.items()]
    return f"nn.{name}({', '.join(arguments)})"


def activation(rng: random.Random) -> str:
    """Code of a random activation."""
    return layer(rng.choice(("ReLU", "GELU", "SiLU", "Mish", "ELU", "Hardswish", "LeakyReLU")))


def norm(rng: random.Random, width: int | str, rank: int) -> str:
    """A normalisation over `width` channels (`rank` spatial dimensions) or features (`rank` 0)."""
    if rank == 0:
        return rng.choice((layer("BatchNorm1d", width), layer("LayerNorm", width)))
    return rng.choice((layer(f"BatchNorm{rank}d", width), layer("GroupNorm", 1, width)))


def conv(
    rng: random.Random,
    inputs: int | str,
    outputs: int | str,
    rank: int,
    *,
    stride: int = 1,
    groups: object = 1,
) -> str:
    """A convolution that keeps the length at stride 1; `groups` is a number or the name of a width."""
    kernel = rng.choice((3, 3, 5, 7))
    dilation = rng.choice((1, 1, 1, 2)) if rank == 1 else 1
    named: dict[str, object] = {"padding": dilation * (kernel // 2)}
    if stride != 1:
        named["stride"] = stride
    if dilation != 1:
        named["dilation"] = dilation
    if groups != 1:
        named["groups"] = groups
    return layer(f"Conv{rank}d", inputs, outputs, kernel, **named)


def pool(rng: random.Random, rank: int) -> str:
    """Code of a random pool over `rank` dimensions."""
    return layer(rng.choice((f"MaxPool{rank}d", f"AvgPool{rank}d")), rng.choice((2, 2, 2, 3)))


def recurrent(
    rng: random.Random, inputs: int | str, hidden: int | str, *, bidirectional: bool = False
) -> str:
    """Code of a random recurrent layer over (batch, time, features)."""
    named = {"bidirectional": True} if bidirectional else {}
    return layer(rng.choice(("GRU", "GRU", "LSTM")), inputs, hidden, batch_first=True, **named)


def squeeze_excite(width: int) -> str:
    """Code of a squeeze-and-excitation block over `width` channels (Hu et al. 2018, arXiv 1709.01507)."""
    narrow = max(1, width // 4)
    return f"SqueezeExcite({layer('Linear', width, narrow)}, {layer('Linear', narrow, width)})"


def attention_pool(width: int | str, rank: int) -> str:
    """Code of a pool to one position that weighs positions by a score of each."""
    return f"AttentionPool({layer(f'Conv{rank}d', width, 1, 1)})"


def global_pool(rng: random.Random, width: int | str, rank: int) -> str:
    """Code of a pool to one position of `width` channels; the maximum the most often."""
    choices = (f"AdaptiveMaxPool{rank}d", f"AdaptiveAvgPool{rank}d", "")
    name = rng.choices(choices, (5, 3, 2))[0]
    return layer(name, 1) if name else attention_pool(width, rank)


def star(rng: random.Random, inputs: int | str, outputs: int | str, rank: int, *, stride: int = 1) -> str:
    """Code of a product of two convolutions, one of them activated (StarNet, arXiv 2403.19967)."""
    left, right = (conv(rng, inputs, outputs, rank, stride=stride) for _ in range(2))
    return f"Star(nn.Sequential({left}, {activation(rng)}), {right})"


def follower(rng: random.Random, width: int | str | None, rank: int) -> tuple[str, str]:
    """A layer that fits after one of `width` outputs (None: unknown), and what it is in a word.

    `rank` is the number of spatial dimensions there (0: features last). Its output has the same width.
    """
    choices = [(activation(rng), "activation"), (layer("Dropout", rng.choice(RATES[:6])), "dropout")]
    if width is None:
        return rng.choice(choices)
    choices += [(norm(rng, width, rank), "norm")] * 2
    if rank == 0:
        linear = layer("Linear", width, width)
        choices += [
            (linear, "linear"),
            (f"Residual(nn.Sequential({linear}, {activation(rng)}))", "residual block"),
        ]
        return rng.choice(choices)
    depthwise = conv(rng, width, width, rank, groups=width)
    pointwise = layer(f"Conv{rank}d", width, width, 1)
    separable = f"{depthwise}, {norm(rng, width, rank)}, {activation(rng)}, {pointwise}"
    choices += [
        (pool(rng, rank), "pooling"),
        (depthwise, "depthwise convolution"),
        (pointwise, "pointwise convolution"),
        (conv(rng, width, width, rank), "convolution"),
        (f"Residual(nn.Sequential({separable}))", "separable residual block"),
        (star(rng, width, width, rank), "star block"),
        (f"Recurrent({recurrent(rng, width, width)})", "recurrent layer"),
    ]
    if str(width).isdecimal():
        choices.append((squeeze_excite(int(width)), "squeeze-excite block"))
    return rng.choice(choices)

"""The number of parameters of families without other code to compare, from the tables of their papers.

Each function takes the numbers of such a table and does sums; none builds a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise


def linear(inputs: int, outputs: int) -> int:
    """A dense layer, or a 1 x 1 convolution, with its bias."""
    return inputs * outputs + outputs


def vanillanet(dims: Sequence[int], classes: int = 1000, patch: int = 4, reach: int = 3) -> int:
    """Stem, one 1 x 1 convolution a stage, classifier; an activation sums (2 reach + 1)^2 places."""
    activation = (2 * reach + 1) ** 2 + 1  # one kernel and one bias for each channel
    stages = sum(linear(before, dim) for before, dim in pairwise(dims))
    return linear(3 * patch**2, dims[0]) + stages + sum(dims) * activation + linear(dims[-1], classes)


def vanillanet_training(dims: Sequence[int], classes: int = 1000, patch: int = 4, reach: int = 3) -> int:
    """The same with a square 1 x 1 convolution more for each, and a norm (2 a channel) behind every layer."""
    extra = [*dims[:1], *dims[:-1]]  # the stem's comes behind it, a stage's before it
    norms = dims[0] + sum(extra) + sum(dims[1:]) + classes
    activations = sum(dims)  # their norm (2) in place of the bias (1)
    deployed = vanillanet(dims, classes, patch, reach)
    return deployed + sum(linear(d, d) for d in extra) + linear(classes, classes) + 2 * norms + activations


def simplenet(width: float, classes: int = 1000) -> int:
    """Thirteen convolutions with bias and norm, of the sizes in the paper's table times `width`."""
    table = [(64, 3), *[(128, 3)] * 5, *[(256, 3)] * 3, (512, 3), (2048, 1), (256, 1), (256, 3)]
    total, before = 0, 3
    for channels, kernel in table:
        out = round(channels * width)
        total += before * out * kernel**2 + 3 * out
        before = out
    return total + linear(before, classes)


def efficientmod(
    dims: Sequence[int],
    ratios: Sequence[Sequence[int]],
    attention: Sequence[int],
    mlps: Sequence[int] = (4, 4, 4, 4),
) -> int:
    """Stages of patches, modulation blocks of the given expansions and attention blocks; norm and head."""
    total, before = 0, 3
    for stage, dim in enumerate(dims):
        kernel = 7 if stage == 0 else 3
        total += before * dim * kernel**2 + dim + 2 * dim
        for ratio in ratios[stage]:
            context = 2 * linear(dim, dim) + 50 * dim  # in, out and a depthwise 7 x 7 with bias
            total += 3 * dim + context + linear(dim, ratio * dim) + linear(ratio * dim, dim)
        inner = 8 * max(dim // 8, 32)
        dense = linear(dim, mlps[stage] * dim) + linear(mlps[stage] * dim, dim)
        total += attention[stage] * (4 * dim + 3 * dim * inner + linear(inner, dim) + dense)
        before = dim
    return total + 2 * before + linear(before, 1000)


def emo(depths: Sequence[int], dims: Sequence[int], ratios: Sequence[float]) -> int:
    """Stem of 24, a first block with a gate, four stages whose first block expands twice as far."""

    def block(inputs: int, outputs: int, middle: int, kernel: int, attends: bool) -> int:
        query_key = linear(inputs, 2 * inputs) if attends else 0
        return query_key + linear(inputs, middle) + middle * (kernel**2 + 2) + middle * outputs

    total = 3 * 24 * 9 + 2 * 24 + block(24, 24, 24, 3, False) + 2 * linear(24, 24)
    before = 24
    for stage, (depth, dim, ratio) in enumerate(zip(depths, dims, ratios, strict=True)):
        kernel = 3 if stage < 2 else 5
        total += 2 * before + block(before, dim, int(2 * ratio * before), kernel, False)
        total += (depth - 1) * (2 * dim + block(dim, dim, int(ratio * dim), kernel, stage > 1))
        before = dim
    return total + 2 * before + linear(before, 1000)


def pufferfish(full: int) -> int:
    """ResNet-18 for CIFAR-10 whose blocks behind the first `full` have convolutions of rank out / 4."""

    def convolution(inputs: int, outputs: int, low: bool) -> int:
        rank = outputs // 4
        return inputs * rank * 9 + rank * outputs if low else inputs * outputs * 9

    total, before = 3 * 64 * 9, 64
    for number, width in enumerate((64, 64, 128, 128, 256, 256, 512, 512)):
        low = number >= full
        total += convolution(before, width, low) + convolution(width, width, low) + 4 * width
        if before != width:
            total += before * width + 2 * width
        before = width
    return total + linear(512, 10)


def resnet50_without(strided_too: bool) -> int:
    """ResNet-50 less its 3 x 3 convolutions and their norms; `strided_too`: those of stride 2 as well."""
    gone = 0
    for stage, (depth, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True)):
        kept = 1 if stage and not strided_too else 0
        gone += (depth - kept) * (9 * width**2 + 2 * width)
    return 25_557_032 - gone


def riformer_training() -> int:
    """PoolFormer-S12 and 2 numbers for each channel of each block."""
    return 11_915_176 + sum(2 * depth * dim for depth, dim in ((2, 64), (2, 128), (6, 320), (2, 512)))


def hourglass(inputs: int, wide: int, narrow: int, depth: int, classes: int = 10) -> int:
    """A lift without bias; blocks of a norm, a dense layer in and one out; a head."""
    block = 2 * wide + linear(wide, narrow) + linear(narrow, wide)
    return inputs * wide + depth * block + linear(wide, classes)


def meshgraphnet(nodes: int, edges: int, outputs: int, hidden: int = 128, steps: int = 15) -> int:
    """Three dense layers and a norm (none in the decoder) each; edges read three states, nodes two."""

    def mlp(inputs: int) -> int:
        return linear(inputs, hidden) + 2 * linear(hidden, hidden) + 2 * hidden

    decoder = 2 * linear(hidden, hidden) + linear(hidden, outputs)
    return mlp(nodes) + mlp(edges) + steps * (mlp(3 * hidden) + mlp(2 * hidden)) + decoder


def flexibert(
    layers: Sequence[tuple[bool, int, Sequence[int]]], channels: int, length: int, classes: int
) -> int:
    """Embedding, places and a norm; layers of (attends, width, sizes of the dense stack); a head."""
    before = layers[0][1]
    total = linear(channels, before) + length * before + 2 * before
    for attends, dim, stack in layers:
        if dim != before:
            total += linear(before, dim)
        sizes = [dim, *stack, dim]
        total += 4 * dim + sum(linear(first, second) for first, second in pairwise(sizes))
        total += 4 * linear(dim, dim) if attends else 0
        before = dim
    return total + linear(before, classes)


def ascan(pattern: Sequence[str], dims: Sequence[int] = (96, 192, 384, 768)) -> int:
    """Stem of two convolutions; C: 3 x 3 to four times, gate, 1 x 1 back; T: attention and MLP; head."""
    total, before = 3 * 64 * 9 + 2 * 64 + 64 * 64 * 9 + 64, 64
    for blocks, dim in zip(pattern, dims, strict=True):
        for number, kind in enumerate(blocks):
            if kind == "C":
                mid, squeezed = 4 * before, before // 4
                total += before * mid * 9 + 2 * mid + linear(mid, squeezed) + linear(squeezed, mid)
                total += mid * dim + 2 * dim
            else:
                total += before * dim * 9 + 2 * dim if number == 0 else 0
                total += 4 * dim + 4 * linear(dim, dim) + linear(dim, 4 * dim) + linear(4 * dim, dim)
            before = dim
    return total + 2 * before + linear(before, 1000)


_ATTENTION, _COSINE = (True, 256, (512, 512, 512)), (False, 128, (1024,))


def _cut(ratio: int, depths: Sequence[int]) -> list[list[int]]:
    return [[1 if i % 2 == 0 else ratio for i in range(depth)] for depth in depths]


EXPECTED: dict[tuple[str, str], Callable[[], int]] = {
    ("vanillanet", "vanillanet-5"): lambda: vanillanet((512, 1024, 2048, 4096)),
    ("vanillanet", "vanillanet-6"): lambda: vanillanet((512, 1024, 2048, 4096, 4096)),
    ("vanillanet", "vanillanet-5-training"): lambda: vanillanet_training((512, 1024, 2048, 4096)),
    ("simplenet", "small-0.5"): lambda: simplenet(0.5),
    ("simplenet", "small-0.75"): lambda: simplenet(0.75),
    ("simplenet", "5m"): lambda: simplenet(1.0),
    ("efficientmod", "xxs"): lambda: efficientmod((32, 64, 128, 256), _cut(6, (2, 2, 6, 2)), (0, 0, 1, 2)),
    ("efficientmod", "xs"): lambda: efficientmod((32, 64, 144, 288), _cut(4, (3, 3, 4, 2)), (0, 0, 3, 3)),
    ("efficientmod", "s"): lambda: efficientmod(
        (32, 64, 144, 312), _cut(6, (4, 4, 8, 4)), (0, 0, 4, 4), (4, 4, 4, 5)
    ),
    ("emo", "emo-1m"): lambda: emo((2, 2, 8, 3), (32, 48, 80, 168), (2, 2.5, 3, 3.5)),
    ("emo", "emo-2m"): lambda: emo((3, 3, 9, 3), (32, 48, 120, 200), (2, 2.5, 3, 3.5)),
    ("emo", "emo-5m"): lambda: emo((3, 3, 9, 3), (48, 72, 160, 288), (2, 3, 4, 4)),
    ("emo", "emo-6m"): lambda: emo((3, 3, 9, 3), (48, 72, 160, 320), (2, 3, 4, 5)),
    ("lowrank", "pufferfish-resnet18"): lambda: pufferfish(1),
    ("lowrank", "resnet18"): lambda: pufferfish(8),
    ("pflayer", "r50-max"): lambda: resnet50_without(strided_too=True),
    ("pflayer", "r50-hybrid"): lambda: resnet50_without(strided_too=False),
    ("riformer", "s12-training"): riformer_training,
    ("hourglass_mlp", "mnist-1024-64-4"): lambda: hourglass(784, 1024, 64, 4),
    ("hourglass_mlp", "mnist-2048-32-8"): lambda: hourglass(784, 2048, 32, 8),
    ("meshgraphnet", "cylinder-flow"): lambda: meshgraphnet(11, 3, 2),
    ("meshgraphnet", "line"): lambda: meshgraphnet(11, 2, 2),
    ("ascan", "default"): lambda: ascan(("CC", "CCC", "CCCTTT", "TTT")),
    ("ascan", "longer"): lambda: ascan(("CC", "CCC", "CCCTTTT", "TTTT")),
    ("flexibert", "flexibert-mini"): lambda: flexibert([_ATTENTION] * 2 + [_COSINE] * 2, 1, 40, 10),
    ("flexibert", "bert-mini"): lambda: flexibert([(True, 256, (1024,))] * 4, 1, 40, 10),
}
"""By family and variant: its number of parameters, worked out here and nowhere else."""

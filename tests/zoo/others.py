"""Oracles that need a hand before a whole network can be compared: parts, other poolings, other imports.

Each takes the family and the variant and returns a network of the variant's inputs and outputs in which what
is compared comes from the oracle's package. Skips the test where the package is not installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from evoarch.evaluators.zoo.catalogue import Family, Variant
from zoo.build import build
from zoo.oracle import oracle


def _neck(family: Family, variant: Variant) -> nn.Module:
    """The family's network with effdet's pyramid in the place of its own."""
    config: Any = oracle("effdet:get_efficientdet_config", {"model_name": variant.oracle_kwargs["config"]})
    config.image_size = shape_of(family, variant)[1:]
    maps = [{"num_chs": channels, "reduction": 8 << i} for i, channels in enumerate((40, 112, 320))]
    model: Any = build(family, variant, shape_of(family, variant))
    model.neck = _Copies(oracle(variant.oracle, {"config": config, "feature_info": maps}))
    return model  # type: ignore[no-any-return]


class _Copies(nn.Module):
    """Hands a list of its own to a module that appends to the one it gets."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, maps: list[Tensor]) -> Any:
        return self.module(list(maps))


def _unetpp(family: Family, variant: Variant) -> nn.Module:
    return oracle(
        variant.oracle, {**variant.oracle_kwargs, "encoder_weights": None, "classes": variant.classes}
    )


def _xvector(family: Family, variant: Variant) -> nn.Module:
    """The embedding and its classifier up to the logits, without the noise on the means."""
    _without_audio()
    embedding = oracle(variant.oracle, dict(variant.oracle_kwargs))
    neurons = variant.oracle_kwargs.get("lin_neurons", 512)
    classifier = oracle(
        "speechbrain.lobes.models.Xvector:Classifier",
        {"input_shape": (2, 1, neurons), "lin_neurons": neurons, "out_neurons": variant.classes},
    )
    classifier["softmax"] = nn.Identity()  # type: ignore[index, operator]
    for module in embedding.modules():
        if type(module).__name__ == "StatisticsPooling":
            module._get_gauss_noise = lambda shape, device: 0.0  # type: ignore[assignment]
    return _Recording(embedding, classifier)


class _Recording(nn.Module):
    """Channels first in, logits of the recording out."""

    def __init__(self, embedding: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.embedding, self.classifier = embedding, classifier

    def forward(self, x: Tensor) -> Any:
        return self.classifier(self.embedding(x.transpose(1, 2)))[:, 0]


def _without_audio() -> None:
    """Lets speechbrain import where torchaudio's wheel lacks its CUDA libraries; no layer here calls it."""
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError):
        sys.modules["torchaudio"] = ModuleType("torchaudio")


def _product_keys(family: Family, variant: Variant) -> nn.Module:
    """The family's network with the package's memory in the place of its own."""
    model: Any = build(family, variant, shape_of(family, variant))
    for block in model.blocks:
        block.memory = oracle(variant.oracle, dict(variant.oracle_kwargs))
    return model  # type: ignore[no-any-return]


def _enet(family: Family, variant: Variant) -> nn.Module:
    """Pooling of 2 x 2 as in the paper, and no dropout."""
    model: Any = oracle(variant.oracle, dict(variant.oracle_kwargs))
    for stage in (model.stage1, model.stage2):
        stage.scale_unit.identity_block.pool = nn.MaxPool2d(2, 2, return_indices=True)
    for module in model.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    return model  # type: ignore[no-any-return]


def _pooled_resnet(family: Family, variant: Variant) -> nn.Module:
    """torchvision's ResNet-50 whose 3 x 3 convolutions are replaced as the paper says."""
    kind = variant.kwargs.get("kind", "max")
    model: Any = oracle("torchvision.models:resnet50", {})
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in stage:
            conv = block.conv2
            stride, width = conv.stride[0], conv.in_channels
            if kind == "hybrid" and stride == 2:
                block.conv2 = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(width, width, 3, 1, 1, bias=False))
            else:
                block.conv2, block.bn2 = nn.MaxPool2d(3, stride, 1), nn.Identity()
    return model  # type: ignore[no-any-return]


ADAPTED: dict[str, Callable[[Family, Variant], nn.Module]] = {
    "bifpn": _neck,
    "enet": _enet,
    "pflayer": _pooled_resnet,
    "product_keys": _product_keys,
    "tdnn": _xvector,
    "unetpp": _unetpp,
}
"""By family: the oracle of one of its variants."""


def needs_help(family: Family, variant: Variant) -> bool:
    """Whether a variant is compared by way of ADAPTED; those of an untouched torchvision network are not."""
    return family.name in ADAPTED and not variant.oracle.startswith("torchvision")


def shape_of(family: Family, variant: Variant) -> tuple[int, ...]:
    """The input on which a variant is compared: small where its weights do not depend on the size."""
    if len(variant.input) == 2:
        return variant.input[0], min(variant.input[1], 64)
    return (variant.input[0], 128, 128) if family.name == "bifpn" else (variant.input[0], 64, 64)

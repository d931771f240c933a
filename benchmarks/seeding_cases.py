"""Which public models `seed add` is measured on: a rule chooses them, not success.

Of packages with a list of builders every k-th of the sorted list (the next one that has at most
MOST_PARAMETERS parameters); of packages with a few classes those that literals can construct, in
tests/fixtures/seeding/public.json.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

LISTED = Path(__file__).parent.parent / "tests" / "fixtures" / "seeding" / "public.json"
FIRST = LISTED.with_name("corpus.json")
"""165 models of vit-pytorch and pytorchcv, each with one entry and fitting inputs."""

MOST_PARAMETERS = 30_000_000
_IMAGE = (3, 224, 224)


@dataclass(frozen=True)
class Case:
    """One model: its file in the environment's packages, entry, fixed arguments; `shape` is an example's."""

    package: str
    file: str
    entry: str
    kwargs: Mapping[str, object] = field(default_factory=dict)
    shape: tuple[int, ...] = _IMAGE
    whole: bool = False
    """Whether examples are whole numbers below 16."""

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> str:
        """What a result is filed under."""
        return f"{self.package}:{self.entry}:{self.file}"


def every(names: Sequence[str], step: int, build: Callable[[str], Case | None]) -> Iterator[Case]:
    """Every `step`-th name, or the next one whose model is not too large."""
    for start in range(0, len(names), step):
        for name in names[start : start + step]:
            case = build(name)
            if case is not None:
                yield case
                break


def _file(module: str) -> str:
    path = Path(importlib.import_module(module).__file__ or "")
    return str(path).rpartition("site-packages/")[2]


def _small(make: Callable[[], torch.nn.Module]) -> bool:
    try:
        with torch.device("meta"):
            return sum(p.numel() for p in make().parameters()) <= MOST_PARAMETERS
    except Exception:  # noqa: BLE001 - whatever a builder wants of a real device: it is tried
        return True


def _torchvision() -> Iterator[Case]:
    from torchvision import models  # type: ignore[import-not-found]

    def build(name: str) -> Case | None:
        builder = models.get_model_builder(name)
        if not _small(builder):
            return None
        return Case("torchvision", _file(builder.__module__), builder.__name__)

    yield from every(sorted(models.list_models(module=models)), 4, build)


def _timm() -> Iterator[Case]:
    import timm  # type: ignore[import-not-found]

    def build(name: str) -> Case | None:
        builder = timm.models.model_entrypoint(name)
        config = timm.models.get_pretrained_cfg(name)
        shape = tuple(config.input_size) if config else _IMAGE
        if not _small(builder):
            return None
        return Case("timm", _file(builder.__module__), name, {}, shape)

    yield from every(sorted(timm.list_models()), 36, build)


def _pytorchcv() -> Iterator[Case]:
    from pytorchcv import model_provider  # type: ignore[import-not-found]

    names = sorted(n for n, f in model_provider._models.items() if "models" in f.__module__)

    def build(name: str) -> Case | None:
        builder = model_provider._models[name]
        if not _small(builder):
            return None
        try:
            shape = (getattr(builder(), "in_channels", 3), *getattr(builder(), "in_size", (224, 224)))
        except Exception:  # noqa: BLE001 - a builder that can't be called without arguments is no case
            return None
        return Case("pytorchcv", _file(builder.__module__), name, {}, tuple(int(n) for n in shape))

    yield from every(names, 100, build)


def _pretrained() -> Iterator[Case]:
    import pretrainedmodels  # type: ignore[import-not-found]

    def build(name: str) -> Case | None:
        builder = pretrainedmodels.__dict__[name]
        if not _small(lambda: builder(pretrained=None)):
            return None
        size = 331 if "nasnetalarge" in name or "pnasnet" in name else 299 if "inception" in name else 224
        return Case(
            "pretrainedmodels", _file(builder.__module__), name, {"pretrained": None}, (3, size, size)
        )

    yield from every(sorted(pretrainedmodels.model_names), 4, build)


BUILDERS: Mapping[str, Callable[[], Iterator[Case]]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "pytorchcv": _pytorchcv,
    "pretrainedmodels": _pretrained,
}


def listed() -> dict[str, list[Case]]:
    """The cases of packages without a list of builders."""
    found: dict[str, list[Case]] = {}
    for row in json.loads(LISTED.read_text()):
        kwargs = {k: tuples(v) for k, v in row.get("kwargs", {}).items()}
        case = Case(
            row["package"], row["file"], row["entry"], kwargs, tuple(row["shape"]), row.get("whole", False)
        )
        found.setdefault(case.package, []).append(case)
    return found


def first(*, quick: bool = False) -> list[Case]:
    """The cases of the packages that are pinned in the Makefile; `quick`: those that the test suite runs."""
    found = []
    for row in json.loads(FIRST.read_text()):
        kwargs = row["kwargs"]
        if row["file"].startswith("vit_pytorch"):  # wants tuples, which JSON hasn't; the other wants lists
            kwargs = {name: tuples(value) for name, value in kwargs.items()}
        case = Case(row["file"].partition("/")[0], row["file"], row["entry"], kwargs, tuple(row["input"][1:]))
        found += [case] if row["quick"] or not quick else []
    return found


def tuples(value: object) -> object:
    """Lists as tuples, inside too: JSON has no tuples."""
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value

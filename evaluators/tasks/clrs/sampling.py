"""Draws CLRS-30 samples with dm-clrs' own numpy samplers and writes compact arrays.

A script, run by `prepare` inside an environment that holds numpy and dm-clrs alone (see there); it imports
nothing of this project. dm-clrs' samplers are numpy code, but their modules import JAX, TensorFlow and
others for type names and small helpers: `_supply_names` provides exactly those.

Arrays of one split are named `<nodes>/<stage>/<feature>`, examples first: inputs and outputs
(examples, ...), hints (examples, steps, ...), `<nodes>/length` (examples,) steps before padding. Masks,
categories and pointers (as node numbers) are int8, scalars float32. Where the benchmark keeps hints of the
test and validation splits for study only, just their first step is written: it is all a model may see.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib.machinery
import importlib.util
import inspect
import json
import pathlib
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Probe = tuple[str, str, str, Array]
"""name, location, kind, data"""

TRAIN_NODES = (4, 7, 11, 13, 16)
"""Training sizes of Ibarz et al. 2022 (arXiv 2209.11142); string matching trains at `MATCHER_NODES`."""
MATCHER_NODES = (20,)
MATCHERS = ("naive_string_matcher", "kmp_matcher")
SPARSE = ("articulation_points", "bridges", "mst_kruskal")
PREDECESSORS_ARE_INPUTS = (
    "binary_search", "minimum", "find_maximum_subarray_kadane", "matrix_chain_order", "lcs_length",
    "optimal_bst", "activity_selector", "task_scheduling", "naive_string_matcher", "kmp_matcher",
    "jarvis_march",
)  # fmt: skip
"""Algorithms whose `pred_h` hint never changes: dm-clrs 2.0.3, examples/run.py, PRED_AS_INPUT_ALGOS."""


def _module(name: str, **attributes: object) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(attributes)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules[name] = module
    return module


def _tree_map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The two shapes of tree that dm-clrs' samplers map over: lists and data points."""
    if isinstance(tree, (list, tuple)):
        return [_tree_map(function, *items) for items in zip(tree, *rest, strict=True)]
    data = function(tree.data, *(other.data for other in rest))
    return type(tree)(tree.name, tree.location, tree.type_, data)


def _define(cls: type) -> type:
    """attrs' `define` for a class of annotated fields: leading underscores leave the argument's name."""
    names = list(cls.__annotations__)

    def fill(self: object, *values: object, **named: object) -> None:
        for name, value in zip(names, values, strict=False):
            setattr(self, name, value)
        for name in names[len(values) :]:
            setattr(self, name, named[name.lstrip("_")])

    cls.__init__ = fill  # type: ignore[misc]
    return cls


def _vectorize(function: Callable[..., Any], **_: object) -> Callable[..., Any]:
    """Stands in at import only: what dm-clrs decorates with it is done in `_cyclic` below."""
    return function


class _Absent:
    """A type name that no value here is an instance of."""


def _supply_names() -> None:
    """Stand-ins for the names that dm-clrs' sampler modules take from packages they do not need here."""

    def silent(*_: object, **__: object) -> None:
        return None

    logging = types.SimpleNamespace(info=silent, warning=silent, log_first_n=silent, WARNING=0)
    tree_util = types.SimpleNamespace(tree_map=_tree_map, register_pytree_node_class=lambda cls: cls)
    numpy = _module("jax.numpy", ndarray=np.ndarray, vectorize=_vectorize)
    _module("jax", Array=_Absent, tree_util=tree_util, numpy=numpy)
    _module("tensorflow", Tensor=_Absent)
    _module("chex", Array=np.ndarray, Numeric=float, assert_rank=silent)
    _module("absl", logging=logging)
    _module("attr", define=_define)
    # The package's own __init__ imports networks and data sets: enter its folder without running it.
    found = importlib.util.find_spec("clrs")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("dm-clrs is not installed in this environment")
    _module("clrs").__path__ = list(found.submodule_search_locations)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How one split of one algorithm is drawn. `seeds` pairs with `nodes`."""

    nodes: tuple[int, ...]
    seeds: tuple[int, ...]
    samples: int
    arguments: dict[str, object]
    hints: bool


def plan(split: str, algorithm: str, multiplier: int, samples: int) -> Plan:
    """The benchmark's own settings: its splits' seeds 1, 2, 3 and sizes; training drawn as its example does.

    Validation and test are the benchmark's fixed sets (32 x multiplier examples; 16 and 64 nodes). The
    training set has 1000 examples of each training size, with the varied edge probabilities and needle
    lengths of the benchmark's training example; sizes draw their seeds from RandomState(1) in turn.
    """
    if split != "train":
        size, seed = {"validation": (16, 2), "test": (64, 3)}[split]
        return Plan((size,), (seed,), samples or 32 * multiplier, {}, hints=False)
    nodes = MATCHER_NODES if algorithm in MATCHERS else TRAIN_NODES
    generator = np.random.RandomState(1)
    seeds = tuple(int(generator.randint(2**32)) for _ in nodes)
    probabilities = tuple((0.1 + 0.1 * i) / (2 if algorithm in SPARSE else 1) for i in range(9))
    return Plan(nodes, seeds, samples or 1000, {"p": probabilities, "length_needle": -8}, hints=True)


def _cyclic(pointers: Array) -> tuple[Array, Array]:
    """Predecessors of an order to a cyclic permutation (as pointers) and a mask of its first node."""
    nodes = pointers.shape[-1]
    first = np.argmax(pointers == np.arange(nodes), axis=-1)
    counts = np.stack([np.bincount(row, minlength=nodes) for row in pointers])
    last = np.argmin(counts, axis=-1)
    rows = np.arange(len(pointers))
    cyclic = pointers.copy()
    cyclic[rows, first] = last
    mask = np.zeros(pointers.shape, np.int8)
    mask[rows, first] = 1
    return cyclic, mask


def compact(kind: str, data: Array) -> Array:
    """The stored form of one probe: see the module's docstring."""
    if kind == "scalar":
        return np.ascontiguousarray(data, np.float32)
    whole = np.asarray(data).astype(np.int8)
    if not np.array_equal(whole, data):
        raise SystemExit(f"{kind} data does not fit int8: {np.min(data)}..{np.max(data)}")
    return np.ascontiguousarray(whole)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What a sampler returned: hints (steps, examples, ...), all else examples first; `lengths` in steps."""

    inputs: Sequence[Probe]
    hints: Sequence[Probe]
    outputs: Sequence[Probe]
    lengths: Array


def stored(algorithm: str, drawn: Drawn, *, hints: bool) -> tuple[dict[str, Array], list[list[object]]]:
    """Arrays named `<stage>/<feature>` and the features' rows. Without `hints`, their first step only."""
    arrays: dict[str, Array] = {"length": np.asarray(drawn.lengths, np.int16)}
    features: list[list[object]] = []

    def keep(stage: str, name: str, location: str, kind: str, data: Array) -> None:
        arrays[f"{stage}/{name}"] = kept = compact(kind, data)
        features.append([name, stage, location, kind, kept.shape[-1] if kind == "categorical" else 1])

    for name, location, kind, data in drawn.inputs:
        keep("input", name, location, kind, data)
    for name, location, kind, data in drawn.hints:
        if name == "pred_h" and algorithm in PREDECESSORS_ARE_INPUTS:
            keep("input", "pred", location, kind, data[0])
        else:
            steps = np.moveaxis(data, 0, 1)
            keep("hint", name, location, kind, steps if hints else steps[:, :1])
    for name, location, kind, data in drawn.outputs:
        if kind == "should_be_permutation":
            cyclic, mask = _cyclic(data.astype(np.int64))
            keep("output", name, location, "permutation_pointer", cyclic)
            keep("output", name + "_mask", location, "mask_one", mask)
        else:
            keep("output", name, location, kind, data)
    return arrays, features


def draw(split: str, algorithm: str, samples: int = 0) -> tuple[dict[str, Array], list[list[object]]]:
    """All arrays of one split, named `<nodes>/...`, and the features' rows. `samples` 0: the benchmark's."""
    from clrs._src import algorithms, samplers, specs  # type: ignore[import-not-found]

    multiplier = specs.CLRS_30_ALGS_SETTINGS[algorithm]["num_samples_multiplier"]
    settings = plan(split, algorithm, multiplier, samples)
    sampler_class = samplers.SAMPLERS[algorithm]
    known = inspect.signature(sampler_class._sample_data).parameters
    arguments = {key: value for key, value in settings.arguments.items() if key in known}
    arrays: dict[str, Array] = {}
    features: list[list[object]] = []
    for nodes, seed in zip(settings.nodes, settings.seeds, strict=True):
        function, spec = getattr(algorithms, algorithm), specs.SPECS[algorithm]
        sampler = sampler_class(function, spec, settings.samples, seed=seed, length=nodes, **arguments)
        feedback = sampler.next()
        found = feedback.features
        drawn = Drawn(_probes(found.inputs), _probes(found.hints), _probes(feedback.outputs), found.lengths)
        kept, features = stored(algorithm, drawn, hints=settings.hints)
        arrays.update({f"{nodes}/{name}": array for name, array in kept.items()})
    return arrays, features


def _probes(points: Iterable[Any]) -> list[Probe]:
    return [(point.name, point.location, point.type_, np.asarray(point.data)) for point in points]


def digest(arrays: Mapping[str, Array]) -> str:
    """SHA-256 over names, types, shapes and values, in the order of names."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("algorithms", nargs="+")
    parser.add_argument("--splits", nargs="+", default=["train", "validation", "test"])
    parser.add_argument("--samples", type=int, default=0)
    options = parser.parse_args()
    _supply_names()
    for algorithm in options.algorithms:
        for split in options.splits:
            arrays, features = draw(split, algorithm, options.samples)
            text = np.frombuffer(json.dumps(features).encode(), np.uint8)
            part = options.folder / f"{algorithm}.{split}.part"
            with part.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, features=text, **arrays)
            part.rename(part.with_suffix(".npz"))
            sys.stdout.write(f"{algorithm} {split}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

"""`seed add` measured on public models that nobody here wrote: are they added as they are, and unchanged?

Each model is prepared as `seed add` does: what travels, what is open, vetting. Then its frozen files are
imported from memory, with the open definitions in their place, and the model that the genome's adapter makes
is compared with the one that the package makes where it is installed: as many numbers in its state, the same
outputs bit for bit in float64, an empty patch.

Which models: of packages with a list of builders every k-th of the sorted list (the next one that has at most
MOST_PARAMETERS parameters); of packages with a few classes those that literals can construct, in
tests/fixtures/seeding/public.json. The packages belong into an environment of their own, with this project:

    python benchmarks/seeding_corpus.py RESULTS.jsonl             # goes on where it stopped
    python benchmarks/seeding_corpus.py RESULTS.jsonl --table     # the table of docs/seeding.md
    python benchmarks/seeding_corpus.py                           # the 165 models pinned in the Makefile
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.adapter import Fit, Layout
from evoarch.agent.seeding.add import Seed, Wanted, prepare, seed_findings
from evoarch.agent.seeding.splice import splice
from evoarch.evaluators.inside.measure import measured
from evoarch.sandbox import frozen_loader

LISTED = Path(__file__).parent.parent / "tests" / "fixtures" / "seeding" / "public.json"
FIRST = LISTED.with_name("corpus.json")
"""165 models of vit-pytorch and pytorchcv, each with one entry and fitting inputs."""

MOST_PARAMETERS = 30_000_000
SAME = "same"
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
        kwargs = {k: _tuples(v) for k, v in row.get("kwargs", {}).items()}
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
            kwargs = {name: _tuples(value) for name, value in kwargs.items()}
        case = Case(row["file"].partition("/")[0], row["file"], row["entry"], kwargs, tuple(row["input"][1:]))
        found += [case] if row["quick"] or not quick else []
    return found


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def fit(case: Case) -> Fit:
    """How a case's examples are handed over."""
    steps = ("x.abs().mul(8).clamp(0, 15).long()",) if case.whole else ()
    return Fit(Layout("tokens" if case.whole else "as it is", case.shape, steps))


def seed_of(case: Case) -> Seed:
    """The seed, as `seed add` makes it. Raises UserError."""
    site = next(p for p in sys.path if p.endswith("site-packages"))
    prepared = prepare(Wanted(Path(site) / case.file, case.entry, (), case.kwargs))
    seed = prepared.seed({}, fit(case))
    if problems := seed_findings(seed, {}):
        raise UserError("\n".join(problems))
    made = splice(seed.frozen, seed.genome)
    if made.texts:
        raise UserError(f"the unchanged seed changes {', '.join(made.texts)}")
    return seed


def model_of(seed: Seed) -> Callable[[], torch.nn.Module]:
    """What makes the model, wherever its modules are imported from."""
    scope: dict[str, Any] = {"torch": torch, "__name__": "genome"}
    exec("\n".join([*seed.record.program, seed.record.adapter]), scope)
    entry: Callable[[], torch.nn.Module] = scope["Model"]
    return entry


def measure(
    seeds: Mapping[str, Seed], shapes: Mapping[str, Sequence[int]], folder: Path, *, frozen: bool
) -> None:
    """In a process of its own: what each model computes, into `folder`."""
    if frozen:
        for seed in seeds.values():
            for name, module in seed.frozen.modules.modules.items():
                known.setdefault(name, module)
        table = {"modules": {n: [m.path, m.data.decode("latin-1"), m.package] for n, m in known.items()}}
        held = frozen_loader.FrozenFinder({**table, "entries": [], "opened": [], "data": {}})
        sys.meta_path.insert(0, held)
    for number, (key, seed) in enumerate(seeds.items()):
        try:
            found = measured(model_of(seed), {"input_shape": shapes[key]})
            if frozen and not isinstance(
                importlib.import_module(seed.record.module).__spec__.loader, type(held)
            ):  # type: ignore[union-attr]
                raise RuntimeError("the module is not the frozen one")
            np.savez(folder / f"{number}.npz", **{k: v.numpy() for k, v in found.items()})
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its result
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename.rpartition('site-packages/')[2]}:{last.lineno}"
            (folder / f"{number}.txt").write_text(f"{where}: {type(error).__name__}: {str(error)[:200]}")


known: dict[str, Any] = {}


def in_child(work: Callable[[], None]) -> None:
    """Runs `work` in a fork, so that what it imports is gone afterwards."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - told, and no further
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def compare(cases: Sequence[Case]) -> Iterator[tuple[Case, str]]:
    """What became of each case: SAME, or the cause."""
    seeds: dict[str, Seed] = {}
    problems: dict[str, str] = {}
    for case in cases:
        try:
            seeds[case.key] = seed_of(case)
        except UserError as error:
            problems[case.key] = f"refused: {str(error).splitlines()[0]}"
    shapes = {case.key: case.shape for case in cases}
    with tempfile.TemporaryDirectory() as top:
        ours, theirs = Path(top) / "ours", Path(top) / "theirs"
        for folder, frozen in ((ours, True), (theirs, False)):
            folder.mkdir()
            in_child(lambda folder=folder, frozen=frozen: measure(seeds, shapes, folder, frozen=frozen))
        for case in cases:
            if case.key in problems:
                yield case, problems[case.key]
                continue
            number = list(seeds).index(case.key)
            yield case, _compared(ours, theirs, number)


def _compared(ours: Path, theirs: Path, number: int) -> str:
    files = [folder / f"{number}.npz" for folder in (ours, theirs)]
    for name, file in zip(("frozen", "original"), files, strict=True):
        if not file.is_file():
            said = file.with_suffix(".txt")
            return f"{name}: {said.read_text() if said.is_file() else 'the process ended'}"
    with np.load(files[0]) as mine, np.load(files[1]) as other:
        if mine["elements"].tolist() != other["elements"].tolist():
            return "the states differ"
        if set(mine.files) != set(other.files):
            return "the outputs differ in number"
        same = all(np.array_equal(mine[name], other[name], equal_nan=True) for name in other.files)
    return SAME if same else "the outputs differ"


def run(results: Path, only: Sequence[str]) -> None:
    """Measures what `results` lacks, package by package."""
    done = (
        {json.loads(line)["key"] for line in results.read_text().splitlines()} if results.is_file() else set()
    )
    few = listed()
    for package in [*BUILDERS, *few]:
        if only and package not in only:
            continue
        reader, writer = os.pipe()

        def work(package: str = package, writer: int = writer) -> None:
            cases = list(BUILDERS[package]()) if package in BUILDERS else few[package]
            rows = [[c.package, c.file, c.entry, dict(c.kwargs), list(c.shape), c.whole] for c in cases]
            os.write(writer, json.dumps(rows).encode())

        in_child(work)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            rows = json.loads(stream.read() or b"[]")
        cases = [
            Case(r[0], r[1], r[2], {k: _tuples(v) for k, v in r[3].items()}, tuple(r[4]), r[5]) for r in rows
        ]
        if not cases:
            print(f"{package}: its list can't be read", flush=True)
        for at in range(0, len(cases), 4):
            todo = [case for case in cases[at : at + 4] if case.key not in done]
            begun = time.process_time()
            for case, what in compare(todo) if todo else ():
                row = {
                    "key": case.key,
                    "package": package,
                    "file": case.file,
                    "entry": case.entry,
                    "what": what,
                }
                with results.open("a") as stream:
                    stream.write(json.dumps(row) + "\n")
                print(f"{package} {case.entry}: {what} ({time.process_time() - begun:.0f} s)", flush=True)


def table(results: Path) -> str:
    """The results as a Markdown table."""
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    lines = ["| package | models | unchanged | the others |", "|---|---|---|---|"]
    for package in dict.fromkeys(row["package"] for row in rows):
        own = [row for row in rows if row["package"] == package]
        same = [row for row in own if row["what"] == SAME]
        others = "; ".join(f"{row['entry']}: {row['what']}" for row in own if row["what"] != SAME)
        version = importlib.metadata.version(package.replace("_", "-")) if package != "kan" else "0.2.8"
        lines.append(f"| {package} {version} | {len(own)} | {len(same)} | {others} |")
    same = sum(row["what"] == SAME for row in rows)
    packages = len({row["package"] for row in rows})
    return "\n".join([*lines, f"| {packages} packages | {len(rows)} | {same} | |"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table and options.results:
        print(table(options.results))
        return
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        importlib.import_module("torchvision_operators")  # where torchvision's library doesn't load
    if options.results:
        run(options.results, options.only)
        return
    cases = first()
    found = dict(compare(cases))
    for case, what in found.items():
        if what != SAME:
            print(f"{case.file}:{case.entry}: {what}")
    print(f"unchanged: {sum(what == SAME for what in found.values())} of {len(found)}")


if __name__ == "__main__":
    main()

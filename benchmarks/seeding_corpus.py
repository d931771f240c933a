"""Inlining measured on model files nobody here wrote: vit-pytorch and pytorchcv, as their authors ship them.

Each model is resolved, inlined, vetted and run forward and backward on fitting inputs; the genome has to have
the original's parameters, and with the same weights the same outputs, bit for bit in float64.

    python benchmarks/seeding_corpus.py            # every model: some minutes on one core
    python benchmarks/seeding_corpus.py --quick    # those that the test suite runs
"""

from __future__ import annotations

import copy
import importlib
import importlib.metadata
import json
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.adapter import Layout
from evoarch.agent.seeding.add import Seed, Wanted, prepare, seed_findings

CASES = Path(__file__).parent.parent / "tests" / "fixtures" / "seeding" / "corpus.json"
IMPORTS = (
    "contextlib", "copy", "inspect", "numpy", "os", "packaging", "random", "sys", "torch.amp",
    "torch.autograd", "torch.utils",
)  # fmt: skip
"""What these files import beside what every genome may."""

SAME = "same parameters and outputs"

REFUSED = {
    "vit_pytorch/dino.py": ("Dino", "imports torchvision, which is not allowed"),
    "vit_pytorch/vaat.py": ("VAAT", "imports torchaudio.transforms, which is not allowed"),
    "vit_pytorch/simple_vit.py": ("SimpleVit", "there is no entry SimpleVit; nearest known: SimpleViT"),
}
"""Files or entries that can't become seeds as they are, and what is said of them."""


@dataclass(frozen=True)
class Case:
    """`input` is a whole batch's shape."""

    file: str
    entry: str
    kwargs: Mapping[str, object]
    input: tuple[int, ...]
    quick: bool

    @property
    def path(self) -> Path:
        package = self.file.partition("/")[0].replace("_", "-")
        return Path(str(importlib.metadata.distribution(package).locate_file(self.file)))


def cases() -> list[Case]:
    rows = json.loads(CASES.read_text())
    found = []
    for row in rows:
        kwargs = row["kwargs"]
        if row["file"].startswith("vit_pytorch"):  # wants tuples, which JSON hasn't; the other wants lists
            kwargs = {name: _tuple(value) for name, value in kwargs.items()}
        found.append(Case(row["file"], row["entry"], kwargs, tuple(row["input"]), row["quick"]))
    return found


def _tuple(value: object) -> object:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value


def compare(case: Case) -> str:
    """What differs from the original, or why the file was refused; "" where the genome is the original."""
    layout = Layout("as it is", case.input[1:])
    try:
        prepared = prepare(Wanted(case.path, case.entry, (), case.kwargs), IMPORTS)
        seed = prepared.seed({}, layout)
        if problems := seed_findings(seed, {}, IMPORTS):
            return problems[0]
    except UserError as error:
        return str(error)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _run(case, seed)
    finally:
        torch.set_default_dtype(usual)
        sys.modules.pop("genome", None)


def _run(case: Case, seed: Seed) -> str:
    torch.manual_seed(0)
    inputs = torch.randn(*case.input)
    original = getattr(module_of(case), case.entry)(**copy.deepcopy(dict(case.kwargs))).eval()
    genome = ModuleType("genome")
    sys.modules["genome"] = genome
    exec(compile(seed.genome, "genome", "exec"), genome.__dict__)
    model = genome.__dict__["Model"]().eval()
    counts = [sum(p.numel() for p in m.parameters()) for m in (original, model)]
    if counts[0] != counts[1]:
        return f"expected {counts[0]} parameters, got {counts[1]}"
    model.load_state_dict(original.state_dict())
    torch.manual_seed(1)
    with torch.no_grad():
        expected = list(tensors(original(inputs)))
    cause = ""
    try:
        torch.manual_seed(1)
        got = list(tensors(model(inputs)))
    except RuntimeError as error:  # torch's own word: some layers have no gradient on a CPU
        cause = str(error)
        torch.manual_seed(1)
        with torch.no_grad():
            got = list(tensors(model(inputs)))
    if not got or len(got) != len(expected):
        return f"expected {len(expected)} output tensors, got {len(got)}"
    if not all(torch.equal(a, b) for a, b in zip(expected, got, strict=True)):
        return "the outputs differ"
    return _backward(model, got, cause)


def _backward(model: torch.nn.Module, outputs: list[Tensor], cause: str) -> str:
    """Whether a gradient reaches the parameters; `cause` is why it can't, if that is known."""
    try:
        if not cause:
            sum(t.sum() for t in outputs if t.requires_grad).backward()  # type: ignore[union-attr]
    except RuntimeError as error:  # as above: the genome computes what the original does
        cause = str(error)
    if cause:
        return f"{SAME}, but torch can't go backward: {cause.splitlines()[0][:120]}"
    reached = any(p.grad is not None and bool(p.grad.any()) for p in model.parameters())
    return "" if reached else "no gradient reaches any parameter"


def module_of(case: Case) -> ModuleType:
    """The original's module. Its package's `__init__` may import what isn't installed, so it isn't run."""
    package = case.file.partition("/")[0]
    if package not in sys.modules:
        stub = ModuleType(package)
        stub.__path__ = [str(case.path.parents[len(Path(case.file).parts) - 2])]
        sys.modules[package] = stub
    return importlib.import_module(case.file.removesuffix(".py").replace("/", "."))


def tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    chosen = [case for case in cases() if case.quick or "--quick" not in sys.argv]
    exact = same = 0
    begun = time.monotonic()
    for case in chosen:
        problem = compare(case)
        exact += not problem
        same += not problem or problem.startswith(SAME)
        if problem:
            print(f"{case.file}:{case.entry}: {problem}")
    packages = {case.file.partition("/")[0] for case in chosen}
    for package in sorted(packages):
        print(f"{package}: {sum(case.file.startswith(package) for case in chosen)} models")
    seconds = time.monotonic() - begun
    print(f"identical to the original: {same} of {len(chosen)}; passed everything: {exact}; {seconds:.0f} s")


if __name__ == "__main__":
    main()

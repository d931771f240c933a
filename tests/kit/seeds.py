"""Seeds from small repositories, made without a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evoarch.agent.seeding.adapter import Fit, Layout
from evoarch.agent.seeding.add import Seed, Wanted, prepare
from kit.command import evoarch

OFFERS: Mapping[str, object] = {"input_shape": (40,), "num_classes": 10}


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """A repository with the files; the path of its first."""
    root.mkdir(exist_ok=True)
    (root / "setup.cfg").write_text("")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return root / next(iter(files))


def seed_of(path: Path, entry: str = "Net", evolve: tuple[str, ...] = (), **kwargs: object) -> Seed:
    """The seed that takes the examples of `OFFERS` as they are."""
    prepared = prepare(Wanted(path, entry, evolve, kwargs))
    return prepared.seed(OFFERS, Fit(Layout("as it is", (40,))))


def refused(folder: Path, path: Path, *options: str) -> str:
    """What is said, where nothing may be added."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    result = evoarch("seed", "add", str(folder), f"{path}:Net", *options)
    assert result.exit_code == 1, result.output
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert "Traceback" not in result.output
    assert result.stderr.startswith("evoarch: ")
    return str(result.stderr)

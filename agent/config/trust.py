"""What of a campaign's folder runs with its user's rights, outside the walls, and whether they agreed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evoarch.agent.config.load import Config
from evoarch.archive.private_files import write_whole
from evoarch.evaluators.own_code import file_and_name

VARIABLE = "EVOARCH_TRUST"
"""Set to "1", every folder is agreed to, and nothing of it is remembered: for tests and services."""


@dataclass(frozen=True)
class Code:
    """One thing that runs: the key that names it, what that says, and the files that a change of is a change
    of the code.
    """

    key: str
    value: str
    files: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.key} {self.value}"


def code_of(config: Config, folder: Path) -> list[Code]:
    """What runs as code when the campaign in `folder` does: parts of the user's own by path, with the Python
    files beside them, and programs, with the files that their words name. Model files run inside the walls.
    """
    named = [("campaign.task", config.campaign.task), ("selection.method", config.selection.method)]
    named += [("operators.name", table.name) for table in config.operators]
    named += [("lm.backend", settings.backend) for settings in config.lm]
    named += [("evaluation.metrics", name) for name in config.evaluation.metrics]
    found = []
    for key, name in named:
        if (parts := file_and_name(name)) is not None:
            file = (folder / parts[0]).resolve()
            found.append(Code(key, name, (file, *sorted(file.parent.glob("*.py")))))
    programs: list[tuple[str, Sequence[str], Sequence[str]]] = [
        ("lm.command", settings.command, ()) for settings in config.lm if settings.backend == "command"
    ]
    programs += [("trainer.command", config.trainer.command, config.trainer.files)]
    programs += [("sandbox.python", [word for word in [config.sandbox.python] if word], ())]
    for key, words, beside in programs:
        # A model's program begins in the current folder.
        bases = [folder, Path()] if key == "lm.command" else [folder]
        if words:
            found.append(Code(key, " ".join(words), tuple(_files(bases, [*words, *beside]))))
    return found


def _files(bases: Iterable[Path], words: Iterable[str]) -> Iterator[Path]:
    """The files that words name, relative to any of `bases`, and the Python files of the folders."""
    for path in ((base / word).resolve() for word in words if word for base in bases):
        if path.is_dir():
            yield from sorted(path.rglob("*.py"))
        elif path.is_file():
            yield path


def trusted(folder: Path, code: Sequence[Code]) -> bool:
    """Whether the user agreed to this code of this folder, as it is now."""
    if not code or os.environ.get(VARIABLE) == "1":
        return True
    try:
        return _record(folder).read_text(encoding="utf-8").split("\n")[0] == _digest(code)
    except (OSError, UnicodeDecodeError):
        return False


def remember(folder: Path, code: Sequence[Code]) -> None:
    """That the user agreed. Where the state folder can't be written, they are asked again."""
    path = _record(folder)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, f"{_digest(code)}\n{folder.resolve()}\n".encode("utf-8", "surrogateescape"))


def _record(folder: Path) -> Path:
    """In $XDG_STATE_HOME, by default ~/.local/state: one file for each folder."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "evoarch" / "trusted" / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]


def _digest(code: Sequence[Code]) -> str:
    """SHA-256 of what runs: keys, values, and the files' paths and bytes."""
    digest = hashlib.sha256()
    for one in code:
        digest.update(f"{one.key}\0{one.value}\0{len(one.files)}\0".encode("utf-8", "surrogateescape"))
        for file in one.files:
            content = b""
            with suppress(OSError):
                content = file.read_bytes()
            digest.update(os.fsencode(file.resolve()) + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()

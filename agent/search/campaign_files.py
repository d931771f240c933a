"""What a campaign's folder holds beside campaign.toml: a copy of the campaign takes these files along."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from evoarch.agent.base.errors import UserError, files_told
from evoarch.agent.config.load import FILE, Config
from evoarch.agent.search.templates import FOLDER, template_files
from evoarch.agent.seeding.record import beside
from evoarch.prompts.render import SUFFIX


def own_files(folder: Path, config: Config) -> list[str]:
    """Seeds, the records of inlined ones and prompt templates, as `config` names them from `folder`.

    Raises UserError where the folder of templates that `config` names is not there.
    """
    template_files(folder, config)
    return [*config.seeds.files, *_found(folder, config)]


def copy_files(source: Path, folder: Path, config: Config) -> None:
    """Raises UserError."""
    _refuse_climbing(source, config)
    for file in own_files(source, config):
        copy_file(source / file, folder / file)
    if config.prompts.folder:
        # A run wants the folder that is named, with templates in it or not.
        with files_told(folder):
            (folder / config.prompts.folder).mkdir(parents=True, exist_ok=True)


def _refuse_climbing(source: Path, config: Config) -> None:
    """Raises UserError for a seed whose copy would be written beside the folder that is being made."""
    for file in config.seeds.files:
        if ".." in Path(file).parts and not Path(file).is_absolute():
            raise UserError(
                f"{source / FILE}: seeds.files: a copy of the campaign takes along what is in its folder; "
                f"expected a file there, or an absolute path, got {file!r}"
            )


def copy_file(source: Path, target: Path) -> None:
    """Raises UserError. A seed's absolute path is the same file in every folder, and stays as it is."""
    with files_told(target), suppress(shutil.SameFileError):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def differing(source: Path, folder: Path, config: Config) -> list[str]:
    """The files of `source` that `folder` has otherwise or not at all, and those that only it has."""
    files = dict.fromkeys([*own_files(source, config), *_found(folder, config)])
    return [file for file in files if _bytes(source / file) != _bytes(folder / file)]


def _found(folder: Path, config: Config) -> list[str]:
    """Records and templates that are there."""
    records = [beside(Path(file)) for file in config.seeds.files]
    templates = sorted((folder / (config.prompts.folder or FOLDER)).glob(f"*{SUFFIX}"))
    return [
        *(str(record) for record in records if (folder / record).is_file()),
        *(str(path.relative_to(folder)) for path in templates),
    ]


def _bytes(path: Path) -> bytes | None:
    """None where there is no such file."""
    with files_told(path), suppress(FileNotFoundError):
        return path.read_bytes()
    return None

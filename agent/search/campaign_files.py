"""What a campaign's folder holds beside campaign.toml: a copy of the campaign takes these files along."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from evoarch.agent.base.errors import UserError, files_told, nearest
from evoarch.agent.config.load import FILE, Config
from evoarch.agent.seeding.record import archive_of, beside, weights_of
from evoarch.prompts.render import SUFFIX, Override, PromptError, Templates, names
from evoarch.prompts.samples import SAMPLES


def own_files(folder: Path, config: Config) -> list[str]:
    """The files of a campaign, as paths from `folder`: seeds, what came with those from repositories,
    prompt templates.

    Raises UserError where the folder of templates that `config` names is not there.
    """
    template_files(folder, config)
    return [*config.seeds.files, *_found(folder, config)]


def copy_files(source: Path, folder: Path, config: Config) -> None:
    """Copies the campaign's own files from `source` into `folder`. Raises UserError."""
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
    """Copies one file; a seed with an absolute path is its own copy. Raises UserError."""
    with files_told(target), suppress(shutil.SameFileError):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def differing(source: Path, folder: Path, config: Config) -> list[str]:
    """The campaign's own files that are not the same in `source` and `folder`, as paths from either."""
    files = dict.fromkeys([*own_files(source, config), *_found(folder, config)])
    return [file for file in files if _bytes(source / file) != _bytes(folder / file)]


def _found(folder: Path, config: Config) -> list[str]:
    """Records and templates that are there."""
    records = [p(Path(file)) for file in config.seeds.files for p in (beside, archive_of, weights_of)]
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


FOLDER = "prompts"
"""Beside campaign.toml: used where it is there and `prompts.folder` names none."""


def template_files(folder: Path, config: Config) -> list[Path]:
    """Paths of the campaign's own templates. Raises UserError where `config` names a missing folder."""
    named = config.prompts.folder
    if Path(named).is_absolute() or ".." in Path(named).parts:
        # A replay copies the folder with the campaign.
        raise UserError(f"{folder / FILE}: prompts.folder: expected one inside the campaign's, got {named!r}")
    place = folder / (named or FOLDER)
    if not place.is_dir():
        if named:
            raise UserError(f"{folder / FILE}: prompts.folder: expected a folder, got {named!r}")
        return []
    return sorted(place.glob(f"*{SUFFIX}"))


def open_templates(folder: Path, config: Config) -> Templates:
    """All templates of the campaign in `folder`: its own and, for the rest, the built-in ones.

    Each is tried. Raises UserError: one line with file and line.
    """
    own: dict[str, Override] = {}
    for path in template_files(folder, config):
        if path.stem not in names():
            raise UserError(f"{path}: no prompt has this name; {nearest(path.stem, names())}")
        try:
            own[path.stem] = Override(path.read_text(encoding="utf-8"), str(path))
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: expected UTF-8 text, got byte {error.object[error.start]:#x}") from None
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from None
    templates = Templates(own)
    try:
        templates.check(SAMPLES)
    except PromptError as error:
        raise UserError(str(error)) from None
    return templates

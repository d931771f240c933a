"""A campaign's own prompt templates: read from its folder and tried before anything is spent."""

from __future__ import annotations

from pathlib import Path

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.config.load import FILE, Config
from evoarch.prompts.render import SUFFIX, Override, PromptError, Templates, names
from evoarch.prompts.samples import SAMPLES

FOLDER = "prompts"
"""Beside campaign.toml: used where it is there and `prompts.folder` names none."""


def template_files(folder: Path, config: Config) -> list[Path]:
    """The campaign's own templates. Raises UserError where the folder that the config names is not there."""
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
    """The templates of the campaign in `folder`. Raises UserError: one line with file and line."""
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

"""A new campaign for each test that adds a seed; made once for each file of tests."""

import shutil
from pathlib import Path

import pytest

from kit.command import new_campaign


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("new") / "campaign"
    new_campaign(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, campaign: Path) -> Path:
    return Path(shutil.copytree(campaign, tmp_path / "campaign"))

"""What tests of the commands begin with."""

from pathlib import Path

import pytest

from kit.command import new_campaign


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign of three evaluations that has not run."""
    return new_campaign(tmp_path / "campaign", "--evaluations", "3")

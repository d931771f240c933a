"""Browser libraries that the project carries are those that npm published under the recorded version."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kit.paths import ROOT

FOLDERS = ["agent/report/static/vendor", "tests/web/vendor"]


@pytest.mark.parametrize("place", FOLDERS)
def test_every_vendored_file_has_the_recorded_digest_and_no_other_is_there(place: str) -> None:
    folder = ROOT / place
    packages = json.loads((folder / "vendor.json").read_text())["packages"]
    recorded = {kept["file"]: kept["sha256"] for package in packages for kept in package["files"]}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "vendor.json"
    }
    assert found == recorded
    for package in packages:
        assert package["integrity"].startswith("sha512-")
        assert any(Path(kept["file"]).suffix == ".LICENSE" for kept in package["files"])

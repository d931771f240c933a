"""Fetches the browser libraries that the review page and its tests carry, and compares them with the record.

    python benchmarks/vendor.py [FOLDER ...]

Each folder has a `vendor.json`: name, version and integrity of every npm package, and the digest of every
file that is kept of it. Needs npm. Exit code 1 where a package or a file is not what the record says; for
another version, change the record, run this, and take over the digests that it prints.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDERS = (Path("agent/report/static/vendor"), Path("tests/web/vendor"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", default=FOLDERS)
    wrong = [fault for folder in parser.parse_args().folders for fault in fetch(folder)]
    print("\n".join(wrong) or "as recorded")
    sys.exit(bool(wrong))


def fetch(folder: Path) -> Iterator[str]:
    """Writes the recorded files anew; yields what is not as recorded, a line each."""
    for package in json.loads((folder / "vendor.json").read_text())["packages"]:
        yield from _fetch(folder, package)


def _fetch(folder: Path, package: Mapping[str, Any]) -> Iterator[str]:
    name = f"{package['name']}@{package['version']}"
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["npm", "pack", "--silent", name], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        (packed,) = Path(scratch).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if found != package["integrity"]:
            yield f"{name}: expected integrity {package['integrity']}, got {found}"
            return
        with tarfile.open(packed) as archive:
            for kept in package["files"]:
                member = archive.extractfile(f"package/{kept['from']}")
                assert member is not None, kept
                data = member.read()
                (folder / kept["file"]).write_bytes(data)
                if (digest := hashlib.sha256(data).hexdigest()) != kept["sha256"]:
                    yield f"{name} {kept['file']}: expected sha256 {kept['sha256']}, got {digest}"


if __name__ == "__main__":
    main()

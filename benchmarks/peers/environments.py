"""Installs the peers, each in an environment of its own: `python benchmarks/peers/environments.py FOLDER`."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

PEERS = {"openevolve": "openevolve==0.4.0", "shinka": "shinka-evolve==0.0.7"}


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for name, requirement in PEERS.items():
        folder = Path(sys.argv[1]) / name
        if not folder.exists():
            venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", requirement], check=True)
        print(f"{requirement}: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

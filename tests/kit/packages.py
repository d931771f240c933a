"""evoarch as an archive of its source, as a wheel, and in an environment that knows no repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

from kit.paths import ROOT

ROOMS = ("agent", "archive", "evaluators", "prompts", "sandbox")
LINKS = tuple(f"src/evoarch/{room}" for room in ROOMS)


def tracked() -> list[str]:
    """The files that a package is made of, as git knows them, new ones included."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    parts = [*ROOMS, "src/evoarch", "pyproject.toml", "README.md", "LICENSE"]
    found = subprocess.run([*listing, *parts], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in found.splitlines() if os.path.lexists(ROOT / name)]


def tree(folder: Path) -> Path:
    """A copy of these files, links as links: building leaves its own files beside what it builds."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def backend(folder: Path) -> Path:
    """What pyproject.toml asks for to build, in a folder for PYTHONPATH."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(folder), *needed], check=True)
    return folder


def build(kind: str, source: Path, target: Path, backend: Path) -> Path:
    """The `wheel` or `sdist` of a source tree, written into the folder `target`."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(target)!r})"
    environment = {**os.environ, "PYTHONPATH": str(backend)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (built,) = target.iterdir()
    return built


def installed(wheel: Path, folder: Path) -> Path:
    """The interpreter of a new environment with evoarch from the wheel.

    Other packages are those of this environment. Its editable evoarch is not among them: a folder that is
    named in a .pth file has its own .pth files left alone.
    """
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    paths = sysconfig.get_paths("venv", {"base": str(folder), "platbase": str(folder)})
    (Path(paths["purelib"]) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run(
        [*pip, "--disable-pip-version-check", "--no-deps", "--ignore-installed", str(wheel)], check=True
    )
    return python

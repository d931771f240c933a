"""`seed add`: code that frozen modules run when they are imported, behind the walls."""

# ruff: noqa: E501 (small files read better on one line)

from pathlib import Path

import pytest

from kit.command import evoarch
from kit.seeds import refused, write
from kit.small_net import NET

AT_IMPORT = {
    "a file": ("open('/etc/hostname').read()", "net.py:3: code at import wants a file, the network or a process, which is closed"),
    "the network": ("import socket; socket.socket()", "net.py:3: code at import wants a file, the network or a process"),
    "a process": ("import os; os.fork()", "net.py:3: code at import wants a file, the network or a process"),
    "a GPU": ("torch.zeros(1).cuda()", "net.py:3: "),
    "an exit": ("raise SystemExit(3)", "net.py:3: SystemExit: 3"),
    "the end of the process": ("import os; os._exit(0)", "net.py: its import ended the process"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", AT_IMPORT)
def test_what_a_frozen_module_may_not_do_at_import_is_named_with_its_place(
    case: str, tmp_path: Path, folder: Path
) -> None:
    line, message = AT_IMPORT[case]
    said = refused(folder, write(tmp_path / "repo", {"net.py": f"import torch\n\n{line}\n" + NET}))
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_module_that_hangs_at_import_is_stopped(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evoarch.sandbox import zygote_launch

    kept = zygote_launch.config
    shorter = lambda *a: kept(*a).replace(b"IMPORT_SECONDS = 120", b"IMPORT_SECONDS = 2")  # noqa: E731
    monkeypatch.setattr(zygote_launch, "config", shorter)
    said = refused(
        folder,
        write(
            tmp_path / "repo",
            {"net.py": "while True:\n    try:\n        1\n    except Exception:\n        pass\n" + NET},
        ),
    )
    assert "its import did not end within 2 s" in said
    assert "net.py:" in said


@pytest.mark.slow
def test_a_declared_data_file_travels(tmp_path: Path, folder: Path) -> None:
    text = (
        "import os\nwidth = int(open(os.path.join(os.path.dirname(__file__), 'width.txt')).read())\n"
        + NET.replace("40", "width")
    )
    path = write(tmp_path / "repo", {"a/net.py": text, "a/__init__.py": "", "a/width.txt": "40\n"})
    assert "code at import wants a file" in refused(folder, path)
    data = str(path.with_name("width.txt"))
    added = evoarch("seed", "add", str(folder), f"{path}:Net", "--data", data)
    assert added.exit_code == 0, added.output

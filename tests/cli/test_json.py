"""Every `--json` prints one object of a documented shape, in an error too."""

import json
import re
from pathlib import Path

import click
import pytest

from evoarch.agent.cli import COMMANDS, main
from evoarch.agent.cli.common import SCHEMAS
from kit.command import evoarch
from kit.paths import ROOT
from kit.small_seed import SEED as MODEL

PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")


def documented() -> dict[str, set[str]]:
    """By shape, with its version, the keys that docs/json.md names."""
    found: dict[str, set[str]] = {}
    for part in PAGE.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        cells = re.findall(r"(?m)^\| ([^|]*) \|", body)
        keys = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
        found |= dict.fromkeys(re.findall(r"`([\w-]+/\d+)`", title), keys)
    return found


def test_every_shape_is_documented_with_its_version() -> None:
    assert set(documented()) == {f"{shape}/{version}" for shape, version in SCHEMAS.items()}


def with_json(command: click.Command, *names: str) -> list[tuple[str, ...]]:
    """The commands below `command` that take --json, each as its words."""
    found = [names] if any("--json" in option.opts for option in command.params) else []
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += with_json(below, *names, name)
    return found


ASKED = {
    ("check",): ("check", "MODEL"),
    ("compare",): ("compare", "DIR", "--arms", "random:1", "--report-only"),
    ("config",): ("config", "DIR"),
    ("confirm",): ("confirm", "DIR", "--show"),
    ("doctor",): ("doctor", "DIR"),
    ("evaluate",): ("evaluate", "MODEL", "--task", "digits"),
    ("explain",): ("explain", "DIR", "3", "--dry-run"),
    ("lineage",): ("lineage", "DIR"),
    ("list",): ("list", "DIR"),
    ("report",): ("report", "DIR"),
    ("run",): ("run", "DIR"),
    ("scale",): ("scale", "DIR", "1"),
    ("show",): ("show", "DIR", "1"),
    ("space",): ("space", "DIR", "1", "--samples", "2", "--dry-run"),
    ("status",): ("status", "DIR"),
    ("tasks",): ("tasks",),
    ("zoo",): ("zoo",),
    ("zoo", "show"): ("zoo", "show", "starnet"),
}
MORE = [("doctor", "DIR", "--pool"), ("run", "DIR", "--dry-run"), ("lineage", "DIR", "1")]


def test_every_command_with_json_is_asked_here() -> None:
    assert set(with_json(main)) == set(ASKED)
    assert {words[0] for words in ASKED} <= set(COMMANDS)


@pytest.mark.parametrize("words", [*ASKED.values(), *MORE], ids=" ".join)
def test_the_keys_are_those_that_are_documented(
    words: tuple[str, ...], finished: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.py"
    model.write_text(MODEL if words[0] != "check" else "import os\n")
    result = evoarch(*(w.replace("DIR", str(finished)).replace("MODEL", str(model)) for w in words), "--json")
    printed = json.loads(result.stdout)
    keys = documented()[printed["schema"]]
    if printed["schema"].startswith("error/"):
        # Nothing is compared or confirmed in this campaign, and no child scored: that is the error.
        assert words[0] in ("compare", "confirm", "explain")
        assert result.exit_code == printed["code"] != 0
        assert set(printed) == {"schema", "error", "code"}
        return
    rows = printed.get("rows")
    if isinstance(rows, list):
        assert set(printed) == {"schema", "rows"}
        assert rows
        for row in rows:
            assert set(row) == keys
    elif words[0] == "report":
        assert set(printed) - {"schema"} <= keys
    else:
        assert set(printed) - {"schema"} == keys - NESTED.get(printed["schema"], set())


NESTED = {
    "scale/1": {"params", "flops", "budget", "width", "repairs", "apart", "inexact"},
    "status/1": {"id", "operator", "error", "params", "interval", "low", "high", "metrics"}
    | {"elite", "baseline", "words", "sure", "among", "found", "available", "busy", "share"}
    | {"prompt", "completion"},
}
"""Keys that the page names within other keys."""


@pytest.mark.parametrize("words", [each for each in ASKED.values() if "DIR" in each], ids=" ".join)
def test_an_error_is_json_on_stdout_and_a_line_on_stderr(words: tuple[str, ...], tmp_path: Path) -> None:
    if words[0] == "doctor":
        words = ("doctor", "DIR", "--address", "x")
    result = evoarch(*(word.replace("DIR", str(tmp_path / "no where")) for word in words), "--json")
    printed = json.loads(result.stdout)
    assert result.exit_code == printed["code"] in (1, 2)
    assert printed["schema"] == "error/1"
    assert result.stderr == f"evoarch: {printed['error']}\n"
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "words", [("list", "--nonsense", "--json"), ("nonsense", "--json"), ("show", "--json")]
)
def test_a_wrong_command_is_json_too(words: tuple[str, ...]) -> None:
    result = evoarch(*words)
    printed = json.loads(result.stdout)
    assert result.exit_code == printed["code"] == 2
    assert printed["error"] in result.stderr


def test_a_name_with_a_space_comes_back_as_a_command_that_a_shell_takes(tmp_path: Path) -> None:
    folder = tmp_path / "my démo"
    made = evoarch("init", str(folder), "--lm", "none")
    assert made.stdout.splitlines()[-1] == f"next: evoarch run '{folder}'"
    again = evoarch("init", str(folder), "--lm", "none")
    assert f"`evoarch run '{folder}'`" in again.stderr
    none = evoarch("status", str(tmp_path / "no where"))
    assert f"`evoarch init '{tmp_path}/no where' --task mnist1d`" in none.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "DIR", "1", "-o", "m.onnx"), "-o m.onnx: expected a name that ends in .py"),
        (
            ("export", "DIR", "1", "-o", "m.py", "--weights", "w.pt"),
            "--weights w.pt: expected a name that ends",
        ),
        (
            ("export", "DIR", "1", "--patch", "-o", "m.py"),
            "-o m.py: expected a name that ends in .patch or .diff",
        ),
        (("report", "DIR", "-o", "r.pdf"), "-o r.pdf: expected a name that ends in .html or .md"),
        (("tuning", "export", "DIR", "-o", "t.csv"), "-o t.csv: expected a name that ends in .jsonl"),
    ],
)
def test_a_name_that_promises_another_format_is_refused(
    words: tuple[str, ...], said: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = evoarch(*(word.replace("DIR", str(finished)) for word in words))
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []

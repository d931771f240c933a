"""What a language model or a name says reaches a terminal as text: no escape and no markup is obeyed."""

from pathlib import Path

import pytest

from evoarch.agent.search.new_campaign import write_campaign
from evoarch.archive.records import Evaluation, Scored
from evoarch.archive.store import create
from evoarch.evaluators.tasks import load_task
from kit.command import evoarch

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x7f"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored seed of an odd name, and a child that is no Python and full of escapes."""
    path = tmp_path_factory.mktemp("terminal") / "campaign"
    write_campaign(path, load_task("mnist1d"), name="[red]x[/]", seed=0, evaluations=3, lm="none")
    with create(path, name="[red]x[/]", seed=0) as store:
        seed = store.add_seed(f"a{ESCAPE}", "x = 1\n", "a").id
        store.start(seed)
        outcome = Scored({"error": 0.3, "params": 5.0})
        store.settle(Evaluation(seed, "full", 0, outcome, 1.0, 0.5, "seed", b"\xff"))
        (child,) = store.draw("syntactic.mutate", [seed], 1, {})
        store.reject(child.candidate, f"x = (  # {ESCAPE}\n\ty\n", f"n{ESCAPE}", change=f"c{ESCAPE}")
    return path


@pytest.mark.parametrize("command", [("show", "1"), ("show", "2"), ("diff", "2"), ("lineage", "2")])
def test_control_characters_are_replaced(folder: Path, command: tuple[str, str]) -> None:
    result = evoarch(command[0], str(folder), command[1])
    assert result.exit_code == 0
    assert not set(result.output) & set(ESCAPE) - set("]0;owned[2J31m")
    assert "owned" in result.output


def test_a_name_in_brackets_is_no_markup(folder: Path) -> None:
    assert "[red]x[/]" in evoarch("lineage", str(folder), "1").output
    assert evoarch("status", str(folder)).output.startswith("[red]x[/]: ")

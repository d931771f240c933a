"""A campaign in the stores of real trackers, read back by their own packages."""

import asyncio
import json
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest

from evoarch.agent.config.recorded import settings_for_run
from evoarch.agent.config.tracking import TRACKERS
from evoarch.agent.tracking.feed import items
from evoarch.agent.tracking.launch import tracked
from evoarch.archive.store import open_archive
from kit.campaigns import archive_of, campaign_of, config_of, finished
from kit.command import evoarch, new_campaign, output_of
from kit.paths import ROOT
from kit.tracker_stores import READ, told_of

SEED = (ROOT / "evaluators/tasks/mnist1d/seeds/mlp.py").read_text()
WIDER = SEED.replace("64", "96")


def campaign(folder: Path, *tables: str) -> Path:
    """A campaign of a few candidates, scored by a fake, with these [[track]] tables."""
    new_campaign(folder)
    track(folder, *tables)
    store = archive_of(folder, SEED)
    more(folder, 3)
    store.close()
    return folder


def track(folder: Path, *tables: str) -> None:
    with (folder / "campaign.toml").open("a") as file:
        file.writelines(f"\n[[track]]\n{table}\n" for table in tables)


def more(folder: Path, evaluations: int) -> None:
    """The campaign goes on until it has so many evaluations."""
    with open_archive(folder, write=True) as store:
        config = config_of(budget={"evaluations": evaluations}, evaluation={"repeats": 1})
        asyncio.run(finished(campaign_of(store, config)))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what the packages that read warn of is theirs
@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_is_told_goes_on_and_is_told_again_of_what_it_lost(tmp_path: Path, tracker: str) -> None:
    if find_spec(tracker) is None:
        pytest.skip(f"the extra {tracker} is not installed")
    folder = campaign(tmp_path / "c", f'tracker = "{tracker}"')
    read = READ[tracker]
    with tracked(folder, settings_for_run(folder).config.track, seconds=600, nice=0):
        pass
    assert read(folder) == {key: pytest.approx(pair) for key, pair in told_of(folder).items()}
    more(folder, 5)
    assert output_of("track", str(folder)) == f"{tracker}: knows all\n"
    assert read(folder) == {key: pytest.approx(pair) for key, pair in told_of(folder).items()}
    shutil.rmtree(folder / "tracking")
    output_of("track", str(folder))
    assert read(folder) == {key: pytest.approx(pair) for key, pair in told_of(folder).items()}
    assert json.loads(output_of("status", str(folder), "--json"))["trackers"] == {tracker: ""}


@pytest.mark.slow
def test_a_server_that_is_down_is_told_in_status_and_harms_nothing(tmp_path: Path) -> None:
    if find_spec("mlflow") is None:
        pytest.skip("the extra mlflow is not installed")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        folder = campaign(tmp_path / "c", f'tracker = "mlflow"\nplace = "http://127.0.0.1:{port}"')
        found = evoarch("track", str(folder))
    assert found.exit_code == 1
    assert "not told: mlflow; the archive still has all of it" in found.output
    shown = output_of("status", str(folder))
    assert "The tracker mlflow was not told: " in shown


def test_a_tracker_that_is_not_installed_or_late_is_a_line_of_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("tensorboard") is None:
        pytest.skip("the extra tensorboard is not installed")
    folder = campaign(tmp_path / "c", 'tracker = "tensorboard"')
    hidden = tmp_path / "hidden" / "sitecustomize.py"
    hidden.parent.mkdir()
    hidden.write_text("import sys\nsys.modules['tensorboard'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(hidden.parent))
    tables = settings_for_run(folder).config.track
    with tracked(folder, tables, seconds=0.0):
        pass
    said = json.loads(output_of("status", str(folder), "--json"))["trackers"]["tensorboard"]
    assert said == "it took longer than 0 s; `evoarch track` goes on from there"
    found = evoarch("track", str(folder))
    assert "ValueError" in found.output or "pip install 'evoarch[tensorboard]'" in found.output
    assert found.exit_code == 1


def test_what_a_tracker_is_told_of_is_what_was_judged_since(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    config = settings_for_run(folder).config
    with open_archive(folder, write=False) as store:
        newest, first = items(store, config, 0)
        found = list(first)
        assert [item.candidate.id for item in found] == sorted(told_of(folder))
        lowest = [item.best["error"] for item in found]
        assert lowest == sorted(lowest, reverse=True)
        assert lowest[-1] == min(error for error, _ in told_of(folder).values())
        assert list(items(store, config, newest)[1]) == []
    more(folder, 5)
    with open_archive(folder, write=False) as store:
        later = [item.candidate.id for item in items(store, config, newest)[1]]
    assert later
    assert min(later) > found[-1].candidate.id


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ((), "no [[track]] table"),
        (('tracker = "tensorboard"',) * 2, "two [[track]] tables name the same tracker"),
        (('tracker = "neptune"',), "track.0.tracker"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, tables: tuple[str, ...], said: str) -> None:
    folder = new_campaign(tmp_path / "c")
    archive_of(folder, SEED).close()
    track(folder, *tables)
    found = evoarch("track", str(folder))
    assert found.exit_code in (1, 2)
    assert said in found.output

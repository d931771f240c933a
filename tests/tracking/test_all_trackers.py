"""One campaign with all trackers: one can't be reached, and the store of another is deleted in the middle."""

import asyncio
import os
import shutil
import socket
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from evoarch.agent.config.recorded import settings_for_run
from evoarch.agent.config.tracking import TRACKERS
from evoarch.agent.tracking.feed import told
from evoarch.agent.tracking.launch import tracked
from evoarch.archive.store import Store
from kit.campaigns import archive_of, campaign_of, candidates_of, config_of, finished
from kit.command import new_campaign, output_of
from kit.paths import ROOT
from kit.tracker_stores import READ, told_of

SEED = (ROOT / "evaluators/tasks/mnist1d/seeds/mlp.py").read_text()
HALF, WHOLE = 4, 9
LONGEST = 300.0
"""Seconds until a tracker has told its first candidate: its package may take long to import."""


def begun(folder: Path) -> Store:
    """A new campaign and its archive."""
    new_campaign(folder)
    return archive_of(folder, SEED)


def more(store: Store, evaluations: int) -> None:
    """The campaign goes on until it has so many evaluations."""
    config = config_of(budget={"evaluations": evaluations}, evaluation={"repeats": 1})
    asyncio.run(finished(campaign_of(store, config)))


def until_there(store: Store, tracker: str) -> None:
    """Waits for the process of the tracker to have begun a run, and to have written something."""
    place, end = Path(store.folder, "tracking", tracker), time.monotonic() + LONGEST
    while not (told(store, tracker).run and any(file.is_file() for file in place.rglob("*"))):
        assert time.monotonic() < end, f"{tracker}: {told(store, tracker).failed or 'never began'}"
        os.sched_yield()


@pytest.mark.long
@pytest.mark.filterwarnings("default")  # what the packages that read warn of is theirs
@pytest.mark.parametrize("deleted", ["tensorboard", "trackio", "wandb"])
def test_a_campaign_with_all_of_them_is_the_one_without(tmp_path: Path, deleted: str) -> None:
    if missing := [name for name in TRACKERS if find_spec(name) is None]:
        pytest.skip(f"not all trackers are installed: {', '.join(missing)}")
    plain = begun(tmp_path / "plain" / "c")
    more(plain, WHOLE)
    folder = tmp_path / "all" / "c"
    with socket.socket() as closed, begun(folder) as store:
        closed.bind(("127.0.0.1", 0))
        place = f'place = "http://127.0.0.1:{closed.getsockname()[1]}"'
        with (folder / "campaign.toml").open("a") as file:
            for name in TRACKERS:
                file.write(f'\n[[track]]\ntracker = "{name}"\n{place if name == "mlflow" else ""}\n')
        with tracked(folder, settings_for_run(folder).config.track, seconds=LONGEST):
            more(store, HALF)
            until_there(store, deleted)
            shutil.rmtree(folder / "tracking" / deleted)
            more(store, WHOLE)
        assert candidates_of(store) == candidates_of(plain)
        assert told(store, "mlflow").failed, "nobody listens there"
    plain.close()
    settings = folder / "campaign.toml"
    settings.write_text(settings.read_text().replace(place, ""))
    said = output_of("track", str(folder))
    assert said == "".join(f"{name}: knows all\n" for name in TRACKERS)
    for name in TRACKERS:
        assert READ[name](folder) == {key: pytest.approx(pair) for key, pair in told_of(folder).items()}, name

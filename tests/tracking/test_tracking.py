"""A campaign in the stores of real trackers, read back by their own packages."""

import asyncio
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
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


def told_of(folder: Path) -> dict[int, tuple[float, float]]:
    """Error and parameters of each scored candidate: what every tracker must have."""
    with open_archive(folder, write=False) as store:
        return {each.id: (each.metrics["error"], each.metrics["params"]) for each in store.scored()}


def in_tensorboard(folder: Path) -> Mapping[int, tuple[float, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = (folder / "tracking" / "tensorboard").iterdir()
    found = EventAccumulator(str(run)).Reload()
    errors = {event.step: event.value for event in found.Scalars("candidate/error")}
    params = {event.step: event.value for event in found.Scalars("candidate/params")}
    code = found.Tensors("code/1")[0].tensor_proto.string_val[0].decode()
    assert "class Model" in code
    assert [event.value for event in found.Scalars("best/error")][-1] == pytest.approx(min(errors.values()))
    return {step: (errors[step], params[step]) for step in errors}


def in_mlflow(folder: Path) -> Mapping[int, tuple[float, float]]:
    from mlflow.tracking import MlflowClient

    # A copy: the package keeps a connection for each URI, also to a file that was deleted.
    copy = folder / f"mlflow-{time.monotonic_ns()}.db"
    shutil.copy(folder / "tracking" / "mlflow" / "mlflow.db", copy)
    client = MlflowClient(f"sqlite:///{copy}")
    experiment = client.get_experiment_by_name("evoarch").experiment_id
    runs = client.search_runs([experiment])
    (parent,) = [run for run in runs if "evoarch.run" in run.data.tags]
    assert parent.data.params["campaign.name"] == folder.name
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {"report.html"}
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {file.path for file in client.list_artifacts(children[0].info.run_id)} == {"model.py"}
    found = {}
    for run in children:
        if "error" in run.data.metrics:
            metrics = run.data.metrics
            found[int(run.data.tags["evoarch.candidate"])] = (metrics["error"], metrics["params"])
    return found


def in_trackio(folder: Path) -> Mapping[int, tuple[float, float]]:
    import sqlite3

    (path,) = (folder / "tracking" / "trackio").glob("evoarch*.db")
    connection = sqlite3.connect(path)
    rows = [
        json.loads(row[0]) | {"step": row[1]}
        for row in connection.execute("SELECT metrics, step FROM metrics")
    ]
    connection.close()
    scored = [row for row in rows if "candidate/error" in row]
    assert "class Model" in str(rows[0]["code"])
    return {row["step"]: (row["candidate/error"], row["candidate/params"]) for row in scored}


def wandb_records(data: bytes, block: int = 32768) -> Iterator[bytes]:
    """The records of an offline run: LevelDB's log format behind a header of 7 bytes."""
    at, record = 7, b""
    while at + 7 <= len(data):
        if (left := block - at % block) < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def in_wandb(folder: Path) -> Mapping[int, tuple[float, float]]:
    from wandb.proto import wandb_internal_pb2

    found = {}
    for path in sorted((folder / "tracking" / "wandb" / "wandb").glob("offline-run-*/*.wandb")):
        assert (path.parent / "files" / "report.html").is_file()
        for data in wandb_records(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(data)
            row = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            if "candidate/error" in row:
                pair = (json.loads(row["candidate/error"]), json.loads(row["candidate/params"]))
                found[json.loads(row["candidate/id"])] = pair
    return found


READ: Mapping[str, Callable[[Path], Mapping[int, tuple[float, float]]]] = {
    "mlflow": in_mlflow,
    "tensorboard": in_tensorboard,
    "trackio": in_trackio,
    "wandb": in_wandb,
}


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

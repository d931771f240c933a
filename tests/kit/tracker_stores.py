"""What the stores of real trackers hold of a campaign, read by the trackers' own packages."""

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from evoarch.archive.store import open_archive


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

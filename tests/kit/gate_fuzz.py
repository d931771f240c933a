"""Random and damaged input for each gate, and what must hold for every one of it.

Shared by the tests and `benchmarks/gate.py`. What comes from a child goes through all that the trusted
process does with it; an archive through what `status`, `list` and `show` read; a server's reply through its
reader and the parser of completions; a data file through its loader.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import sqlite3
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evoarch.agent.lm.base import LMRequest
from evoarch.agent.lm.openai_reply import NoCompletionError, read_answer
from evoarch.archive.damage import damage
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Failed
from evoarch.archive.store import open_archive
from evoarch.evaluators.params import count_params
from evoarch.evaluators.replies import curve_of, sound_of, weights_of
from evoarch.evaluators.signature import signature_of
from evoarch.evaluators.zero_cost import GRADSIGN, NASWOT, scores_of
from evoarch.prompts.outline import Outline
from evoarch.prompts.replies import answered, completed
from evoarch.sandbox import runner, wire
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Finished

ATOMS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 2**31, 2**40, 2**63 - 1, 2**63, -(2**63), 10**400, 0.5, -0.0),
    *(
        1e308,
        -1e308,
        5e-324,
        float("nan"),
        float("inf"),
        "",
        "0/w",
        "0/",
        "x" * 300,
        "\ud800",
        "\u202e\x1b[2J",
    ),
    *("running_mean", "9" * 5000, "\0", [], {}, [[]], [None] * 50, {"a": {"b": []}}, "float32", "object"),
)
LIMITS = Limits(output=4 << 20)


def changed(value: Any, rng: random.Random) -> Any:
    """`value` after a change somewhere inside it."""
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        made = copy.copy(value)
        key = rng.choice(list(made)) if isinstance(made, dict) else rng.randrange(len(made))
        match rng.randrange(8):
            case 0:
                del made[key]
            case 1 if isinstance(made, list):
                made *= rng.choice((2, 3, 40))
            case 1:
                made[rng.choice(("notes", "tensors", "raised", "memory", "ties"))] = rng.choice(ATOMS)
            case _:
                made[key] = changed(made[key], rng)
        return made
    return copy.deepcopy(rng.choice(ATOMS))


def _answer(rng: random.Random) -> bytes:
    """A valid answer of some kind: trained weights, a dry run, zero-cost counts, a failure."""
    draw = np.random.default_rng(rng.getrandbits(32))
    tensors: dict[str, Any] = {
        "0/w": draw.normal(size=(4, 3)).astype(np.float32),
        "0/b": draw.normal(size=rng.randrange(4)).astype(np.float64),
        "0/n": np.arange(3),
        "w": draw.normal(size=(2, 2)).astype(np.float16),
        NASWOT: draw.normal(size=(4, 4)).astype(np.float32) * 10.0 ** rng.randrange(-38, 39, 7),
        GRADSIGN: draw.normal(size=5).astype(np.float64) * 10.0 ** rng.choice((0, 300, -300)),
    }
    chosen = {name: tensors[name] for name in tensors if rng.random() < 0.7}
    notes = {
        "ties": {"0/w": "0/b", "w": "w"},
        "curve": [1.0, 0.5],
        "function_digest": "a" * 64,
        "flops": 1000,
        "layers": [{"name": "a", "kind": "Linear", "shape": [1, 2], "params": 3, "flops": 4}],
        "unreached": ["a"],
        "no_flops": "",
    }
    failure = {"kind": "ValueError", "message": "m", "line": 3, "module": "a.b", "shapes": [[1, 2]]}
    header: Any = {
        "tensors": [[n, a.dtype.name, list(a.shape)] for n, a in chosen.items()],
        "notes": notes,
    }
    frames = b"".join(array.tobytes() for array in chosen.values())
    if rng.random() < 0.15:
        header, frames = {rng.choice(wire.FAILURES): failure}, b""
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        header = changed(header, rng)
    text = json.dumps(header).encode()
    stages = b"".join(
        wire.stage_record(rng.choice(("build", "train", "x" * 90))) for _ in range(rng.randrange(3))
    )
    return stages + struct.pack("<cI", b"R", len(text)) + text + frames


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` after some changes to its bytes; often none."""
    for _ in range(rng.choice((0, 0, 0, 1, 1, 3, 30))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((0, 1, 1, 4, 100)))
        data = data[:at] + rng.randbytes(rng.choice((0, 1, 1, 4, 30))) + data[end:]
    return data


def child(rng: random.Random) -> None:
    """One answer of a child, through all that the trusted process does with it. No exception is expected."""
    data = rng.randbytes(rng.randrange(200)) if rng.random() < 0.1 else damaged(_answer(rng), rng)
    handled(data)


def handled(data: bytes, limits: Limits = LIMITS) -> bool:
    """Everything that is done with an answer; whether it was accepted as one."""
    answer = os.memfd_create("answer")
    try:
        os.write(answer, data)
        ended = {"status": 0, "locked": True, "problem": "", "struck": "", "seconds": 0.1, "cpu": 0.1}
        found = runner.outcome(limits, {**ended, "rss": 0, "above": 0}, answer)
    finally:
        os.close(answer)
    if not isinstance(found, Finished):
        json.dumps(str(vars(found))).encode()
        return False
    passed = sound_of(found)
    weights = weights_of(found, 1, False, passed.signature)
    if not isinstance(weights, Failed):
        signature_of(weights.checkpoints[0]).problem(found.arrays)
        assert count_params(weights.checkpoints[0], weights.ties) >= 0
    scores = scores_of(found, (NASWOT, GRADSIGN), 4)
    told = [
        passed.layers,
        passed.flops,
        passed.no_flops,
        passed.unreached,
        curve_of(found.notes.get("curve")),
    ]
    text = json.dumps([told, passed.params, scores.reason], allow_nan=False, ensure_ascii=False)
    with sqlite3.connect(":memory:") as db:
        db.execute("SELECT ?, ?", (text, passed.params)).fetchone()
    db.close()
    return True


REPLY = {
    "id": "1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "```python\nx = 1\n```"},
            "finish_reason": "stop",
        },
        {"index": 1, "text": "class Model:\n    pass\n", "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    "error": None,
}
AROUND = Outline(imports=("import torch",))
BEGUN = "import torch\n\n\nclass Model(torch.nn.Module):\n    def __init__(self):\n        super().__init__()"


def reply(rng: random.Random) -> None:
    """One answer of a server. Expected: NoCompletionError alone."""
    body: Any = copy.deepcopy(REPLY)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        body = changed(body, rng)
    data = damaged(json.dumps(body).encode(), rng)
    if rng.random() < 0.1:
        data = rng.choice((b"[" * 100_000, rng.randbytes(300), b"<html>" + data, b"data: " + data))
    try:
        answer = read_answer(data, rng.choice(("application/json", "text/html", "")), LMRequest("p"), 0)
    except NoCompletionError as error:
        str(error).encode("utf-8", "backslashreplace")
        return
    assert answer.prompt_tokens >= 0
    for sample in answer.texts:
        completed(BEGUN, sample, AROUND, "Model")
        answered(sample, AROUND, "Model")


def archive(rng: random.Random, sound: bytes, place: Path) -> None:
    """One archive: `sound` with changed bytes or changed values, written to the folder `place`. Expected:
    ArchiveError alone, or that what a reader raises is explained by `damage`.
    """
    path = place / "archive.db"
    path.write_bytes(_spoilt(sound, rng) if rng.random() < 0.3 else sound)
    if rng.random() < 0.8:
        _with_bad_values(path, rng)
    try:
        read_all(place)
    except ArchiveError:
        return
    except Exception as error:  # whatever a reader raises has to be explained by the damage
        try:
            explained = damage(path)
        except ArchiveError as other:
            explained = str(other)
        if not explained:
            raise AssertionError(f"{type(error).__name__}: {error}: not explained") from error


def _spoilt(data: bytes, rng: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice((1, 3, 100))):
        at = rng.randrange(len(made))
        made[at : at + 4] = rng.randbytes(4)
    return bytes(made[: rng.choice((len(made), len(made), rng.randrange(len(made))))])


VALUES: tuple[Any, ...] = (
    *(
        None,
        0,
        -5,
        2**62,
        1e308,
        float("inf"),
        "abc",
        "",
        b"\xff\x00",
        "{",
        "[]",
        "{}",
        "[1]",
        '{"error": NaN}',
    ),
    *(
        '{"error": 1e400, "params": 1}',
        '{"error": "x"}',
        "[" * 5000,
        "scored",
        "failed",
        "\u202e",
        '{"a": {}}',
    ),
)


def _with_bad_values(path: Path, rng: random.Random) -> None:
    try:
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute("PRAGMA synchronous = OFF")
            for _ in range(rng.choice((1, 1, 2, 4))):
                table = rng.choice(("candidates", "evaluations", "events", "proposals", "parents", "meta"))
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
                column, value = rng.choice(columns), rng.choice(VALUES)
                where = rng.choice(("TRUE", "rowid % 2 = 0")) if table not in ("parents", "meta") else "TRUE"
                try:
                    db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,))
                except sqlite3.IntegrityError:
                    continue
    except (sqlite3.Error, UnicodeDecodeError):  # a damaged name in SQLite's own message
        return
    finally:
        db.close()


def read_all(folder: Path) -> None:
    """What the commands that read ask of an archive."""
    store = open_archive(folder, write=False)
    try:
        store.facts()
        found = store.candidates(order_by="error")
        store.scored()
        store.browse.points(["error", "params"])
        list(store.browse.trials(["error", "params"]))
        store.browse.failures()
        store.browse.fresh_errors()
        for each in found[:3]:
            store.evaluations(each.id)
            store.browse.proposal_of(each.id)
            store.children(each.id)
        store.events()
        store.proposals()
        store.totals.entered_training()
    finally:
        store.close()


def data_file(rng: random.Random, place: Path) -> None:
    """One .npz or .csv of a user. Expected: TaskError alone."""
    from evoarch.evaluators.errors import TaskError
    from evoarch.evaluators.tasks import load_task

    draw = np.random.default_rng(rng.getrandbits(32))
    buffer = io.BytesIO()
    arrays = {"x_train": draw.normal(size=(20, 3)), "y_train": draw.integers(0, 3, 20)}
    np.savez(
        buffer, **{k: v.astype(rng.choice((np.float32, np.int64, np.float64))) for k, v in arrays.items()}
    )
    data = damaged(buffer.getvalue(), rng)
    path = place / "data.npz"
    path.write_bytes(data)
    try:
        load_task(f"tensors:{path}").splits(0)  # type: ignore[attr-defined]
    except TaskError:
        return


GATES: Mapping[str, Callable[..., None]] = {
    "child": child,
    "reply": reply,
    "archive": archive,
    "data": data_file,
}
SHARES = {"child": 0.5, "reply": 0.3, "archive": 0.12, "data": 0.08}
"""Of all inputs: an archive takes longest."""


def fuzz(number: int, sound: bytes, place: Path, start: int = 0) -> dict[str, int]:
    """Inputs `start` to `start + number`, each a function of its number; how many went to each gate.

    Raises AssertionError that names the input for whatever is not expected.
    """
    counts = dict.fromkeys(SHARES, 0)
    for each in range(start, start + number):
        rng = random.Random(each)
        (gate,) = rng.choices(list(SHARES), list(SHARES.values()))
        more = {"archive": (sound, place), "data": (place,)}.get(gate, ())
        try:
            GATES[gate](rng, *more)
        except Exception as error:  # whatever a gate raises is a find, told with the number of its input
            raise AssertionError(f"input {each} ({gate}): {type(error).__name__}: {error}") from error
        counts[gate] += 1
    return counts


def sound_archive(folder: Path) -> bytes:
    """A small campaign's archive."""
    from evoarch.agent.cli import main  # noqa: F401 - what reads an archive is loaded before it is measured
    from kit.campaigns import archive_of, config_of, run
    from kit.scale_models import MODEL

    store = archive_of(folder, MODEL.format(scale=1.5))
    run(store, config_of(budget={"evaluations": 6}))
    store.close()
    connection = sqlite3.connect(folder / "archive.db")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return (folder / "archive.db").read_bytes()


def largest() -> dict[str, bytes]:
    """The largest answers that are allowed, of each kind that costs something."""
    room = Limits().output

    def made(tensors: list[Any], frames: bytes, notes: Any = ()) -> bytes:
        text = json.dumps({"tensors": tensors, "notes": dict(notes)}).encode()[: wire.MAX_HEADER]
        return struct.pack("<cI", b"R", len(text)) + text + frames

    names = [f"0/{'x' * 150}{n}" for n in range(wire.MAX_TENSORS)]
    ties = dict.fromkeys(names[:9000], names[0])
    stages = wire.stage_record("y" * wire.MAX_STAGE) * wire.MAX_STAGES
    return {
        "one tensor": made([["0/w", "float32", [room // 4]]], bytes(room)),
        "truth values": made([["0/w", "bool", [room]]], bytes(room)),
        "10,000 tensors": made([[n, "float32", [1]] for n in names], bytes(4 * len(names))),
        "tied tensors": made([[n, "float32", [1]] for n in names[:9000]], bytes(36_000), {"ties": ties}),
        "tied tensors of many bytes": made(
            [[f"0/{n}", "float32", [room // 400]] for n in range(100)],
            bytes(room // 400 * 400),
            {"ties": {f"0/{n}": "0/0" for n in range(100)}},
        ),
        "shapes of 16": made([[f"0/{n}", "float16", [1] * 16] for n in range(10_000)], bytes(20_000)),
        "notes of lists": made([], b"", {"curve": [[]] * 1_000_000}),
        "notes of numbers": made([], b"", {"curve": [1.5] * 800_000}),
        "notes of text": made([], b"", {"no_flops": "z" * 4_000_000}),
        "stages": stages + made([["0/w", "float32", [1]]], bytes(4)),
    }

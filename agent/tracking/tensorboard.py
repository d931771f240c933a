"""A campaign in TensorBoard: a folder of event files; a candidate's id is the step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evoarch.agent.config.tracking import TrackTable
from evoarch.agent.tracking.base import Facts, Item


class TensorBoardTracker:
    """Scalars `candidate/...` and `best/...` over candidates, `loss/ID` over a training, and code as text.

    TensorBoard has neither runs within runs nor files: the report stays in the campaign's folder.
    """

    late = False

    def __init__(self, table: TrackTable, place: str) -> None:
        self._place = Path(place)

    def begin(self, facts: Facts, run: str) -> tuple[str, bool]:
        """The id is the name of the run's folder."""
        # TensorBoard's own writer: that of torch.utils.tensorboard would import torch.
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = self._place / facts.name
        there = bool(run) and any(folder.glob("events.*"))
        self._writer: Any = EventFileWriter(str(folder))
        if not there:
            lines = [f"    {key} = {value}" for key, value in facts.settings.items()]
            self._text("campaign", "\n".join(lines), 0)
        return facts.name, there

    def tell(self, item: Item) -> None:
        """Again, it adds equal points at the same step."""
        step = item.candidate.id
        self._scalars({f"candidate/{name}": value for name, value in item.metrics.items()}, step)
        self._scalars({f"best/{name}": value for name, value in item.best.items()}, step)
        for at, loss in enumerate(item.curve):
            self._scalars({f"loss/{step}": loss}, at)
        code = "\n".join(f"    {line}" for line in item.candidate.source.splitlines())
        words = ", ".join(f"{key} {value}" for key, value in item.facts.items())
        self._text(f"code/{step}", f"{words}\n\n{code}", step)
        self._writer.flush()

    def _scalars(self, values: Mapping[str, float], step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._add(Summary(value=[Summary.Value(tag=tag, simple_value=values[tag]) for tag in values]), step)

    def _text(self, tag: str, text: str, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING

        kind = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
        self._add(Summary(value=[Summary.Value(tag=tag, metadata=kind, tensor=tensor)]), step)

    def _add(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def end(self, report: Path | None) -> None:
        """Writes what is still in memory."""
        self._writer.close()

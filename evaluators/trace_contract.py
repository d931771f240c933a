"""What every tracer must do, as one importable test class.

Subclass it in a test module and give one fixture, `traced`: it hands sources to the tracer and waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from evoarch.archive.records import Failed, Fault
from evoarch.evaluators.trace import INPUT, Trace, Traced

Ask = Callable[[Sequence[str]], Traced]

SOURCE = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.hidden = nn.Linear({inputs}, {width})
        self.last = nn.Linear({width}, num_classes)

    def forward(self, x):
        return self.last(torch.relu(self.hidden(x.flatten(1))))
"""
"""A model of tasks whose examples have `inputs` numbers."""

BROKEN = "def ("


class TracerContract:
    """`inputs`: how many numbers an example of the tracer's task has."""

    inputs = 40

    def source(self, width: int) -> str:
        """A sound model; other widths are other models."""
        return SOURCE.format(inputs=self.inputs, width=width)

    def test_each_source_has_its_own_result_in_the_order_of_the_call(self, traced: Ask) -> None:
        sources = [self.source(width) for width in (3, 5, 3)]
        found = traced(sources).results
        alone = [traced([source]).results[0] for source in sources]
        assert found == alone
        assert isinstance(found[0], Trace)
        assert found[0] != found[1]

    def test_nothing_asked_is_nothing_found(self, traced: Ask) -> None:
        assert list(traced([]).results) == []

    def test_a_source_that_is_no_model_fails_alone_by_its_own_fault(self, traced: Ask) -> None:
        first, broken, last = traced([self.source(3), BROKEN, self.source(4)]).results
        assert isinstance(first, Trace)
        assert isinstance(broken, Failed)
        assert broken.fault is Fault.CANDIDATE
        assert broken.reason
        assert isinstance(last, Trace)

    def test_a_trace_adds_up_and_survives_json(self, traced: Ask) -> None:
        outcome = traced([self.source(7)])
        (trace,) = outcome.results
        assert isinstance(trace, Trace)
        assert trace.nodes
        assert sum(node.params for node in trace.nodes) <= trace.params
        assert all(INPUT <= read < place for place, node in enumerate(trace.nodes) for read in node.reads)
        assert Trace.from_json(json.loads(json.dumps(trace.as_json()))) == trace
        assert outcome.cpu_seconds >= 0

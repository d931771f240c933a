"""What the tasks raise. A module of its own, so that whoever catches it imports no task."""

from __future__ import annotations


class TaskError(ValueError):
    """A task can't be used as asked; one line says what was expected, or what to run."""

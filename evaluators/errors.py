"""What the tasks raise. A module of its own, so that whoever catches it imports no task."""

from __future__ import annotations


class PartError(ValueError):
    """A part that a configuration names can't be used; one line says where, what was expected and got."""


class TaskError(PartError):
    """A task can't be used as asked; one line says what was expected, or what to run."""

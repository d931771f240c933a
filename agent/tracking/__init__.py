"""Trackers: a campaign in MLflow, TensorBoard, Trackio or Weights & Biases (docs/tracking.md).

A tracker is told by a process of its own, which reads the archive as a page does; a run never waits for it.
"""

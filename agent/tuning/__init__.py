"""Soft prompt tuning: what is trained on, the training in a process of its own, the files that come of it."""

"""Metrics of supervised tasks beside the error: one file each, found by themselves (see `registry`)."""

"""Where this package is installed."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
"""The folder that holds the package `evoarch`. A helper process gets it as PYTHONPATH, so that it loads this
very package whatever the current folder holds (python's -P leaves that one out).
"""

"""Facts of the archive's tables that queries share. The tables themselves are in migrations.py."""

from __future__ import annotations

FILE = "archive.db"
VERSION = 3
READABLE = 2
"""The oldest version that can be read as it is; what it lacks is empty. Writing brings it to `VERSION`."""

BEFORE_TRAINING = ("vet", "build", "dry_run", "static")
"""Stages of failure at which a candidate had not entered training: it costs no budget."""

_STAGES = ", ".join(f"'{stage}'" for stage in BEFORE_TRAINING)

ENTERED = f"kind = 'search' AND fault IS NOT 'infrastructure' AND (stage IS NULL OR stage NOT IN ({_STAGES}))"
"""Which evaluations cost budget: those that entered training. The text is that of the index
`evaluations_entered`, which goes unused where they differ: a change needs a migration."""

UNSCREENED = "state <> 'screened'"
"""Which candidates count: a screened one is a draft that was built and not chosen. The text is that of the
index `candidates_unscreened`."""

TUNING = "json_extract(detail, '$.tuning.cpu_seconds')"
"""Of a `round` in the diary: what training its soft prompt took, NULL where none was trained."""

SINCE_READABLE = """
CREATE TABLE traces (
    candidate INTEGER PRIMARY KEY REFERENCES candidates(id),
    trace TEXT NOT NULL             -- JSON, as evaluators.trace has it
);
CREATE TABLE predictions (
    candidate INTEGER PRIMARY KEY REFERENCES candidates(id),
    slot INTEGER NOT NULL,
    model TEXT NOT NULL,
    rows INTEGER NOT NULL,
    mean REAL,
    low REAL,
    high REAL,
    value REAL,
    unscreened INTEGER NOT NULL,
    detail TEXT NOT NULL
)
"""
"""The tables of version 3, which a reader of an older archive has empty."""

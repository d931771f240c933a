"""Facts of the archive's tables that queries share. The tables themselves are in migrations.py."""

from __future__ import annotations

FILE = "archive.db"
VERSION = 2

BEFORE_TRAINING = ("vet", "build", "dry_run", "static")
"""Stages of failure at which a candidate had not entered training: it costs no budget."""

_STAGES = ", ".join(f"'{stage}'" for stage in BEFORE_TRAINING)

ENTERED = f"kind = 'search' AND fault IS NOT 'infrastructure' AND (stage IS NULL OR stage NOT IN ({_STAGES}))"
"""Which evaluations cost budget: those that entered training. The text is that of the index
`evaluations_entered`, which goes unused where they differ: a change needs a migration."""

TUNING = "json_extract(detail, '$.tuning.cpu_seconds')"
"""Of a `round` in the diary: what training its soft prompt took, NULL where none was trained."""

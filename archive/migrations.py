"""The tables of `archive.db`, as migrations.

Columns are plain; JSON text holds only open maps and lists. Wide columns stand last in their row, so that
listing, counting and sorting never read them.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

from evoarch.archive.schema import ENTERED, SINCE_READABLE, UNSCREENED

MIGRATIONS = Migrations("evoarch")

_STATES = (
    "'proposed', 'rejected', 'duplicate', 'awaiting_review', 'queued', 'running', 'scored', 'failed',"
    " 'stopped'"
)

_META = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL             -- JSON
) WITHOUT ROWID
"""

_CANDIDATES = """
CREATE TABLE {name} (
    id INTEGER PRIMARY KEY,
    operator TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ({states})),
    generation INTEGER NOT NULL,
    number INTEGER UNIQUE,          -- of its proposal, NULL for seeds
    error REAL,
    params INTEGER,
    seeds INTEGER NOT NULL DEFAULT 0,
    name TEXT UNIQUE,
    duplicate_of INTEGER REFERENCES candidates(id),
    cpu_seconds REAL NOT NULL DEFAULT 0,  -- spent on it outside its evaluations
    source_digest TEXT,
    function_digest TEXT,
    metrics TEXT NOT NULL DEFAULT '{{}}',
    repairs TEXT NOT NULL DEFAULT '[]',
    note TEXT NOT NULL DEFAULT '',
    change TEXT NOT NULL DEFAULT '',
    source TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT '',  -- the reply part it was read from
    CHECK ((state = 'scored') = (error IS NOT NULL)),
    CHECK ((state = 'duplicate') = (duplicate_of IS NOT NULL))
)
"""

_CANDIDATES_INDEXES = """
CREATE INDEX candidates_state ON candidates(state, error, number);
CREATE INDEX candidates_cost ON candidates(cpu_seconds) WHERE cpu_seconds > 0;
CREATE INDEX candidates_params ON candidates(params);
CREATE INDEX candidates_error ON candidates(error);
CREATE INDEX candidates_generation ON candidates(generation);
CREATE INDEX candidates_operator ON candidates(operator, state, number);
CREATE INDEX candidates_source_digest ON candidates(source_digest, state);
CREATE INDEX candidates_function_digest ON candidates(function_digest, state)
"""

_FIRST = f"""
CREATE TABLE parents (
    candidate INTEGER NOT NULL REFERENCES candidates(id),
    position INTEGER NOT NULL,
    parent INTEGER NOT NULL REFERENCES candidates(id),
    PRIMARY KEY (candidate, position)
) WITHOUT ROWID;
CREATE INDEX parents_parent ON parents(parent, candidate);
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,             -- seconds since 1970
    kind TEXT NOT NULL,
    candidate INTEGER REFERENCES candidates(id),
    detail TEXT NOT NULL DEFAULT '{{}}'
);
CREATE INDEX events_kind ON events(kind, time);
CREATE INDEX events_candidate ON events(candidate);
CREATE TABLE proposals (
    number INTEGER PRIMARY KEY,
    candidate INTEGER NOT NULL UNIQUE REFERENCES candidates(id),
    operator TEXT NOT NULL,
    batch INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    saw INTEGER NOT NULL,           -- last event visible when it was drawn, 0 for none
    context TEXT NOT NULL,
    UNIQUE (batch, ordinal)
);
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY,
    candidate INTEGER NOT NULL REFERENCES candidates(id),
    rung TEXT NOT NULL,
    seed INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('search', 'seed', 'repeat')),
    outcome TEXT NOT NULL CHECK (outcome IN ('scored', 'failed')),
    stage TEXT,
    fault TEXT CHECK (fault IN ('candidate', 'infrastructure')),
    error REAL,
    params INTEGER,
    seconds REAL NOT NULL,
    cpu_seconds REAL NOT NULL,
    reason TEXT,
    metrics TEXT,
    correct BLOB NOT NULL,
    detail TEXT NOT NULL,
    CHECK ((outcome = 'scored') = (error IS NOT NULL AND metrics IS NOT NULL)),
    CHECK ((outcome = 'failed') = (stage IS NOT NULL AND fault IS NOT NULL AND reason IS NOT NULL))
);
CREATE UNIQUE INDEX evaluations_once ON evaluations(candidate, rung, seed)
    WHERE fault IS NOT 'infrastructure';
CREATE INDEX evaluations_entered ON evaluations(candidate) WHERE {ENTERED};
CREATE INDEX evaluations_candidate ON evaluations(candidate);
CREATE INDEX evaluations_cost ON evaluations(outcome, fault, stage, kind, cpu_seconds);
CREATE TABLE lm_calls (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    model TEXT NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sent', 'settled', 'failed', 'lost')),
    prompt_tokens INTEGER NOT NULL, -- while sent, and when lost: an upper bound
    completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    cpu_seconds REAL NOT NULL DEFAULT 0,
    price REAL NOT NULL,
    error TEXT NOT NULL,
    request TEXT NOT NULL,
    finish_reasons TEXT NOT NULL,
    replies TEXT NOT NULL,
    prompt TEXT NOT NULL
);
CREATE INDEX lm_calls_cost ON lm_calls(state, prompt_tokens, completion_tokens, price, cpu_seconds);
CREATE INDEX lm_calls_digest ON lm_calls(digest);
CREATE INDEX lm_calls_batch ON lm_calls(batch)
"""


@MIGRATIONS()
def m001_first(db: Database) -> None:
    """Every table but that of verdicts."""
    for part in (_META, _CANDIDATES.format(name="candidates", states=_STATES), _CANDIDATES_INDEXES, _FIRST):
        _execute(db, part)
    db.execute("INSERT INTO meta VALUES ('schema_version', '1')")


_VERDICTS = """
CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY,
    candidate INTEGER NOT NULL REFERENCES candidates(id),
    kind TEXT NOT NULL CHECK (kind IN ('approve', 'veto', 'pin', 'note')),
    text TEXT NOT NULL,
    time REAL NOT NULL              -- seconds since 1970
);
CREATE INDEX verdicts_candidate ON verdicts(candidate, kind);
CREATE INDEX evaluations_history
    ON evaluations(id, candidate, kind, seed, outcome, stage, fault, error, params, cpu_seconds)
"""
"""`evaluations_history` lets a page read how the search went without the wide columns."""


@MIGRATIONS()
def m002_verdicts(db: Database) -> None:
    """What people say of candidates, and an index for a page that reads the whole history."""
    _execute(db, _VERDICTS)
    db.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")


@MIGRATIONS()
def m003_screened(db: Database) -> None:
    """Candidates that were screened, what was foretold of them, and what models are made of."""
    _execute(db, _CANDIDATES.format(name="candidates_new", states=f"{_STATES}, 'screened'"))
    # A CHECK can't be changed in place: https://sqlite.org/lang_altertable.html#otheralter has this way.
    _execute(db, "INSERT INTO candidates_new SELECT * FROM candidates")
    _execute(db, "DROP TABLE candidates")
    _execute(db, "ALTER TABLE candidates_new RENAME TO candidates")
    _execute(db, _CANDIDATES_INDEXES)
    _execute(
        db,
        f"CREATE INDEX candidates_unscreened ON candidates(id, state, operator, number) WHERE {UNSCREENED}",
    )
    _execute(db, SINCE_READABLE)
    if broken := db.execute("PRAGMA foreign_key_check").fetchone():
        raise sqlite3.IntegrityError(f"table {broken[0]} names a candidate that is missing")
    db.execute("UPDATE meta SET value = '3' WHERE key = 'schema_version'")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to `VERSION`; each step is one transaction."""
    (keys,) = connection.execute("PRAGMA foreign_keys").fetchone()
    # Off while a table is made anew; within a transaction it could not be set.
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        MIGRATIONS.apply(Database(connection, execute_plugins=False))
    finally:
        connection.execute(f"PRAGMA foreign_keys = {keys}")


def _execute(db: Database, statements: str) -> None:
    for statement in statements.split(";"):
        db.execute(statement)

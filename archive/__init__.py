"""The memory: records, the SQLite store, Pareto arithmetic and queries. Imports no torch.

`store.create` and `store.open_archive` give a `Store`. Only connection, schema, queries, browse, totals,
writer, call_log, verdicts and store know SQL.
"""

if (
    __name__ != "evoarch.archive"
):  # the folder was found by its own name: everything in it would be loaded twice
    raise ImportError(f"expected evoarch.archive, got {__name__}: import it from the package evoarch")

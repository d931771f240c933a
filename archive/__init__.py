"""The memory: records, the SQLite store, Pareto arithmetic and queries. Imports no torch.

`store.create` and `store.open_archive` give a `Store`. Only connection, schema, queries, browse, totals,
writer, call_log, verdicts and store know SQL.
"""

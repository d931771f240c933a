"""The memory: records, the SQLite store, Pareto arithmetic and queries. Imports no torch."""

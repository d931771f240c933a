"""Comparing arms at one budget: their runs (`arms`, `runs`), what the runs reached (`curves`), what can be
said of it (`comparison`), and the report (`page`).
"""

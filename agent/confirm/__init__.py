"""Confirmation: finished candidates and baselines retrained from scratch, ranked where no search looked, and
tested once (`run`), with what the record says of it (`record`) and what may be concluded (`decision`).
"""

"""Model files that want a score, a size or an excuse that they have not earned: see kinds.py."""

"""Scaling: the numbers in a model file that say how wide, how deep and how fine it is, and larger ones."""

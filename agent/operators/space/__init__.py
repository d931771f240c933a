"""Families of architectures: one skeleton, whose numbers a classical search fills in."""

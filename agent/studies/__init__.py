"""Trainings outside a search that answer a question: which edit earned the gain, what a family holds."""

"""The measuring: tasks, training and prediction inside the walls, scoring outside them."""

if (
    __name__ != "evoarch.evaluators"
):  # the folder was found by its own name: everything in it would be loaded twice
    raise ImportError(f"expected evoarch.evaluators, got {__name__}: import it from the package evoarch")

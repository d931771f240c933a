"""The walls: a genome's identity, its vetting, and the processes that run it."""

if (
    __name__ != "evoarch.sandbox"
):  # the folder was found by its own name: everything in it would be loaded twice
    raise ImportError(f"expected evoarch.sandbox, got {__name__}: import it from the package evoarch")

"""The will: the campaign loop, its operators, language models, selection, budget and commands."""

if (
    __name__ != "evoarch.agent"
):  # the folder was found by its own name: everything in it would be loaded twice
    raise ImportError(f"expected evoarch.agent, got {__name__}: import it from the package evoarch")

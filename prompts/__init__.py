"""The words: templates with typed contexts, and the parsers that turn a reply back into source."""

if (
    __name__ != "evoarch.prompts"
):  # the folder was found by its own name: everything in it would be loaded twice
    raise ImportError(f"expected evoarch.prompts, got {__name__}: import it from the package evoarch")

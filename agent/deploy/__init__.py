"""A candidate taken along: files for other tools, checked against the model that was measured."""

"""A user's own model files: inlined into one genome, partly frozen, and returned as a patch."""

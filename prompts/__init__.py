"""The words: templates with typed contexts, and the parsers that turn a reply back into source."""

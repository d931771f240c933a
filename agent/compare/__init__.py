"""Arms of a comparison at one budget: runs (`arms`, `runs`), what they reached (`curves`), what can be said
of it (`statistics`, `words`), and the page about it (`page`).
"""

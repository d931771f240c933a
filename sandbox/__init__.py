"""The walls: a genome's identity, its vetting, and the processes that run it."""

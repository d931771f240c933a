"""The part of the CLRS task that runs inside the walls. Imports torch only."""
